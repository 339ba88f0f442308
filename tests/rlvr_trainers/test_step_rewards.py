"""Rewards per step: where each step ends among the sampled tokens, and what its tokens are paid."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.batch import ScoredBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.credit.outcomes import degenerate, outcome_scores
from rlvr_trainers.credit.step_rewards import step_rewards, step_scores
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import RewardConfig
from rlvr_trainers.trainer import Trainer

from rlvr_gym import Completion, FinishReason, Message, Rollout, Task, TrainingError, TurnReward, Verdict
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.verifiers import AllOf, Exact
from rlvr_gym.verifiers.steps import Equations, Steps

PIECES = ["1+1", "=2\n", "2+", "1=4", ""]
STEPS = Steps(Equations())


def pieces(ids: Sequence[int]) -> str:
    return "".join(PIECES[id] for id in ids)


def rollout(text: str, ids: Sequence[int], verdict: Verdict, mask: Sequence[bool] | None = None) -> Rollout:
    return Rollout(
        task=Task(prompt="What?"),
        sample=0,
        prompt_ids=(4,),
        token_ids=tuple(ids),
        action_mask=tuple(mask or [True] * len(ids)),
        logprobs=(0.0,) * len(ids),
        messages=(Message(role="assistant", content=text),),
        finish_reason=FinishReason.STOP,
        verdict=verdict,
    )


def verdict_of(text: str) -> Verdict:
    return STEPS.verify(Task(prompt="What?"), Completion(text=text))


def test_rewarded_turns_are_steps_before_the_verdicts_own():
    turns = (TurnReward(end=1, reward=0.5), TurnReward(end=2, reward=0.0))
    ids, mask = [0, 1, 2, 4, 2, 3, 4], [True, True, False, True, True, True, True]
    played = replace(rollout("2+1=4", ids, Verdict.wrong(score=0.5), mask), turn_rewards=turns)
    assert step_rewards(played, pieces, RewardConfig()) == ([0.5, 0.0, 0.5], [1, 2, 6])
    assert step_rewards(played, pieces, RewardConfig(wrong=-1.0)) == ([1.0, 0.0, 0.0], [1, 2, 6])
    unknown = replace(played, verdict=Verdict.unscored("no judge"))
    assert step_rewards(unknown, pieces, RewardConfig()) == ([], [])


def test_what_turns_earned_counts_in_the_outcome_and_makes_equal_scores_different():
    same = [rollout("2+1=4", [2, 3, 4], Verdict.wrong(score=0.5)) for _ in range(2)]
    paid = (same[0], replace(same[1], turn_rewards=(TurnReward(end=0, reward=0.25),)))
    assert outcome_scores(paid).tolist() == [0.5, 0.75]
    assert degenerate(tuple(same))
    assert not degenerate(paid)


def test_a_step_ends_at_the_token_that_completes_its_text_and_the_last_one_with_the_turn():
    text = "1+1=2\n2+1=4"
    found = step_scores(rollout(text, [0, 1, 2, 3, 4], verdict_of(text)), pieces)
    assert found.scores == (1.0, 0.0)
    assert found.ends == (1, 4)


def test_steps_are_found_behind_a_thinking_that_the_prompt_opened():
    said = ["1-1=1\n", "</think>", "1+1=2\n", "2+1=4", ""]
    text = "<think>\n" + "".join(said)
    found = step_scores(
        rollout(text, range(5), verdict_of(text)), lambda ids: "".join(said[id] for id in ids)
    )
    assert found.scores == (1.0, 0.0)
    assert found.ends == (2, 4)


def test_steps_of_a_later_turn_stand_in_that_turn():
    text = "1+1=2\n2+1=4"
    ids, mask = [2, 4, 2, 2, 0, 1, 2, 3, 4], [True, True, False, False, True, True, True, True, True]
    assert step_scores(rollout(text, ids, verdict_of(text), mask), pieces).ends == (5, 8)


def test_steps_are_found_inside_of_a_composed_verdict():
    both = AllOf({"answer": Exact("whole"), "steps": STEPS})
    text = "1+1=2\n2+1=4"
    verdict = both.verify(Task(prompt="What?", reference="4"), Completion(text=text))
    assert step_scores(rollout(text, [0, 1, 2, 3, 4], verdict), pieces).scores == (1.0, 0.0)


def test_a_verdict_without_steps_is_one_step_and_an_unscored_one_is_none():
    said = step_scores(rollout("1+1", [0, 4], Verdict.wrong(score=0.25)), pieces)
    assert (said.scores, said.ends) == ((0.25,), (1,))
    assert step_scores(rollout("1+1", [0, 4], Verdict.unscored("no judge")), pieces).scores == ()


def test_tokens_that_do_not_say_what_was_judged_are_refused():
    text = "1+1=2\n2+1=4"
    with pytest.raises(TrainingError, match="do not decode"):
        step_scores(rollout(text, [2, 3, 4], verdict_of(text)), pieces)


def config(run_dir: Path, *more: str) -> TrainConfig:
    small = ["model.path=tiny:0123456789+=", "env.id=reverse", "batch.prompts=1", "batch.group_size=2"]
    overrides = [*small, "batch.minibatches=1", f"run.dir={run_dir}", "algorithm.kl_coefficient=0", *more]
    return load_recipe("grpo", parse_overrides(overrides))


def judged(text: str, rights: Sequence[bool], policy: Policy) -> Rollout:
    """A completion, one token a character, whose steps are five characters each."""
    parts = {}
    for n, right in enumerate(rights):
        verdict = Verdict.right() if right else Verdict.wrong()
        parts[f"step {n + 1}"] = verdict.model_copy(update={"span": (5 * n, 5 * n + 5)})
    whole = Verdict.wrong(score=sum(rights) / len(rights)).model_copy(update={"parts": parts})
    return rollout(text, [*policy.tokenizer.encode(text), policy.end_id], whole)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The advantages of a group of two completions under each setting of `reward.steps`."""
    folder = tmp_path_factory.mktemp("runs")
    advantages = {}
    for steps in ("off", "added", "alone"):
        settings = config(folder, f"reward.steps={steps}")
        policy = Policy(settings.model, seed=0)
        group = (judged("1+1=21+2=4", [True, False], policy), judged("2+1=42+2=5", [False, False], policy))
        algorithm = settings.algorithm.build(
            Surroundings(
                reward=settings.reward,
                overlong=settings.overlong,
                max_tokens=settings.sampling.max_tokens,
                updates_per_step=1,
                decode=policy.text,
            )
        )
        scored = ScoredBatch(tokens=algorithm.tokens(group, [0, 0]))
        advantages[steps] = algorithm.credit(group, scored).advantages_BT.numpy()
    return advantages


