"""Credit for the best of k samples: by hand, against all sets of k, and by the gradient of the expected maximum."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import CreditedBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.credit.best_of_k import best_of_k_advantages
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from experiments.claims.crossing import measure
from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from tests.rlvr_trainers import test_unbiasedness as enumerated

MakeBatch = Callable[..., CreditedBatch]
NAN = math.nan


def by_all_sets(rewards: list[float], k: int) -> list[float]:
    """Each sample's sum, over all sets of k that hold it, of the best with it less the best without it."""
    n = len(rewards)
    found = [0.0] * n
    for chosen in itertools.combinations(range(n), k):
        for i in chosen:
            without = max(rewards[j] for j in chosen if j != i)
            found[i] += max(rewards[i], without) - without
    return [n * gain / math.comb(n, k) for gain in found]


def test_the_one_right_answer_of_four_earns_all_and_the_others_nothing() -> None:
    # k = 2: beside each of the three others, the best is 1 with it and 0 without it: 2 x 1.
    assert best_of_k_advantages(np.array([1.0, 0, 0, 0]), 2).tolist() == [2.0, 0, 0, 0]


def test_a_second_right_answer_makes_either_worth_less() -> None:
    # k = 2: a right one meets a wrong one in 2 of 3 cases: 2 x 2/3. k = 3: of the 3 pairs of others, 1 is all wrong.
    two = np.array([1.0, 1, 0, 0])
    np.testing.assert_allclose(best_of_k_advantages(two, 2), [4 / 3, 4 / 3, 0, 0], rtol=1e-15)
    np.testing.assert_allclose(best_of_k_advantages(two, 3), [1, 1, 0, 0], rtol=1e-15)


def test_where_every_choice_of_others_holds_a_right_answer_nothing_is_earned() -> None:
    assert best_of_k_advantages(np.array([1.0, 1, 1, 0]), 3).tolist() == [0, 0, 0, 0]


def test_rewards_between_right_and_wrong_are_weighed_by_what_they_add() -> None:
    # k = 2 of 3: 0.6 adds 0.1 to 0.5 and 0.6 to 0; 0.5 adds 0 to 0.6 and 0.5 to 0; each twice the mean over two.
    np.testing.assert_allclose(best_of_k_advantages(np.array([0.6, 0.5, 0.0]), 2), [0.7, 0.5, 0], rtol=1e-14)


@pytest.mark.parametrize("k", range(2, 8))
def test_it_is_the_sum_over_all_sets_of_k_ties_included(k: int) -> None:
    random = np.random.default_rng(k)
    for rewards in (random.normal(size=7), random.integers(0, 3, 7).astype(float), -random.random(9)):
        expected = by_all_sets(rewards.tolist(), k)
        np.testing.assert_allclose(best_of_k_advantages(rewards, k), expected, rtol=1e-12, atol=1e-14)


def test_the_best_of_one_leaves_one_out() -> None:
    rewards, groups = np.random.default_rng(3).random(10), [0] * 4 + [1] * 6
    one = PolicyGradientConfig(advantage="max_at_k", at_k=1)
    rloo = PolicyGradientConfig(advantage="leave_one_out")
    np.testing.assert_allclose(
        outcome_advantages(rewards, groups, one), outcome_advantages(rewards, groups, rloo), rtol=1e-13
    )


def test_an_unscored_sample_is_as_good_as_absent_and_too_few_scored_ones_earn_nothing() -> None:
    found = best_of_k_advantages(np.array([1.0, NAN, 0, 0, 0.5]), 3)
    assert math.isnan(found[1])
    assert np.delete(found, 1).tolist() == best_of_k_advantages(np.array([1.0, 0, 0, 0.5]), 3).tolist()
    few = outcome_advantages(
        np.array([1.0, NAN, 0]), [0] * 3, PolicyGradientConfig(advantage="max_at_k", at_k=3)
    )
    assert few.tolist() == [0, 0, 0]


def test_permuting_samples_permutes_the_credit_and_changes_not_a_bit() -> None:
    random = np.random.default_rng(5)
    rewards, order = random.random(16), random.permutation(16)
    assert (best_of_k_advantages(rewards[order], 4) == best_of_k_advantages(rewards, 4)[order]).all()


