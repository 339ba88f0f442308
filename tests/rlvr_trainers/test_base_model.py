"""Families whose `get_decoder` does not compute the hidden states are trained all the same, or refused in a line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.logprobs import base_model, token_logprobs
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from rlvr_gym import ConfigError, FinishReason, Message, Rollout, Task, Verdict

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
LLAMA4 = {
    **SMALL,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "interleave_moe_layer_step": 2,
    "intermediate_size_mlp": 64,
    "attention_chunk_size": 8,
}


def model_of(kind: str, **settings: Any) -> Any:
    config = AutoConfig.for_model(
        kind, vocab_size=50, bos_token_id=1, eos_token_id=2, pad_token_id=0, **settings
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config).float().eval()


@pytest.mark.parametrize(
    ("kind", "settings"), [("llama4_text", LLAMA4), ("modernbert-decoder", SMALL), ("llama", SMALL)]
)
def test_logprobs_are_those_of_the_whole_model_whatever_its_base_model_is_called(
    kind: str, settings: dict[str, int]
):
    model, ids = model_of(kind, **settings), (5, 6, 7, 8, 9, 10)
    rollout = Rollout(
        task=Task(prompt="?"),
        sample=0,
        prompt_ids=ids[:2],
        token_ids=ids[2:],
        action_mask=(True,) * 4,
        logprobs=(0.0,) * 4,
        messages=(Message(role="assistant", content=""),),
        finish_reason=FinishReason.STOP,
        verdict=Verdict.right(),
    )
    with torch.no_grad():
        found, _ = token_logprobs(model, TokenBatch.of_rollouts([rollout], [0]), temperature=1.0)
        expected = model(input_ids=torch.tensor([ids])).logits[0, 1:-1].log_softmax(-1)
    expected = expected.gather(-1, torch.tensor(ids[2:])[:, None])[:, 0]
    assert torch.allclose(found.flatten(), expected, atol=1e-5)


def test_a_model_without_a_base_model_is_refused_in_one_line():
    class Headless(nn.Module):
        def get_decoder(self) -> nn.Module:
            return self

        @property
        def base_model(self) -> nn.Module:
            return self

    with pytest.raises(
        ConfigError, match="cannot train Headless: no module of it computes the hidden states"
    ):
        base_model(Headless())
