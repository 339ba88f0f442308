"""Pairs of samples, by hand: which one of a prompt's samples is preferred to which."""

import dataclasses
import random

from rlvr_trainers.credit.pairs import pairs_by_verdict

from rlvr_gym import FinishReason, Rollout, Verdict
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, WRONG, said


def part(score: float) -> Verdict:
    return Verdict.wrong(score=score)


def texts(rollouts: list[Rollout], most: int = 9, groups: list[int] | None = None) -> list[tuple[str, str]]:
    pairs = pairs_by_verdict(rollouts, groups or [0] * len(rollouts), most=most, seed=0)
    return [(rollouts[good].text, rollouts[bad].text) for good, bad in pairs]


def test_the_best_is_paired_with_the_worst_and_the_next_with_the_next() -> None:
    scores = {"c": 0.5, "a": 0.0, "e": 0.9, "b": 0.2, "d": 0.7}
    rollouts = [said(text, part(score)) for text, score in scores.items()]
    assert texts(rollouts) == [("e", "a"), ("d", "b")]
    assert texts(rollouts, most=1) == [("e", "a")]


def test_equals_are_in_no_pair() -> None:
    assert texts([said("x", RIGHT), said("y", RIGHT)]) == []
    assert texts([said("x", WRONG), said("y", WRONG)]) == []
    assert texts([said("x", part(0.5)), said("y", part(0.5)), said("z", RIGHT)], most=2) in (
        [("z", "x")],
        [("z", "y")],
    )


def test_a_sample_is_in_one_pair_at_most() -> None:
    rollouts = [said(str(i), RIGHT if i < 3 else WRONG) for i in range(10)]
    pairs = pairs_by_verdict(rollouts, [0] * 10, most=9, seed=0)
    assert len(pairs) == 3
    assert len({row for pair in pairs for row in pair}) == 6
    assert all(good < 3 <= bad for good, bad in pairs)


def test_groups_are_paired_within_themselves() -> None:
    rollouts = [said("a", RIGHT), said("b", WRONG), said("c", RIGHT), said("d", WRONG)]
    assert texts(rollouts, groups=[0, 1, 1, 0]) == [("a", "d"), ("c", "b")]
    assert texts(rollouts, groups=[0, 1, 0, 1]) == []


def test_what_nobody_judged_or_nothing_said_is_in_no_pair() -> None:
    assert texts([said("a", RIGHT), said("b", UNKNOWN)]) == []
    assert texts([said("a", RIGHT), said("", WRONG, tokens=())]) == []


def test_a_sample_that_was_cut_off_may_lose_and_is_never_preferred() -> None:
    cut_right, cut_wrong = (
        dataclasses.replace(said(text, verdict), finish_reason=FinishReason.LENGTH)
        for text, verdict in (("cut right", RIGHT), ("cut wrong", WRONG))
    )
    assert texts([cut_right, said("b", WRONG)]) == []
    assert texts([said("a", RIGHT), cut_wrong]) == [("a", "cut wrong")]
    assert texts([cut_right, said("b", part(0.5)), said("c", WRONG)]) == [("b", "c")]


def test_the_order_of_samples_makes_no_difference_and_the_seed_does() -> None:
    rollouts = [said(str(i), RIGHT if i % 2 else WRONG, tokens=(i,)) for i in range(12)]
    shuffled = rollouts.copy()
    random.Random(0).shuffle(shuffled)
    assert texts(rollouts, most=1) == texts(shuffled, most=1)
    chosen = {
        rollouts[pairs_by_verdict(rollouts, [0] * 12, most=1, seed=seed)[0][0]].text for seed in range(20)
    }
    assert len(chosen) > 1
