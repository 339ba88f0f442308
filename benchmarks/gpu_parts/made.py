"""Models, prompts and samples that are made on the spot, and lines of the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import transformers
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.tasks import Message


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the models and of the work."""

    hidden: int
    layers: int
    vocabulary: int
    prompts: int
    group: int
    prompt: int
    completion: int
    matrix: int
    """Rows and columns of the matrices whose product tells the card's rate."""


CHECKED = Sizes(hidden=256, layers=4, vocabulary=2048, prompts=4, group=8, prompt=48, completion=32, matrix=0)
LARGE = Sizes(
    hidden=896, layers=24, vocabulary=65_536, prompts=16, group=8, prompt=96, completion=128, matrix=8192
)
SMALL = Sizes(hidden=64, layers=2, vocabulary=256, prompts=2, group=4, prompt=24, completion=12, matrix=256)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of the table: a check, which has a limit, or a measurement."""

    what: str
    found: float | None
    """None for something that is not here to be measured."""
    limit: float | None = None
    unit: str = ""

    @property
    def passed(self) -> bool:
        """False for a check that found more than its limit, or no number."""
        return self.limit is None or (self.found is not None and self.found <= self.limit)

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"{self.limit:.0e}"
        verdict = "" if self.limit is None else "ok" if self.passed else "FAILED"
        if self.found is None:
            return f"| {self.what} | not installed here | | |"
        number = f"{self.found:,.1f} {self.unit}" if self.unit else f"{self.found:.1e}"
        return f"| {self.what} | {number} | {limit} | {verdict} |"


def model_of(sizes: Sizes) -> Any:
    """A Llama, the same for the same sizes, with logits as spread as a trained model's; and a tokenizer."""
    torch.manual_seed(0)
    heads = sizes.hidden // 64
    config = LlamaConfig(
        vocab_size=sizes.vocabulary, hidden_size=sizes.hidden, intermediate_size=sizes.hidden * 38 // 7,
        num_hidden_layers=sizes.layers, num_attention_heads=heads, num_key_value_heads=2 if heads % 2 == 0 else 1,
        max_position_embeddings=1024, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.normal_(0, 3 / sizes.hidden**0.5)
    return model, character_tokenizer(context=1024)


def policy_of(sizes: Sizes, device: str, **settings: Any) -> Policy:
    config = ModelConfig.model_validate({"path": "made", "device": device, **settings})
    return Policy(config, seed=0, loaded=model_of(sizes))


def prompts(sizes: Sizes) -> list[GenerationRequest]:
    """Prompts that differ in their last characters, so that they share a beginning too."""
    text = "x" * (sizes.prompt - 8)
    return [
        GenerationRequest(messages=(Message(role="user", content=f"{text}{number:02}"),), seed=number)
        for number in range(sizes.prompts)
    ]


def samples(policy: Policy, sizes: Sizes) -> TokenBatch:
    """Sample from the policy; tokens with the sampler's log-probabilities."""
    sampling = SamplingParams(max_tokens=sizes.completion)
    groups = sorted(policy.generator().generate(prompts(sizes), sizes.group, sampling))
    every = [(number, completion) for number, group in groups for completion in group]
    return TokenBatch.of_sequences(
        [completion.prompt_token_ids or () for _, completion in every],
        [completion.token_ids or () for _, completion in every],
        masks=[[True] * len(completion.token_ids or ()) for _, completion in every],
        logprobs=[completion.logprobs or () for _, completion in every],
        groups=[number for number, _ in every],
        scored=[True] * len(every),
    )


def machine(device: str) -> str:
    """Say what is measured on what."""
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return f"{name}; torch {torch.__version__}, transformers {transformers.__version__}"