def test_without_step_rewards_the_outcomes_advantage_stands_on_every_token(lessons):
    # Outcomes 0.5, 0: mean 0.25, std sqrt(2)/4.
    a = 0.25 / (math.sqrt(2) / 4 + 1e-4)
    np.testing.assert_allclose(lessons["off"], [[a] * 11, [-a] * 11], rtol=1e-12)


def test_each_token_is_paid_for_the_steps_that_end_at_or_after_it(lessons):
    # Step rewards 1, 0 | 0, 0: mean 1/4, std 1/2. Ten characters and the end of the sequence; steps end at 4 and 10.
    right, wrong = 0.75 / (0.5 + 1e-4), -0.25 / (0.5 + 1e-4)
    expected = [[right + wrong] * 5 + [wrong] * 6, [2 * wrong] * 5 + [wrong] * 6]
    np.testing.assert_allclose(lessons["alone"], expected, rtol=1e-12)


def test_added_step_rewards_are_the_sum_of_both(lessons):
    np.testing.assert_allclose(lessons["added"], lessons["off"] + lessons["alone"], rtol=1e-12)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("algorithm.advantage=leave_one_out", "must be group_std or centred"),
        ("algorithm.ratio=sequence", "use token or sequence_token"),
        ("overlong.penalty_share=0.2", "use reward.steps=added"),
    ],
)
def test_settings_that_step_rewards_make_meaningless_are_refused(override, message, tmp_path):
    with pytest.raises((ValidationError, ValueError), match=message):
        config(tmp_path, "reward.steps=alone", override)


def test_a_run_with_step_rewards_trains_and_logs_the_mean_advantage_of_a_sample(tmp_path):
    settings = config(
        tmp_path, "reward.steps=added", "run.steps=1", "sampling.max_tokens=4", "batch.group_size=8"
    )
    assert Trainer(settings).run().finished
    samples = list(read_lines(tmp_path / "samples.jsonl"))
    assert all(math.isfinite(row["advantage"]) for row in samples)
