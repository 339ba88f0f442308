"""A tiny policy that guesses half of the time learns to search, from nothing but the reward; and its controls."""

from __future__ import annotations

from pathlib import Path

import pytest
from searching.learning import CHANCE, MODEL, Plan, curve, held_out, learn, warm_up

import rlvr_gym as rg

pytestmark = pytest.mark.long

TINY = Plan(demonstrations=1280, epochs=2, steps=8, prompts=16, held_out=100)


def test_a_few_steps_of_reward_make_a_policy_search(tmp_path: Path):
    searching, reward = curve(learn(tmp_path, TINY, seed=0))
    assert searching[0] < 0.6
    assert searching[-1] > 0.9
    assert reward[-1] > reward[0] + 0.2
    model = tmp_path / "told-0" / "model"
    told, changed = held_out(model, TINY), held_out(model, TINY, "permuted")
    assert told.right == told.repeating > 0.5
    assert changed.right < 0.1
    assert changed.repeating > 0.5
    assert held_out(model, TINY, "blank").right < 0.25


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rl_drives_searching_to_one_and_nothing_but_the_notes_tells_the_answer(tmp_path: Path, seed: int):
    plan = Plan()
    before = held_out(warm_up(tmp_path, plan, seed), plan)
    assert 0.35 < before.searching < 0.65
    after = held_out(learn(tmp_path, plan, seed) / "model", plan)
    assert after.searching > 0.95
    assert after.right > 0.95
    model = tmp_path / f"told-{seed}" / "model"
    permuted = held_out(model, plan, "permuted")
    assert permuted.right < 0.02
    assert permuted.repeating > 0.95
    assert held_out(model, plan, "blank").right < CHANCE + 0.06
    blank = held_out(learn(tmp_path, plan, seed, "blank") / "model", plan, "blank")
    assert blank.right < CHANCE + 0.06


def test_the_policy_has_about_a_hundred_thousand_parameters():
    model, _ = rg.load_model(MODEL)
    assert 90_000 < sum(weight.numel() for weight in model.parameters()) < 130_000
