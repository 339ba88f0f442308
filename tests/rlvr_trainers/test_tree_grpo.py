"""Whole runs of Tree-GRPO: what is refused, what is recorded, that it resumes bit for bit, and that it learns."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.grpo import TreeGrpo
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.credit.tree import tree_advantages
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.sampling.buffer import StepRollouts
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.rollouts import Branch, Group
from tests.rlvr_trainers.judged import RIGHT, WRONG, said
from tests.rlvr_trainers.shuffled import inside_each_group, shuffle_rewards
from tests.rlvr_trainers.test_trainer import same_weights, without_times

TASKS = [rg.Task(id=f"{n:02}", prompt=f"{n:02}>", reference=f"{n:02}") for n in range(100)]


class Spell(rg.Environment):
    """The policy says one digit of the prompt a turn, in order; each right one pays half."""

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response:
        right = replies[-1].text == str(task.reference)[len(replies) - 1]
        return rg.Response(messages=(rg.Message(role="user", content=">"),), reward=right / 2)


def spell() -> rg.Environment:
    last = rg.FunctionVerifier(lambda task, completion: rg.Verdict.wrong())
    return Spell(rg.TaskSet.from_tasks(TASKS, name="spell"), last, max_turns=2)


SMALL = [
    "model.path=tiny:0123456789>", "env.id=guess", "sampling.max_tokens=1", "batch.prompts=8", "eval=null",
    "optimizer.learning_rate=1e-3", "optimizer.warmup_steps=0", "run.checkpoint_every=2",
]  # fmt: skip


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("tree_grpo", parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def trainer(run_dir: Path, *more: str) -> Trainer:
    return Trainer(config(run_dir, *more), env=spell())


def rows(run_dir: Path) -> list[dict[str, Any]]:
    return [row for row in read_lines(run_dir / "metrics.jsonl") if row["step"]]


# Settings


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["batch.group_size=8"], "algorithm.keep = 2 x 3 = 6 samples of a prompt: give 6"),
        (["algorithm.trees=3"], "3 x 3 = 9 samples of a prompt: give 9"),
        (["algorithm.keep=null", "algorithm.rounds=2"], "2 x 5 = 10 samples of a prompt: give 10"),
        (["algorithm.keep=4"], "1 + branches x rounds = 3 are grown: give at most that"),
        (["algorithm.advantage=whitened"], "advantage=whitened must be group_std or centred"),
        (["algorithm.fork=words"], "algorithm.fork"),
        (["algorithm.trees=0"], "algorithm.trees"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused_with_what_would(
    settings: list[str], says: str
) -> None:
    with pytest.raises(rg.ConfigError) as refusal:
        config(Path("nowhere"), *settings)
    assert says in str(refusal.value)


def test_all_leaves_are_kept_where_no_number_is_given(tmp_path: Path) -> None:
    settings = config(tmp_path, "algorithm.keep=null", "algorithm.branches=3", "batch.group_size=8")
    assert isinstance(settings.algorithm, TreeGrpo)
    assert settings.algorithm.shape.keep == settings.algorithm.shape.leaves == 4


def test_forks_between_turns_are_refused_where_there_is_one_turn(tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=r"none would share a token: use algorithm\.fork=tokens"):
        Trainer(config(tmp_path, "env.id=reverse"))


# Credit


def test_leaves_get_the_sum_of_both_advantages_on_all_their_tokens_shared_ones_too() -> None:
    verdicts, trees = [RIGHT, WRONG, WRONG, RIGHT, RIGHT, WRONG], [0, 1, 0, 1, 0, 1]
    rollouts = [
        dataclasses.replace(
            said(verdict=verdict, tokens=(5, number)),
            sample=number,
            branch=Branch(tree=tree, shared=min(number // 2, 1), tree_tokens=4),
        )
        for number, (verdict, tree) in enumerate(zip(verdicts, trees, strict=True))
    ]
    around = Surroundings(
        reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=1, decode=str
    )
    algorithm = TreeGrpo().build(around)
    tokens = algorithm.tokens(rollouts, [0] * 6)
    credit = algorithm.credit(rollouts, algorithm.score(tokens, lambda *_, **__: pytest.fail("no model")))
    expected = tree_advantages(np.array([1.0, 0, 0, 1, 1, 0]), [0] * 6, trees, TreeGrpo())
    assert credit.advantages_B.tolist() == expected.tolist()
    assert credit.advantages_BT.tolist() == [[one, one] for one in expected.tolist()]
    assert len({abs(one) for one in expected.tolist()}) > 1


# Runs


@pytest.mark.parametrize("ahead", [(), ("buffer.max_staleness=1",)])
@pytest.mark.parametrize("fork", ["turns", "tokens"])
def test_a_run_samples_what_is_shared_once_and_continues_exact_ids(
    fork: str, ahead: Sequence[str], tmp_path: Path
) -> None:
    one = trainer(tmp_path, "run.steps=2", "sampling.max_tokens=3", f"algorithm.fork={fork}", *ahead)
    groups: list[Group] = []
    take = one.source.take

    def noted(*args: Any, **kwargs: Any) -> StepRollouts:
        taken = take(*args, **kwargs)
        groups.extend(taken.groups)
        return taken

    one.source.take = noted  # pyright: ignore[reportAttributeAccessIssue]
    one.run()
    assert len(groups) == 16
    for group in groups:
        assert len(group) == 6
        for leaf in group:
            assert leaf.branch is not None
            shared = leaf.branch.shared
            twins = [r for r in group if r is not leaf and r.branch and r.branch.tree == leaf.branch.tree]
            assert any(
                (twin.token_ids[:shared], twin.logprobs[:shared])
                == (leaf.token_ids[:shared], leaf.logprobs[:shared])
                for twin in twins
            )
            assert all(len(leaf.token_ids[turn.begin : turn.end]) <= 3 for turn in leaf.turns)
    for row in rows(tmp_path):
        if not ahead:  # each token under all that stands before it, on both sides of a fork
            assert row["sampler/mismatch"] < 1e-5
        assert 0 < row["tree/shared_share"] < 0.5
        alone = row["length/mean"] * row["groups/drawn"] * 6
        assert row["tokens/sampled"] == pytest.approx(alone * (1 - row["tree/shared_share"]))
        assert row["unscored/share"] == 0


def test_a_resumed_run_is_the_run_that_was_never_stopped_bit_for_bit(tmp_path: Path) -> None:
    shape = ["algorithm.fork=tokens", "sampling.max_tokens=3", "algorithm.rounds=2", "algorithm.keep=3"]
    trainer(tmp_path / "whole", "run.steps=4", *shape).run()
    trainer(tmp_path / "parts", "run.steps=2", *shape).run()
    trainer(tmp_path / "parts", "run.steps=4", *shape).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    assert list(map(without_times, rows(tmp_path / "whole"))) == list(
        map(without_times, rows(tmp_path / "parts"))
    )


def test_microbatches_do_not_change_the_gradient(tmp_path: Path) -> None:
    norms = []
    for tokens in (12, 4096):
        folder = tmp_path / str(tokens)
        trainer(folder, "run.steps=2", f"batch.microbatch_tokens={tokens}").run()
        norms.append([row["grad_norm"] for row in rows(folder)])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    assert min(norms[0]) > 0


# That it learns

LEARN = [
    "batch.prompts=32",
    "optimizer.learning_rate=2e-3",
    "algorithm.kl_coefficient=0",
    "run.steps=60",
    "run.checkpoint_every=1000",
]


def earned(run_dir: Path, steps: slice) -> float:
    """The mean reward of a digit."""
    return float(np.mean([row["reward/mean"] for row in rows(run_dir)][steps]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_turns_are_learned_from_what_they_earned_together(seed: int, tmp_path: Path) -> None:
    trainer(tmp_path, *LEARN, f"run.seed={seed}").run()
    assert earned(tmp_path, slice(0, 3)) <= 0.2
    assert earned(tmp_path, slice(-5, None)) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_is_learned_when_rewards_are_shuffled_among_the_leaves_of_a_prompt(
    seed: int, tmp_path: Path
) -> None:
    one = trainer(tmp_path, *LEARN, f"run.seed={seed}")
    shuffle_rewards(one, inside_each_group)
    one.run()
    assert earned(tmp_path, slice(-5, None)) <= 0.2
