"""What both sides call things: this process, and vLLM's workers."""

BACKEND = "rlvr_whole"
"""The backend of vLLM's weight transfer that `transfer` registers."""

EXTENSION = "rlvr_gym.generation.vllm.transfer.WorkerExtension"
"""Imported by vLLM in every worker, which registers the backend."""

FIRST_WEIGHTS = "default"
"""What vLLM calls the weights that it started with."""
