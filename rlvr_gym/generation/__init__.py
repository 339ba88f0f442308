"""Sampling completions from models: the `Generator` seam and its backends."""

from rlvr_gym.generation.base import (
    GenerationRequest,
    Generator,
    SamplingParams,
    TokenSequence,
    TrainableGenerator,
)

__all__ = ["GenerationRequest", "Generator", "SamplingParams", "TokenSequence", "TrainableGenerator"]
