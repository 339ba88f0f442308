"""The model of a reward model in training."""
