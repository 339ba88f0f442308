"""A model that drafts for itself with a module that predicts one token more: exact, and refused where it cannot be."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.conformance import check_generator, check_trainable_generator
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.multi_token import MultiTokenModule
from rlvr_gym.generation.transformers.multi_token_draft import MultiTokenDraft
from tests.rlvr_gym.test_generation import (
    CONTEXT,
    KINDS,
    PROMPTS,
    generator_of_kind,
    logprobs_by_brute_force,
    model_of_kind,
    prompt,
    sample,
    tokens,
)
from tests.rlvr_gym.test_speculative import (
    ALPHABET,
    SAMPLINGS,
    a_mamba,
    completions_p_value,
    counts,
    eight_tokens,
    small_llama,
)


def module_for(model: Any, *, seed: int = 3) -> MultiTokenModule:
    """A module that says something: random, and louder than it begins."""
    module = MultiTokenModule(model, seed=seed)
    with torch.no_grad():
        for weight in module.join.parameters():
            weight.mul_(4)
    return module


def drafting(kind: str, **options: Any) -> TransformersGenerator:
    draft = MultiTokenDraft(model=module_for(model_of_kind(kind)))
    return generator_of_kind(kind, draft=draft, **options)


@pytest.mark.parametrize("kind", KINDS[:1])
def test_it_honours_the_contract_and_drafts_what_is_sometimes_right(kind: str) -> None:
    generator = drafting(kind)
    check_generator(generator, PROMPTS)
    assert 0 < counts(generator).accepted < counts(generator).judged


@pytest.mark.slow
def test_it_takes_new_weights() -> None:
    check_trainable_generator(drafting(KINDS[0]), model_of_kind(KINDS[0]), PROMPTS, tolerance=1e-4)


@pytest.mark.parametrize("kind", KINDS[2:])
def test_recorded_logprobs_are_the_models_and_greedy_completions_those_without_it(kind: str) -> None:
    generator = drafting(kind, max_batch_rows=5)
    for group in sample(generator, n=3, temperature=0.5).values():
        for completion in group:
            expected = logprobs_by_brute_force(generator.model, completion, 0.5)
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)
    alone = sample(generator_of_kind(kind), n=2, temperature=0.0)
    assert tokens(sample(generator, n=2, temperature=0.0)) == tokens(alone)


@pytest.mark.parametrize("kind", KINDS[:1])
def test_completions_do_not_depend_on_batch_size_order_or_company(kind: str) -> None:
    expected = tokens(sample(drafting(kind)))
    assert tokens(sample(drafting(kind, max_batch_rows=1))) == expected
    assert tokens(sample(drafting(kind, max_batch_rows=7))) == expected
    backwards = tokens(sample(drafting(kind), PROMPTS[::-1]))
    assert {len(PROMPTS) - 1 - index: ids for index, ids in backwards.items()} == expected
    for index, alone in enumerate(PROMPTS):
        assert tokens(sample(drafting(kind), [alone]))[0] == expected[index]


def test_a_prompt_of_one_token_and_budgets_to_the_end_of_the_context_are_drafted_for() -> None:
    generator = drafting(KINDS[2])
    request = GenerationRequest(messages=(), token_ids=(5,), seed=3)
    for completion in sample(generator, [request, PROMPTS[1]], n=8)[0]:
        expected = logprobs_by_brute_force(generator.model, completion, 1.0)
        assert completion.logprobs == pytest.approx(expected, abs=1e-4)
    long = prompt("0123456789" * 4)
    length = len(sample(generator, [long], n=1, max_tokens=1)[0][0].prompt_token_ids)
    assert generator.context == CONTEXT - 1
    room = CONTEXT - 1 - length
    completions = sample(generator, [long, prompt("7", 1)], n=30, max_tokens=room)
    assert max(len(c.token_ids) for c in completions[0]) == room
    for budget in (1, 2, 3):
        assert {len(c.token_ids) for g in sample(generator, n=20, max_tokens=budget).values() for c in g} <= {
            *range(1, budget + 1)
        }


def eight_drafted(model: PreTrainedModel) -> TransformersGenerator:
    tokenizer = character_tokenizer(ALPHABET, context=CONTEXT)
    return TransformersGenerator(model, tokenizer, draft=MultiTokenDraft(model=module_for(model)))


@pytest.mark.parametrize(
    "sampling", [SAMPLINGS[0], *(pytest.param(one, marks=pytest.mark.slow) for one in SAMPLINGS[1:])]
)
def test_whole_completions_follow_the_models_distribution_and_not_the_modules(
    sampling: SamplingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = eight_tokens(1)
    generator = eight_drafted(model)
    assert completions_p_value(generator, model, sampling) > 0.01
    found = counts(generator)
    assert 0.05 < found.accepted / found.judged < 0.95
    if sampling is SAMPLINGS[0]:  # the test sees a rule that is wrong: one that accepts whatever is drafted
        from rlvr_gym.generation.transformers import speculative

        right = speculative.verify

        def lenient(target: Any, draft: Any, drafted: Any, accept: Any, drawing: Any) -> Any:
            return right(target, draft, drafted, torch.zeros_like(accept), drawing)

        monkeypatch.setattr(speculative, "verify", lenient)
        assert completions_p_value(eight_drafted(model), model, sampling) < 1e-6


@pytest.mark.slow
def test_after_new_weights_completions_follow_these() -> None:
    generator = eight_drafted(eight_tokens(1))
    newer = eight_tokens(5)
    generator.update_weights(list(newer.named_parameters()), 1)
    assert completions_p_value(generator, newer, SAMPLINGS[0]) > 0.01


def test_a_module_is_read_back_as_it_was_written_and_what_has_none_says_so(tmp_path: Path) -> None:
    model = small_llama(1)
    module = module_for(model)
    module.save(tmp_path)
    again = MultiTokenDraft.load(model, str(tmp_path)).model
    assert all(
        one.equal(other)
        for one, other in zip(module.state_dict().values(), again.state_dict().values(), strict=True)
    )
    for place, message in (
        (tmp_path / "none", "is no folder"),
        (tmp_path.parent, "rlvr train mtp writes one"),
    ):
        with pytest.raises(ConfigError, match=message):
            MultiTokenDraft.load(model, str(place))


def test_a_model_whose_state_cannot_be_cut_back_is_refused() -> None:
    model = a_mamba()
    tokenizer = character_tokenizer("0123456789", context=CONTEXT)
    with pytest.raises(ConfigError, match=r"no block of MambaModel can be made"):
        TransformersGenerator(model, tokenizer, draft=MultiTokenDraft(model=MultiTokenModule(model)))