def test_large_groups_neither_overflow_nor_lose_digits() -> None:
    rewards = np.zeros(1024)
    rewards[0] = 1
    assert best_of_k_advantages(rewards, 512)[0] == pytest.approx(512, rel=1e-12)


# In expectation


def gradient_of_the_expected_best(config: TrainConfig, k: int) -> torch.Tensor:
    """Of E[best of k rewards] less kl_coefficient x KL(policy || reference), over all k-tuples of sequences."""
    logits = enumerated.TABLE.clone().requires_grad_()
    lp = enumerated.log_table(logits).sum(1)
    ref = enumerated.log_table(enumerated.REFERENCE_TABLE).sum(1)
    rewards = config.reward.of(np.array(enumerated.SCORES))
    assert isinstance(config.algorithm, PolicyGradientConfig)
    best = sum(
        lp[list(drawn)].sum().exp() * max(rewards[list(drawn)])
        for drawn in itertools.product(range(len(rewards)), repeat=k)
    )
    penalty = config.algorithm.kl_coefficient * (lp.exp() * (lp - ref)).sum()
    return torch.autograd.grad(best - penalty, logits)[0]


@pytest.mark.parametrize(
    ("k", "n"), [(1, 2), (1, 5), (2, 2), (2, 3), (2, 6), (3, 3), (3, 4), (3, 7), (4, 4), (4, 8)]
)
@pytest.mark.parametrize("kl", [{}, enumerated.KL_IN_THE_REWARD], ids=["no kl", "kl 0.3"])
def test_the_expected_gradient_is_that_of_the_best_of_k_for_every_n_from_k_on(
    make_batch: MakeBatch, k: int, n: int, kl: dict[str, object]
) -> None:
    config = enumerated.recipe("pass_at_k", at_k=k, **kl)
    found = enumerated.expected_gradient(make_batch, config, n)
    expected = -gradient_of_the_expected_best(config, k) / enumerated.BUDGET
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


def test_no_other_estimator_has_the_gradient_of_the_best_of_k(make_batch: MakeBatch) -> None:
    wanted = gradient_of_the_expected_best(enumerated.recipe("pass_at_k"), 4).flatten()
    for other in ({"at_k": 2}, {"at_k": None, "advantage": "leave_one_out"}):
        found = enumerated.expected_gradient(make_batch, enumerated.recipe("pass_at_k", **other), 8)
        assert torch.cosine_similarity(-found.flatten(), wanted, dim=0) < 0.999


# Settings and runs


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["batch.group_size=3"], "algorithm.at_k=4 is of the best of that many samples of a prompt"),
        (["reward.steps=added"], "must be group_std or centred"),
        (["algorithm.at_k=null"], "advantage=max_at_k needs at_k"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load_recipe("pass_at_k", parse_overrides(["env.id=reverse", "model.path=tiny", *settings]))
    assert says in str(refusal.value)


def test_a_run_takes_steps_with_it_and_records_them(tmp_path: Path) -> None:
    settings = [
        *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
        *[
            "sampling.max_tokens=4",
            "warmup.steps=60",
            "warmup.batch_size=32",
            "warmup.label_noise=0.6",
            "batch.prompts=8",
            "batch.group_size=8",
            "eval=null",
            "run.steps=3",
        ],
        f"run.dir={tmp_path}",
    ]
    Trainer(load_recipe("pass_at_k", parse_overrides(settings))).run()
    rows = [row for row in read_lines(tmp_path / "metrics.jsonl") if row["step"]]
    assert len(rows) == 3
    assert all(row["grad_norm"] > 0 for row in rows)


def test_with_shared_strategies_it_keeps_what_training_on_single_samples_loses() -> None:
    """Of one of eight strategies for all questions the best single one is right for six in ten, and four for more."""
    for seed in range(2):
        single = measure({"steps": 100}, seed)
        best = measure({"steps": 100, "algorithm": {"advantage": "max_at_k", "at_k": 4}}, seed)
        assert best["pass@4"] > single["pass@4"] + 0.02
        assert best["pass@64"] > single["pass@64"] + 0.2
        assert best["pass@1"] < single["pass@1"]
