"""A sampler on one node of a Ray cluster: a generator in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams, TokenSequence, TrainableGenerator
from rlvr_gym.generation.ray.stored import Chunk, tensors_of, with_values
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.verdicts import Completion

Make = Callable[[Mapping[str, Tensor]], TrainableGenerator]
"""Makes a sampler's generator of the weights of its model. Called on the node; travels there by pickle."""

PROBE = TokenSequence(prompt_token_ids=(1, 3, 2, 5), token_ids=(4, 2, 6))
"""The tokens whose scores show that a sampler computes what others do."""


@dataclass(frozen=True, kw_only=True)
class TransformersOf:
    """Makes the sampler of a model of transformers, which is given without values."""

    model: Any
    tokenizer: PreTrainedTokenizerBase
    dtype: torch.dtype | None

    def __call__(self, weights: Mapping[str, Tensor]) -> TrainableGenerator:
        """Sample from a model with these weights, on the GPU that Ray gave to this process, if any."""
        device = torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")
        return TransformersGenerator(
            with_values(self.model, weights, device), self.tokenizer, dtype=self.dtype
        )


@dataclass(frozen=True, kw_only=True)
class VLLMOf:
    """Makes the sampler of a model that vLLM reads on the node, from a folder there or from the hub."""

    path: str
    dtype: str

    def __call__(self, weights: Mapping[str, Tensor]) -> TrainableGenerator:
        """Start vLLM in this process."""
        from rlvr_gym.generation.vllm.engine import VLLMGenerator

        return VLLMGenerator(self.path, dtype=self.dtype)


class SamplerActor:
    """One call at a time, in the order of their arrival: requests that came before new weights are sampled before.

    Args:
        make: a reference to what makes the generator, in a list, so that it is fetched once, when it is needed.
        threads: threads of torch. Another number of them adds up in another order, so all samplers have the same.
    """

    def __init__(self, make: list[Any], threads: int) -> None:
        torch.set_num_threads(threads)
        self._make = make
        self._generator: TrainableGenerator | None = None
        self._number: int | None = None

    def load(self, number: int, version: int, *chunks: Chunk) -> tuple[int, tuple[float, ...]]:
        """Sample from these weights from now on. Returns the number, and the scores of `PROBE` under them."""
        self._number = None
        weights = tensors_of(chunks)
        if self._generator is None:
            make: Make = ray.get(self._make[0])
            self._generator = make(weights)
        self._generator.update_weights(weights.items(), version)
        self._number = number
        return number, self._generator.score([PROBE])[0]

    def generate(
        self, number: int, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> list[tuple[int, list[Completion]]]:
        """Sample under the weights of update `number`, as `Generator.generate` says."""
        return list(self._with(number).generate(prompts, n, sampling))

    def score(
        self, number: int, sequences: Sequence[TokenSequence], temperature: float
    ) -> list[tuple[float, ...]]:
        """Score under the weights of update `number`, as `TrainableGenerator.score` says."""
        return self._with(number).score(sequences, temperature)

    def _with(self, number: int) -> TrainableGenerator:
        if self._generator is None or number != self._number:
            raise TrainingError(f"a sampler has the weights of update {self._number}, not of {number}")
        return self._generator
