"""GRPO, DAPO and their relatives, from one loss core."""
