"""Rollouts, batches and models small enough to check by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from rlvr_gym import FinishReason, Message, Rollout, Task, Verdict

# One thread, as the processes that these tests start have: another number adds up in another order, and what is
# compared here is compared bit for bit.
torch.set_num_threads(1)


def _rollout(
    prompt_ids: Sequence[int],
    token_ids: Sequence[int],
    *,
    mask: Sequence[bool] | None = None,
    logprobs: Sequence[float] | None = None,
    score: float | None = 1.0,
    truncated: bool = False,
) -> Rollout:
    if score is None:
        verdict = Verdict.unscored("the verifier crashed")
    else:
        verdict = Verdict.right() if score == 1.0 else Verdict.wrong(score=score)
    return Rollout(
        task=Task(prompt="What is it?"),
        sample=0,
        prompt_ids=tuple(prompt_ids),
        token_ids=tuple(token_ids),
        action_mask=tuple(mask or [True] * len(token_ids)),
        logprobs=tuple(logprobs or [0.0] * len(token_ids)),
        messages=(Message(role="assistant", content="it"),),
        finish_reason=FinishReason.LENGTH if truncated else FinishReason.STOP,
        verdict=verdict,
    )


def _batch(mask: Any, *, advantages: Any = 0.0, **fields: Any) -> CreditedBatch:
    """A batch of one-token prompts whose tensors are given by hand; (B, T) fields may be scalars or nested lists."""
    mask_BT = torch.tensor(mask, dtype=torch.bool)
    B, T = mask_BT.shape

    def table(values: Any) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float64).expand(B, T)

    named: dict[str, Any] = {
        f"{name}_BT": table(fields[name]) for name in ("old_logprobs", "ref_logprobs") if name in fields
    }
    tokens = TokenBatch(
        input_ids=torch.zeros(B, T + 1, dtype=torch.long),
        position_ids=torch.arange(T + 1).expand(B, T + 1),
        offsets_B=torch.arange(B) * (T + 1),
        prompt_lengths_B=torch.ones(B, dtype=torch.long),
        lengths_B=torch.full((B,), T + 1),
        groups_B=torch.tensor(fields.get("groups", [0] * B)),
        scored_B=torch.tensor(fields.get("scored", [True] * B)),
        mask_BT=mask_BT,
        rollout_logprobs_BT=table(fields.get("rollout_logprobs", 0.0)),
        stale_B=torch.tensor(fields.get("stale", [False] * B)),
    )
    nothing_B = torch.zeros(B, dtype=torch.float64)
    return CreditedBatch(
        tokens=tokens,
        rewards_B=nothing_B,
        advantages_B=nothing_B,
        advantages_BT=table(advantages),
        **named,
    )


def _tiny_llama(**config: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 23,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
    }
    heads: dict[str, Any] = {
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.4,
    }
    return LlamaForCausalLM(LlamaConfig(**shape | heads | config)).double().eval()


def _tiny_gpt2(**config: Any) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 23, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    ids: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.4}
    return GPT2LMHeadModel(GPT2Config(**shape | ids | config)).double().eval()


def _mixed_rollouts() -> tuple[list[Rollout], list[int]]:
    """Three groups of four: prompts and completions of all lengths, an environment turn, truncated and unscored."""
    rng = np.random.default_rng(7)
    rollouts, groups = [], []
    for group in range(3):
        prompt = rng.integers(0, 23, size=2 + 3 * group).tolist()
        for sample in range(4):
            length = int(rng.integers(1, 9))
            mask = [True] * length
            if sample == 2:
                mask = [True, True, False, False, False, *mask]
            tokens = rng.integers(0, 23, size=len(mask)).tolist()
            logprobs = [float(x) if m else 0.0 for x, m in zip(-3 * rng.random(len(mask)), mask, strict=True)]
            score = None if (group, sample) == (1, 3) else [0.0, 1.0, 0.5, 0.0][sample]
            truncated = (group, sample) == (2, 1)
            rollouts.append(
                _rollout(prompt, tokens, mask=mask, logprobs=logprobs, score=score, truncated=truncated)
            )
            groups.append(group)
    return rollouts, groups


@pytest.fixture
def make_rollout() -> Callable[..., Rollout]:
    return _rollout


@pytest.fixture
def make_batch() -> Callable[..., CreditedBatch]:
    return _batch


@pytest.fixture
def mixed_rollouts() -> tuple[list[Rollout], list[int]]:
    return _mixed_rollouts()


@pytest.fixture
def tiny_llama() -> Callable[..., LlamaForCausalLM]:
    return _tiny_llama


@pytest.fixture
def tiny_gpt2() -> Callable[..., GPT2LMHeadModel]:
    return _tiny_gpt2
