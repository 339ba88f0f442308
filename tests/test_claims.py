"""Claims that are tried with the trainer: sides are fair, and what is measured is what it is called."""

from typing import Any

import pytest
from rlvr_trainers.recipe import load_recipe

import rlvr_gym as rg
from experiments.claims import equal_samples, steadiness, trees
from experiments.claims.equal_samples import SAMPLES, STORED_PROMPTS, halfway
from experiments.training import Rows
from rlvr_gym.config import merge

UPDATES = 96


def rows(*values: float) -> Rows:
    """Steps from the first that logged a figure; step 0 logged none."""
    return [{"step": 0}, *({"step": step, "figure": value} for step, value in enumerate(values, 1))]


@pytest.mark.parametrize("side", ["GRPO", "PPO", "rejection sampling", "online DPO"])
def test_sides_that_sample_draw_as_many_samples_and_take_as_many_updates(side: str) -> None:
    given: dict[str, Any] = dict(equal_samples.EXPERIMENT.sides[side])
    recipe = str(given.pop("recipe"))
    config = load_recipe(recipe, merge(merge(equal_samples.TASK, equal_samples.LEARN), given))
    assert config.run.steps * config.batch.prompts * config.batch.group_size == SAMPLES
    assert config.run.steps * config.batch.updates == UPDATES
    assert config.dynamic_sampling is None


@pytest.mark.parametrize(("side", "updates"), [("DPO", UPDATES), ("DPO, many passes", 5 * UPDATES)])
def test_dpo_learns_from_as_many_stored_samples(side: str, updates: int) -> None:
    given: dict[str, Any] = dict(equal_samples.EXPERIMENT.sides[side])
    assert SAMPLES % STORED_PROMPTS == 0
    steps = given["data"]["epochs"] * STORED_PROMPTS // given["batch"]["prompts"]
    assert steps * given["batch"]["minibatches"] == updates
    assert 2 * given["algorithm"]["pairs"] == SAMPLES // STORED_PROMPTS


def test_halfway_is_the_step_at_which_the_running_mean_passed_the_middle() -> None:
    assert halfway(rows(0, 0, 0, 0, 8, 8, 8, 8), "figure", window=2) == 5
    assert halfway(rows(1, 1, 1), "figure", window=2) == 2


def test_halfway_counts_steps_and_not_how_often_the_figure_was_logged() -> None:
    seldom: Rows = [{"step": 1, "figure": 0.0}, {"step": 2}, {"step": 3, "figure": 0.0}, {"step": 4},
                    {"step": 9, "figure": 1.0}]  # fmt: skip
    assert halfway(seldom, "figure", window=1) == 9


def test_the_control_of_gspo_differs_from_grpo_in_the_clip_and_from_gspo_in_the_ratio() -> None:
    def algorithm(side: str) -> dict[str, Any]:
        given: dict[str, Any] = dict(steadiness.EXPERIMENT.sides[side])
        recipe = str(given.pop("recipe"))
        given["model"] = {"path": "tiny"}
        settings = merge(merge(steadiness.TASK, steadiness.LEARN), given)
        return load_recipe(recipe, settings).algorithm.model_dump()

    def differences(one: str, other: str) -> set[str]:
        a, b = algorithm(one), algorithm(other)
        return {key for key in a.keys() & b.keys() if a[key] != b[key]} - {"kind"}

    assert differences("GRPO, narrow clip, dense", "GRPO, dense") == {"clip_low", "clip_high"}
    assert differences("GRPO, narrow clip, dense", "GSPO, dense") == {"ratio"}


def test_steps_are_counted_until_their_tokens_are_spent() -> None:
    steps: Rows = [{"step": 0}, *({"step": step, "tokens": 40.0} for step in (1, 2, 3))]
    assert [row["step"] for row in trees.within(steps, "tokens", 100)] == [0, 1, 2]
    assert [row["step"] for row in trees.within(steps, "tokens", 80)] == [0, 1, 2]


def test_steps_that_spend_too_few_tokens_decide_nothing() -> None:
    with pytest.raises(ValueError, match="3 rows come to 80 of tokens, not more than 80"):
        trees.within([{"step": 0}, {"step": 1, "tokens": 40.0}, {"step": 2, "tokens": 40.0}], "tokens", 80)


@pytest.mark.parametrize(("said", "reward"), [("042", 1.0), ("040", 2 / 3), ("420", 0.0)])
def test_each_right_digit_of_spelling_pays_a_third(said: str, reward: float) -> None:
    env = trees.spell()
    task = env.tasks.find("042")
    replies = [rg.Completion(text=digit) for digit in said]
    answers = [env.respond(task, replies[: turn + 1]) for turn in range(3)]
    assert sum(one.reward or 0.0 for one in answers if isinstance(one, rg.Response)) == pytest.approx(reward)
