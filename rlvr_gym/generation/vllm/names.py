"""Names shared by this process and vLLM's workers."""

BACKEND = "rlvr_whole"
"""The backend of vLLM's weight transfer that `transfer` registers."""

EXTENSION = "rlvr_gym.generation.vllm.transfer.WorkerExtension"
"""Imported by vLLM in every worker, which registers the backend."""

FIRST_WEIGHTS = "default"
"""vLLM's name for the weights that it started with."""
