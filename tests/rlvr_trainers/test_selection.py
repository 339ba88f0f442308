"""The selection of rejection sampling, by hand: which samples of a prompt are imitated."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from rlvr_trainers.algorithms.rft import Rft
from rlvr_trainers.credit.selection import best_of_each_prompt

from rlvr_gym import FinishReason, Rollout, Task, Verdict
from rlvr_gym.rollouts import TurnReward
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, UNREAD, WRONG, said

A, B = Task(id="a", prompt="1+1="), Task(id="b", prompt="2+2=")
HALF = Verdict.wrong(score=0.5)


def chosen(rollouts: Sequence[Rollout], **settings: Any) -> list[bool]:
    how = {"keep": 4, "least_score": 1.0, "among_equals": "random", "seed": 0, **settings}
    return best_of_each_prompt(rollouts, **how)


def texts(rollouts: Sequence[Rollout], **settings: Any) -> set[str]:
    return {rollout.text for rollout, one in zip(rollouts, chosen(rollouts, **settings), strict=True) if one}


def of(task: Task, *answers: tuple[str, Verdict]) -> list[Rollout]:
    return [
        said(text, verdict, task=task, tokens=range(1, 1 + len(text)), sample=sample)
        for sample, (text, verdict) in enumerate(answers)
    ]


def test_only_right_answers_are_selected_and_each_once() -> None:
    rollouts = of(A, ("2", RIGHT), ("3", WRONG), ("2", RIGHT), ("two", RIGHT), ("?", UNREAD), ("x", UNKNOWN))
    assert texts(rollouts) == {"2", "two"}
    assert sum(chosen(rollouts)) == 2


def test_no_more_are_selected_of_a_prompt_than_are_kept() -> None:
    rollouts = [*of(A, *((f"right {n}", RIGHT) for n in range(5))), *of(B, ("4", RIGHT))]
    for keep in (1, 2, 5, 9):
        picked = chosen(rollouts, keep=keep)
        assert (sum(picked[:5]), picked[5]) == (min(keep, 5), True)


def test_repetitions_take_no_place_of_what_is_kept() -> None:
    rollouts = of(A, *[("2", RIGHT)] * 6, ("two", RIGHT))
    assert texts(rollouts, keep=2) == {"2", "two"}


def test_white_space_around_an_answer_makes_it_no_other_and_inside_it_does() -> None:
    assert sum(chosen(of(A, ("x = 2", RIGHT), (" x = 2\n", RIGHT)))) == 1
    assert sum(chosen(of(A, ("if x:\n  y", RIGHT), ("if x:\ny", RIGHT)))) == 2


def test_the_better_come_first_where_partial_scores_may_be_selected() -> None:
    rollouts = of(A, ("worse", HALF), ("best", RIGHT), ("bad", WRONG), ("also", HALF))
    assert texts(rollouts, keep=1, least_score=0.5) == {"best"}
    assert texts(rollouts, least_score=0.5) == {"best", "worse", "also"}
    assert texts(rollouts, least_score=0.6) == {"best"}


def test_rewards_of_single_turns_count_among_right_answers() -> None:
    plain, rewarded = of(A, ("plain", RIGHT), ("rewarded", RIGHT))
    rewarded = dataclasses.replace(rewarded, turn_rewards=(TurnReward(end=0, reward=0.25),))
    assert texts([plain, rewarded], keep=1) == {"rewarded"}


def test_the_shortest_of_equals_is_selected_where_that_is_asked_for() -> None:
    rollouts = of(A, ("quite long", RIGHT), ("mid", RIGHT), ("longest of all", RIGHT))
    assert texts(rollouts, keep=1, among_equals="shortest") == {"mid"}
    assert texts(rollouts, keep=2, among_equals="shortest") == {"mid", "quite long"}
    longer_and_better = [*rollouts, *of(A, ("no", HALF))]
    assert texts(longer_and_better, keep=1, least_score=0.5, among_equals="shortest") == {"mid"}


def test_any_of_equals_is_selected_by_the_seed_and_every_one_has_its_chance() -> None:
    rollouts = of(A, *((f"right {n}", RIGHT) for n in range(4)))
    first = [texts(rollouts, keep=1, seed=seed).pop() for seed in range(200)]
    assert first[7] == texts(rollouts, keep=1, seed=7).pop()
    counts = [first.count(f"right {n}") for n in range(4)]
    assert sum(counts) == 200
    assert min(counts) > 25  # of 50 expected: four standard deviations


def test_the_order_of_the_samples_changes_nothing() -> None:
    rollouts = [
        *of(A, *((f"right {n % 4}", RIGHT) for n in range(8)), ("half", HALF), ("bad", WRONG)),
        *of(B, *((f"four {n % 3}", RIGHT) for n in range(6))),
    ]
    picked = chosen(rollouts, keep=2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        order = rng.permutation(len(rollouts))
        again = chosen([rollouts[i] for i in order], keep=2)
        kept = {(rollouts[i].task.id, rollouts[i].text) for i, one in zip(order, again, strict=True) if one}
        assert kept == {(r.task.id, r.text) for r, one in zip(rollouts, picked, strict=True) if one}


def test_a_sample_that_was_cut_off_is_never_selected() -> None:
    (rollout,) = of(A, ("2", RIGHT))
    assert chosen([dataclasses.replace(rollout, finish_reason=FinishReason.LENGTH)]) == [False]


def test_a_prompt_under_two_task_ids_is_one_prompt() -> None:
    twin = Task(id="another", prompt=A.prompt)
    rollouts = [*of(A, ("2", RIGHT)), *of(twin, ("2", RIGHT), ("two", RIGHT))]
    assert sum(chosen(rollouts)) == 2
    assert sum(chosen(rollouts, keep=1)) == 1


def test_the_same_words_to_another_prompt_are_another_answer() -> None:
    assert chosen([*of(A, ("2", RIGHT)), *of(B, ("2", RIGHT))]) == [True, True]


def test_turns_before_the_last_tell_samples_apart() -> None:
    one, other = of(A, ("2", RIGHT), ("2", RIGHT))
    before = said("let me see").messages
    assert chosen([one, dataclasses.replace(other, messages=(*before, *other.messages))]) == [True, True]


@pytest.mark.parametrize("setting", [{"keep": 0}, {"least_score": 0.0}, {"least_score": 1.1}])
def test_settings_that_would_select_nothing_or_anything_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Rft.model_validate(setting)
