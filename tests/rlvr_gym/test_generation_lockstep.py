"""Models that keep other state than keys and values: the same contract, from their own cache or from none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    BambaConfig,
    BambaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
    PreTrainedModel,
)

from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.conformance import check_generator
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.lockstep import Memory
from tests.rlvr_gym.test_generation import (
    DIGITS,
    PROMPTS,
    forward_passes,
    logprobs_by_brute_force,
    sample,
    tokens,
)

SHARED: dict[str, Any] = {
    "vocab_size": 14,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def model_of_kind(memory: Memory) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        match memory:
            case Memory.OWN:
                config = MambaConfig(**SHARED, hidden_size=32, num_hidden_layers=2, state_size=4)
                return MambaForCausalLM(config).eval()
            case Memory.COUNTED:
                return BambaForCausalLM(
                    BambaConfig(
                        **SHARED,
                        hidden_size=32,
                        intermediate_size=64,
                        num_hidden_layers=2,
                        num_attention_heads=4,
                        num_key_value_heads=2,
                        attn_layer_indices=[1],
                        mamba_n_heads=4,
                        mamba_d_head=16,
                        mamba_d_state=8,
                        mamba_chunk_size=8,
                        max_position_embeddings=64,
                    )
                ).eval()
            case _:
                return OpenAIGPTLMHeadModel(
                    OpenAIGPTConfig(**SHARED, n_embd=32, n_layer=2, n_head=4, n_positions=64)
                )


KINDS = [Memory.OWN, Memory.COUNTED, Memory.NONE]


def generator_of_kind(memory: Memory, **options: Any) -> TransformersGenerator:
    tokenizer = character_tokenizer(DIGITS, context=64)
    generator = TransformersGenerator(model_of_kind(memory), tokenizer, **options)
    assert generator.memory is memory
    return generator


@pytest.mark.parametrize("memory", KINDS)
def test_the_generator_honours_the_contract(memory: Memory):
    check_generator(generator_of_kind(memory), PROMPTS)


@pytest.mark.parametrize("memory", KINDS)
def test_recorded_logprobs_are_those_of_a_forward_pass_over_each_prefix(memory: Memory):
    generator = generator_of_kind(memory, max_batch_rows=5)
    for group in sample(generator, n=3, temperature=0.7).values():
        for completion in group:
            expected = logprobs_by_brute_force(generator.model, completion, 0.7)
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("memory", KINDS)
def test_completions_do_not_depend_on_batch_size_or_company(memory: Memory):
    expected = tokens(sample(generator_of_kind(memory)))
    assert tokens(sample(generator_of_kind(memory, max_batch_rows=3))) == expected
    assert tokens(sample(generator_of_kind(memory, max_batch_tokens=50))) == expected
    for index, alone in enumerate(PROMPTS):
        assert tokens(sample(generator_of_kind(memory), [alone]))[0] == expected[index]


def test_prompts_are_computed_once_and_no_token_after_the_last():
    generator = generator_of_kind(Memory.OWN)
    with forward_passes(generator.model) as passes:
        groups = sample(generator, n=9, max_tokens=20)
    one_token_prompt = 1
    assert sum(rows for rows, columns in passes if columns > 1) == len(PROMPTS) - one_token_prompt
    needed = sum(len(c.token_ids) - 1 for group in groups.values() for c in group)
    assert sum(rows for rows, columns in passes if columns == 1) == needed + one_token_prompt


@pytest.mark.parametrize("memory", KINDS)
def test_no_padding_is_shown_to_the_model(memory: Memory):
    generator = generator_of_kind(memory)
    masks: list[object] = []
    generator.model.register_forward_pre_hook(
        lambda _, __, named: masks.append(named.get("attention_mask")), with_kwargs=True
    )
    with forward_passes(generator.model) as passes:
        sample(generator, n=2)
    assert set(masks) == {None}
    if (
        memory is not Memory.NONE
    ):  # without a cache, shorter prompts come to be as long while they are decoded
        read = {rows for rows, columns in passes if columns in (9, 10)}
        assert read <= {1, 2}  # prompts of 9 and of 10 tokens are not read together


def test_a_group_that_is_finished_is_yielded_before_prompts_of_other_lengths_are_read():
    generator = generator_of_kind(Memory.OWN)
    with forward_passes(generator.model) as passes:
        groups = iter(generator.generate(PROMPTS, 2, SamplingParams(max_tokens=3)))
        first, _ = next(groups)
        assert len(PROMPTS[first].messages[0].content) == 10
        assert {columns for _, columns in passes} <= {1, 10}
        assert len(dict(groups)) == len(PROMPTS) - 1
