"""A sampler with a draft: its contract, and whole completions against the model's own distribution."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MambaConfig, MambaForCausalLM, PreTrainedModel

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import CountsDrafts, DraftCounts, GenerationRequest, SamplingParams
from rlvr_gym.generation.conformance import check_generator, check_trainable_generator
from rlvr_gym.generation.sampling import recorded_log_probabilities
from rlvr_gym.generation.tiny import character_tokenizer, tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.speculative import Draft
from tests.rlvr_gym.test_generation import (
    CONTEXT,
    DIGITS,
    EOS,
    KINDS,
    PROMPTS,
    generator_of_kind,
    logprobs_by_brute_force,
    model_of_kind,
    prompt,
    sample,
    tokens,
)
from tests.rlvr_gym.test_speculative_rule import chi_square_p_value

# Models


def drafting(kind: str, drafted: int = 4, **options: Any) -> TransformersGenerator:
    """A generator of that kind, drafted for by another architecture with other weights."""
    model, tokenizer = tiny_model(seed=8, alphabet=DIGITS, hidden=32, context=CONTEXT)
    draft = Draft(model=model, tokenizer=tokenizer, tokens=drafted)
    return generator_of_kind(kind, draft=draft, **options)


def small_llama_config(vocabulary: int = 14, **shape: Any) -> LlamaConfig:
    settings: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": CONTEXT, "initializer_range": 0.5, "pad_token_id": 0, "bos_token_id": 1,
        "eos_token_id": EOS,
    }  # fmt: skip
    return LlamaConfig(vocab_size=vocabulary, **{**settings, **shape})


def small_llama(seed: int, vocabulary: int = 14, **shape: Any) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(small_llama_config(vocabulary, **shape)).eval()


def counts(generator: TransformersGenerator) -> DraftCounts:
    assert isinstance(generator, CountsDrafts)
    assert generator.draft_counts is not None
    return generator.draft_counts


@pytest.mark.parametrize("kind", KINDS)
def test_a_generator_with_a_draft_honours_the_contract(kind: str):
    generator = drafting(kind)
    check_generator(generator, PROMPTS)
    assert 0 < counts(generator).accepted < counts(generator).judged


def test_a_generator_with_a_draft_takes_new_weights():
    generator = drafting(KINDS[0])
    check_trainable_generator(generator, model_of_kind(KINDS[0]), PROMPTS, tolerance=1e-4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("kind", KINDS)
def test_recorded_logprobs_are_the_models_and_not_the_drafts(kind: str, temperature: float):
    generator = drafting(kind, max_batch_rows=5)
    for group in sample(generator, n=3, temperature=temperature).values():
        for completion in group:
            expected = logprobs_by_brute_force(generator.model, completion, temperature)
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_completions_are_those_without_a_draft(kind: str):
    alone = sample(generator_of_kind(kind), n=2, temperature=0.0)
    drafted = sample(drafting(kind), n=2, temperature=0.0)
    assert tokens(drafted) == tokens(alone)
    for index, group in alone.items():
        assert drafted[index][0].logprobs == pytest.approx(group[0].logprobs, abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_drafted_completions_do_not_depend_on_batch_size_order_or_company(kind: str):
    expected = tokens(sample(drafting(kind)))
    assert tokens(sample(drafting(kind, max_batch_rows=1))) == expected
    assert tokens(sample(drafting(kind, max_batch_rows=7))) == expected
    backwards = tokens(sample(drafting(kind), PROMPTS[::-1]))
    assert {len(PROMPTS) - 1 - index: ids for index, ids in backwards.items()} == expected
    for index, alone in enumerate(PROMPTS):
        assert tokens(sample(drafting(kind), [alone]))[0] == expected[index]


@pytest.mark.parametrize("drafted", [1, 4, 20])
def test_a_model_that_drafts_for_itself_is_never_refused(drafted: int):
    model, tokenizer = small_llama(3), character_tokenizer(DIGITS, context=CONTEXT)
    draft = Draft(model=model, tokenizer=tokenizer, tokens=drafted)
    generator = TransformersGenerator(model, tokenizer, draft=draft)
    completions = sample(generator, n=20, temperature=0.8, max_tokens=11)
    found = counts(generator)
    assert found.accepted == found.judged > 0
    assert found.tokens == sum(len(c.token_ids) - 1 for group in completions.values() for c in group)
    whole = [c for group in completions.values() for c in group if len(c.token_ids) == 11]
    assert whole
    assert found.passes < 2 * found.tokens / (1 + min(drafted, 9))


def test_completions_end_at_their_first_end_token_and_within_their_budget():
    generator = drafting(KINDS[0], drafted=6)
    lengths = set[int]()
    for budget in (1, 2, 5, 9):
        for group in sample(generator, n=40, max_tokens=budget).values():
            for completion in group:
                assert EOS not in completion.token_ids[:-1]
                ended = completion.token_ids[-1] == EOS
                assert ended or len(completion.token_ids) == budget
                assert len(completion.logprobs) == len(completion.token_ids) <= budget
                assert sum(span.tokens for span in completion.sampled_under) == len(completion.token_ids)
                lengths.add(len(completion.token_ids))
    assert lengths == set(range(1, 10))


def test_learned_positions_are_not_exceeded_where_the_context_ends():
    generator = drafting(KINDS[2])
    long = prompt("0123456789" * 4)
    length = len(sample(generator, [long], n=1, max_tokens=1)[0][0].prompt_token_ids)
    companions = [long, prompt("7", 1)]
    room = CONTEXT - 4 - length
    assert generator.context == CONTEXT - 4
    completions = sample(generator, companions, n=30, max_tokens=room)
    assert max(len(c.token_ids) for c in completions[0]) == room
    with pytest.raises(ConfigError, match=f"exceeds the model's context of {CONTEXT - 4}"):
        sample(generator, companions, max_tokens=room + 1)


def test_a_prompt_of_one_token_is_drafted_for():
    generator = drafting(KINDS[0])
    request = GenerationRequest(messages=(), token_ids=(5,), seed=3)
    for completion in sample(generator, [request, PROMPTS[1]], n=8)[0]:
        expected = logprobs_by_brute_force(generator.model, completion, 1.0)
        assert completion.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("models", "drafts"), [(14, 20), (20, 14), (20, 17)])
def test_a_draft_may_have_another_number_of_logits(models: int, drafts: int):
    tokenizer = character_tokenizer(DIGITS, context=CONTEXT)
    draft = Draft(model=small_llama(4, drafts), tokenizer=tokenizer)
    generator = TransformersGenerator(small_llama(3, models), tokenizer, draft=draft)
    sampled = set[int]()
    for group in sample(generator, n=40).values():
        for completion in group:
            sampled |= {*completion.token_ids}
            expected = logprobs_by_brute_force(generator.model, completion, 1.0)
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)
    assert max(sampled) == models - 1
    assert counts(generator).accepted > 0


# Whole completions against the model's distribution

ALPHABET = "0123"  # and four special tokens: eight
WORDS = 3
DRAWN = 20_000


def eight_tokens(seed: int) -> PreTrainedModel:
    return small_llama(seed, vocabulary=8)


def halfway() -> PreTrainedModel:
    """A draft that is sometimes right about `eight_tokens(1)`: its weights are halfway to those of another."""
    model, other = eight_tokens(1), eight_tokens(2)
    with torch.no_grad():
        for weight, far in zip(model.parameters(), other.parameters(), strict=True):
            weight.lerp_(far, 0.5)
    return model


def drafted_for(model: PreTrainedModel) -> TransformersGenerator:
    tokenizer = character_tokenizer(ALPHABET, context=CONTEXT)
    return TransformersGenerator(
        model, tokenizer, draft=Draft(model=halfway(), tokenizer=tokenizer, tokens=2)
    )


def expected_shares(
    model: PreTrainedModel, ids: tuple[int, ...], sampling: SamplingParams
) -> dict[tuple[int, ...], float]:
    """The probability of every completion of up to three tokens, by forward passes over each prefix."""
    shares = {(): 1.0}
    for _ in range(sampling.max_tokens):
        longer: dict[tuple[int, ...], float] = {}
        for prefix, share in shares.items():
            if EOS in prefix:
                longer[prefix] = share
                continue
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*ids, *prefix]])).logits[0, -1:]
            for token, p in enumerate(
                recorded_log_probabilities(logits, sampling)[0].double().exp().tolist()
            ):
                longer[*prefix, token] = share * p
        shares = longer
    return shares


def completions_p_value(
    generator: TransformersGenerator, model: PreTrainedModel, sampling: SamplingParams
) -> float:
    """The chi-square test of many completions of one prompt; those expected less than five times are one cell."""
    request = GenerationRequest(messages=(), token_ids=(4, 6, 5), seed=11)
    ((_, completions),) = generator.generate([request], DRAWN, sampling)
    shares = expected_shares(model, (4, 6, 5), sampling)
    found = Counter(completion.token_ids for completion in completions)
    assert all(shares.get(ids, 0.0) > 0 for ids in found)
    often = [ids for ids, share in shares.items() if share * DRAWN >= 5]
    observed = [found[ids] for ids in often]
    expected = [shares[ids] * DRAWN for ids in often]
    rest = DRAWN - sum(expected)
    if rest > 5:
        observed.append(DRAWN - sum(observed))
        expected.append(rest)
    scale = sum(observed) / sum(expected)
    return chi_square_p_value(observed, [value * scale for value in expected])


SAMPLINGS = [
    SamplingParams(max_tokens=WORDS),
    SamplingParams(max_tokens=WORDS, temperature=0.6, top_p=0.9),
    SamplingParams(max_tokens=WORDS, temperature=1.4, top_k=5),
]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_whole_completions_follow_the_models_distribution(sampling: SamplingParams):
    model = eight_tokens(1)
    generator = drafted_for(model)
    assert completions_p_value(generator, model, sampling) > 0.01
    found = counts(generator)
    assert 0.1 < found.accepted / found.judged < 0.9
    # The draft's own completions are told apart from the model's.
    draft = TransformersGenerator(halfway(), generator.tokenizer)
    assert completions_p_value(draft, model, SAMPLINGS[0]) < 1e-6


def test_after_new_weights_completions_follow_these_whatever_the_draft():
    generator = drafted_for(eight_tokens(1))
    newer = eight_tokens(5)
    generator.update_weights(list(newer.named_parameters()), 1)
    assert completions_p_value(generator, newer, SAMPLINGS[0]) > 0.01
    assert completions_p_value(generator, eight_tokens(1), SAMPLINGS[0]) < 1e-6


# What cannot be drafted for


def a_mamba() -> PreTrainedModel:
    config = MambaConfig(
        vocab_size=14, hidden_size=32, num_hidden_layers=2, state_size=4, pad_token_id=0, eos_token_id=EOS
    )
    return MambaForCausalLM(config).eval()


def test_models_whose_state_cannot_be_cut_back_are_refused_as_model_and_as_draft():
    tokenizer = character_tokenizer(DIGITS, context=CONTEXT)
    for model, draft in ((a_mamba(), a_mamba()), (small_llama(1), a_mamba())):
        with pytest.raises(ConfigError, match=r"'mamba' model \(MambaForCausalLM\).*cut back"):
            TransformersGenerator(model, tokenizer, draft=Draft(model=draft, tokenizer=tokenizer))


class OneAtATime(LlamaForCausalLM):
    """A model that goes wrong where it reads several tokens after others, or fails there."""

    fails = False

    def forward(self, input_ids: Any = None, **named: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        past = named.get("past_key_values")
        several = past is not None and past.get_seq_length() > 0 and input_ids.shape[1] > 1
        output = super().forward(input_ids=input_ids, **named)
        if several and self.fails:
            raise ValueError("one at a time")
        if several:
            output["logits"] = output["logits"].roll(1, dims=-1)
        return output


def test_a_model_that_reads_several_tokens_otherwise_than_one_is_refused_with_a_draft():
    tokenizer = character_tokenizer(DIGITS, context=CONTEXT)
    model = OneAtATime(small_llama_config()).eval()
    assert sample(TransformersGenerator(model, tokenizer))
    with pytest.raises(ConfigError, match="when it reads several at once: sample it without a draft"):
        TransformersGenerator(model, tokenizer, draft=Draft(model=small_llama(4), tokenizer=tokenizer))
    model.fails = True
    with pytest.raises(
        ConfigError, match=r"fails when it reads several tokens at once \(ValueError: one at a time\)"
    ):
        TransformersGenerator(model, tokenizer, draft=Draft(model=small_llama(4), tokenizer=tokenizer))


def test_a_draft_with_other_tokens_is_refused_by_the_first_that_differs():
    ours, other = (character_tokenizer(letters, context=CONTEXT) for letters in ("0123", "0143"))
    fewer = character_tokenizer("012", context=CONTEXT)
    with pytest.raises(ConfigError, match="id 6 is '4' to it, and '2' to the model"):
        TransformersGenerator(eight_tokens(1), ours, draft=Draft(model=eight_tokens(2), tokenizer=other))
    with pytest.raises(ConfigError, match="id 7 is no token to it, and '3' to the model"):
        TransformersGenerator(eight_tokens(1), ours, draft=Draft(model=eight_tokens(2), tokenizer=fewer))


def test_a_draft_that_reads_less_than_the_model_is_refused():
    tokenizer = character_tokenizer(DIGITS, context=CONTEXT)
    draft = Draft(model=small_llama(2, max_position_embeddings=32), tokenizer=tokenizer)
    with pytest.raises(ConfigError, match="reads at most 32 tokens, and the model 64"):
        TransformersGenerator(small_llama(1), tokenizer, draft=draft)
    longer = Draft(model=small_llama(2), tokenizer=tokenizer, tokens=CONTEXT)
    with pytest.raises(ConfigError, match="64 drafted tokens leave no room in the model's context of 64"):
        TransformersGenerator(small_llama(1), tokenizer, draft=longer)
