"""Sampling completions from models: the `Generator` seam and its backends."""

from rlvr_gym.generation.base import Generator, Prompt, SamplingParams

__all__ = ["Generator", "Prompt", "SamplingParams"]
