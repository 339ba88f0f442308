"""A prefix that sequences share is computed once, and nothing else changes."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peft
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.layout.hidden_states import MaskKind
from rlvr_trainers.learner.layout.plan import Microbatch, Planner
from rlvr_trainers.learner.layout.prefixes import PrefixRows
from rlvr_trainers.learner.layout.sharing import Operations, mask_kind, operations
from rlvr_trainers.learner.logprobs import base_model, token_logprobs
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.policy_gradient import policy_loss

from rlvr_gym import Rollout
from tests.rlvr_trainers.batches import credited
from tests.rlvr_trainers.families import tiny

Make = Callable[..., Any]
Rollouts = tuple[list[Rollout], list[int]]

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

FREE_ATTENTION = Operations(each=1.0, pairs=0.0)
"""Of a model that gains from every shared token."""


def batch_of(
    prompts: Sequence[Sequence[int]],
    completions: Sequence[Sequence[int]],
    groups: Sequence[int] | None = None,
) -> TokenBatch:
    return TokenBatch.of_sequences(
        prompts,
        completions,
        masks=[[True] * len(c) for c in completions],
        logprobs=[[-1.0] * len(c) for c in completions],
        groups=groups or [0] * len(prompts),
        scored=[True] * len(prompts),
    )


def planner(model: Any, budget: int = 16384, *, part: int = 0, parts: int = 1) -> Planner:
    base = base_model(model)
    return Planner(
        worth=0,
        budget_tokens=budget,
        operations=FREE_ATTENTION,
        mask=lambda longest, width: mask_kind(base, longest, width),
        part=part,
        parts=parts,
    )


# The layout.


def test_a_tree_of_prefixes_by_hand():
    # The last token of each predicts nothing: what is read is 5 6 7, 5 6 8 9 and 5 6 8.
    batch = batch_of([[5, 6], [5, 6], [5, 6]], [[7, 1], [8, 9, 2], [8, 3]])
    rows = PrefixRows.of(batch, [3])
    assert rows.input_ids.tolist() == [[5, 6, 7, 8, 9]]
    assert rows.position_ids.tolist() == [[0, 1, 2, 2, 3]]
    assert rows.visible_RSS.int().tolist() == [
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 1, 1]]
    ]
    # Both 8s are predicted by the 6; 3 and 9 by the same 8.
    assert rows.predictors_N.tolist() == [1, 2, 1, 3, 4, 1, 3]


def test_rows_of_different_widths_are_padded_with_tokens_that_see_themselves_alone():
    rows = PrefixRows.of(batch_of([[5], [4]], [[6, 1], [1]]), [1, 1])
    assert rows.input_ids.tolist() == [[5, 6], [4, 5]]
    assert rows.visible_RSS.int().tolist() == [[[1, 0], [1, 1]], [[1, 0], [0, 1]]]
    assert rows.predictors_N.tolist() == [0, 1, 2]


def test_tokens_after_the_last_in_the_loss_are_not_computed(make_rollout: Make):
    tail = make_rollout([5, 6], [7, 8, 9, 4], mask=[True, True, False, False])
    unscored = make_rollout([5, 6], [7, 7, 7], score=None)
    rows = PrefixRows.of(TokenBatch.of_rollouts([tail, unscored], [0, 0]), [2])
    assert rows.input_ids.tolist() == [[5, 6, 7]]


# Gradients.


def gradient(model: Any, step: CreditedBatch, plan: Sequence[Microbatch]) -> list[torch.Tensor]:
    """Of a whole optimizer step with every term in the loss, in microbatches."""
    settings: dict[str, Any] = {
        "aggregation": "token_mean",
        "kl_coefficient": 0.1,
        "entropy_coefficient": 0.01,
    }
    config = PolicyGradientConfig.model_validate(settings)
    denominators = Denominators.of(config.aggregation, step.tokens, max_tokens=16)
    model.zero_grad()
    for microbatch in plan:
        part = step.select(microbatch.rows)
        logprobs, entropy = token_logprobs(
            model, part.tokens, temperature=0.8, with_entropy=True, bundles=microbatch.bundles
        )
        policy_loss(config, part, denominators, logprobs, entropy)[0].backward()
    return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in model.parameters()]


def step_of(tokens: TokenBatch) -> CreditedBatch:
    wave = torch.sin(torch.arange(tokens.mask_BT.numel(), dtype=torch.float64)).view(tokens.mask_BT.shape)
    advantages = np.cos(np.arange(tokens.size))
    advantages[::3] = 0.0
    return credited(tokens, advantages, old_logprobs_BT=-1 + 0.3 * wave, ref_logprobs_BT=-1 - 0.5 * wave)


def assert_same(found: Sequence[torch.Tensor], expected: Sequence[torch.Tensor], *, atol: float) -> None:
    assert max(float(g.abs().max()) for g in expected) > 1e-3
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=atol)


def conversation(rng: np.random.Generator, make: Make, opening: list[int], turns: int, **how: Any) -> Rollout:
    """A rollout of several turns, which begins with `opening` after the prompt."""
    tokens, mask = list(opening), [True] * len(opening)
    for _ in range(turns):
        asked, said = rng.integers(0, 23, 2).tolist(), rng.integers(0, 23, rng.integers(1, 5)).tolist()
        tokens, mask = [*tokens, *asked, *said], [*mask, False, False, *[True] * len(said)]
    return make([3, 1, 4], tokens, mask=mask, **how)


def tree_rollouts(make: Make) -> Rollouts:
    """Rollouts that branch in the middle of their completions, one twice, and one that is the start of another."""
    rng = np.random.default_rng(3)
    first, second = [9, 8, 7], [9, 8, 7, 2, 2, 6]
    rollouts = [
        *(conversation(rng, make, opening, turns) for opening in (first, second) for turns in (0, 1, 2)),
        conversation(rng, make, second, 1, score=None),
        make([3, 1, 4], second),
        make([3, 1], [4, 9, 9]),
        make([20], [4]),
    ]
    return rollouts, [0] * 8 + [1, 2]


def model_of(kind: str, llama: Make, gpt2: Make) -> Any:
    """In float64, norms included, but for eager attention, whose softmax is in float32 whatever the model is in."""
    match kind:
        case "absolute":
            return gpt2()
        case "eager":
            return gpt2(attn_implementation="eager")
        case _:
            model = llama()
            for layer in [*model.model.layers, model.model]:
                for name, module in [*layer.named_children()]:
                    if "norm" in name:
                        setattr(layer, name, torch.nn.RMSNorm(16, eps=module.variance_epsilon).double())
    if kind == "lora":
        config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        return peft.get_peft_model(model, config).double().eval()
    return model


@pytest.mark.parametrize("kind", ["rotary", "absolute", "lora", "eager"])
@pytest.mark.parametrize("shape", ["groups", "tree"])
def test_the_gradient_of_bundles_is_that_of_each_sequence_alone(
    tiny_llama: Make, tiny_gpt2: Make, mixed_rollouts: Rollouts, make_rollout: Make, kind: str, shape: str
):
    model = model_of(kind, tiny_llama, tiny_gpt2)
    rollouts = mixed_rollouts if shape == "groups" else tree_rollouts(make_rollout)
    step = step_of(TokenBatch.of_rollouts(*rollouts))
    expected = gradient(model, step, [Microbatch(rows=[row]) for row in range(step.tokens.size)])
    for budget, parts in [(1, 1), (30, 1), (16384, 1), (40, 2), (16384, 3)]:
        plan = [
            microbatch
            for part in range(parts)
            for microbatch in planner(model, budget, part=part, parts=parts).plan(
                step.tokens, [True] * step.tokens.size
            )
        ]
        assert any(microbatch.bundles for microbatch in plan) == (budget > 1)
        assert_same(gradient(model, step, plan), expected, atol=1e-5 if kind == "eager" else 1e-10)


# What a model can do.


def test_a_model_whose_operations_are_counted_by_hand(tiny_llama: Make):
    base = base_model(tiny_llama())
    # A layer: query, key, value and output 16 x 16, three of 16 x 24; a query meets a key in 16 numbers, and its value.
    linear = 4 * 16 * 16 + 3 * 16 * 24
    assert operations(base) == Operations(each=2 * 2 * linear, pairs=2 * 2 * (16 + 16))


@pytest.mark.parametrize(
    "family", ["llama", "qwen3_moe", "gemma2", "mistral", "codegen", "gpt_oss", "bert", "gpt2"]
)
def test_a_family_computes_bundles_as_it_computes_each_sequence_alone(family: str):
    model = tiny(family)
    rng = np.random.default_rng(0)
    prompts = [rng.integers(1, 99, length).tolist() for length in (3, 3, 3, 3, 20, 20, 20, 20)]
    prompts = [prompts[place // 4 * 4] for place in range(8)]
    batch = batch_of(prompts, [rng.integers(1, 99, length).tolist() for length in (2, 3, 1, 4, 9, 2, 12, 7)])
    plan = planner(model).plan(batch, [True] * 8)
    assert any(microbatch.bundles for microbatch in plan)
    with torch.no_grad():
        alone, _ = token_logprobs(model, batch, temperature=1.0)
        for microbatch in plan:
            part = batch.select(microbatch.rows)
            found, _ = token_logprobs(model, part, temperature=1.0, bundles=microbatch.bundles)
            torch.testing.assert_close(found, alone[microbatch.rows, : found.shape[1]], rtol=0, atol=2e-4)


@pytest.mark.parametrize("family", ["mamba", "jamba", "bloom", "roberta", "gpt_neo", "lfm2", "openai-gpt"])
def test_a_family_with_another_state_or_with_biases_of_its_own_computes_each_sequence_alone(family: str):
    model = tiny(family)
    batch = batch_of([[5, 6, 7]] * 4, [[place, 9, 3] for place in range(4)])
    (microbatch,) = planner(model).plan(batch, [True] * 4)
    assert microbatch.bundles is None
    assert sorted(microbatch.rows) == [0, 1, 2, 3]


def test_sequences_longer_than_a_sliding_window_share_nothing_and_shorter_ones_do():
    base = base_model(tiny("mistral"))  # of a window of 8 tokens
    assert mask_kind(base, 8, 64) is MaskKind.BOOLEAN
    assert mask_kind(base, 9, 64) is None


# The plan.


def counted(pairs: float, *, budget: int = 16384, part: int = 0, parts: int = 1) -> Planner:
    """For a model that shares prefixes in rows of any width."""
    return Planner(
        worth=0,
        budget_tokens=budget,
        operations=Operations(each=1.0, pairs=pairs),
        mask=lambda longest, width: MaskKind.BOOLEAN,
        part=part,
        parts=parts,
    )


def sizes(plan: Sequence[Microbatch]) -> list[Any]:
    return [microbatch.bundles and list(microbatch.bundles.sizes) for microbatch in plan]


def group(prompt: int, completions: Sequence[int]) -> TokenBatch:
    """One prompt, and completions of these lengths that differ from their first token on."""
    return batch_of([[50] * prompt] * len(completions), [[place] * n for place, n in enumerate(completions)])


def test_a_step_too_small_for_a_plan_to_pay_is_computed_each_sequence_alone():
    # Each sequence is 15 tokens long: 45 operations forward and backward, where each token takes one.
    eight = group(10, [5] * 8)
    eager, patient = (dataclasses.replace(counted(pairs=0.0), worth=worth) for worth in (45, 46))
    assert sizes(eager.plan(eight, [True] * 8)) == [[8]]
    (whole,) = patient.plan(eight, [False] * 8)
    assert (whole.bundles, whole.learns, sorted(whole.rows)) == (None, True, list(range(8)))


def test_bundles_are_as_wide_as_takes_the_fewest_operations():
    # Of each sequence 10 + 4 tokens are read. A sequence takes 14 + p / 2 * 14**2 operations alone and, in a row of k,
    # (10 + 4k) / k + p * (10 + 4k)**2 / k. With p = 0.05 that is 18.9 alone and 17.1, 15.4, 14.95, 15 in rows of two,
    # three, four and five; with p = 0.2 it is 33.6 alone and 40 or more in any row.
    eight = group(10, [5] * 8)
    assert sizes(counted(0.05).plan(eight, [True] * 8)) == [[4, 4]]
    assert sizes(counted(0.2).plan(eight, [True] * 8)) == [None]
    assert sizes(counted(0.0).plan(eight, [True] * 8)) == [[8]]


def test_no_bundle_is_wider_than_a_microbatch_may_be():
    plan = counted(0.0, budget=20).plan(group(10, [5] * 8), [True] * 8)
    assert sizes(plan) == [[2]] * 4
    assert sorted(row for microbatch in plan for row in microbatch.rows) == list(range(8))


def test_groups_without_gradient_are_kept_out_of_the_backward_pass():
    batch = batch_of([[1, 2], [1, 2], [3, 4], [3, 4]], [[5, 6], [7, 8], [5, 6], [7, 8]], [0, 0, 1, 1])
    plan = counted(0.0).plan(batch, [False, False, True, True])
    assert [(sorted(m.rows), m.learns) for m in plan] == [([2, 3], True), ([0, 1], False)]


def test_a_long_prompt_keeps_sequences_without_gradient_beside_those_that_share_it():
    plan = counted(0.0).plan(group(30, [2, 2]), [True, False])
    assert [(sorted(m.rows), m.learns) for m in plan] == [([0, 1], True)]
    plan = counted(0.0).plan(group(2, [30, 30]), [True, False])
    assert [(m.rows, m.learns) for m in plan] == [([0], True), ([1], False)]


def test_one_microbatch_learns_in_any_case():
    plan = counted(0.0, budget=8).plan(group(3, [2] * 6), [False] * 6)
    assert len(plan) > 1
    assert [microbatch.learns for microbatch in plan] == [False] * (len(plan) - 1) + [True]


def test_sequences_without_an_action_token_are_in_no_microbatch(make_rollout: Make):
    rollouts = [make_rollout([1], [2, 3]), make_rollout([1], [2, 4], score=None)]
    (microbatch,) = counted(0.0).plan(TokenBatch.of_rollouts(rollouts, [0, 0]), [True, True])
    assert microbatch.rows == [0]


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_processes_have_as_many_microbatches_and_split_a_group_where_that_is_faster(parts: int):
    batch = group(10, [5] * 12)
    plans = [counted(0.0, part=part, parts=parts).plan(batch, [True] * 12) for part in range(parts)]
    assert sorted(row for plan in plans for m in plan for row in m.rows) == list(range(12))
    assert [len(plan) for plan in plans] == [1] * parts
    assert [len(plan[0].rows) for plan in plans] == [12 // parts] * parts
