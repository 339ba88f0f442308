"""Rejection-sampling fine-tuning: runs that sample, verify, select and learn, and runs on stored evaluations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.sampling.buffer import Play, StepRollouts
from rlvr_trainers.sampling.collector import InTurn
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.evaluation.samples import read_samples
from rlvr_gym.files import read_lines
from tests.rlvr_trainers.shuffled import inside_each_group, pass_at_1
from tests.rlvr_trainers.test_trainer import same_weights, without_times

REVERSE = ["env.id=reverse", "env.digits=2", "env.style=symbols"]
SMALL = [
    *["model.path=tiny:0123456789>", "sampling.max_tokens=4", "batch.prompts=8", "batch.group_size=8"],
    *["batch.minibatches=2", "batch.epochs=2", "optimizer.learning_rate=1e-3", "run.checkpoint_every=2"],
]
WARM = [
    *["warmup.steps=100", "warmup.batch_size=64", "warmup.learning_rate=3e-3", "warmup.label_noise=0.6"],
    *["batch.prompts=32", "batch.group_size=16", "batch.minibatches=4", "run.checkpoint_every=1000"],
    *["eval.every=1000", "eval.tasks=20", "eval.n=16", "run.steps=6"],
]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("rft", parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def learned(run_dir: Path, *, seed: int, shuffled: bool = False) -> tuple[float, float]:
    """Held-out pass@1 of a model that a noisy warm-up left half wrong, and of what rejection sampling made of it."""
    trainer = Trainer(config(run_dir, *REVERSE, *WARM, f"run.seed={seed}"))
    return pass_at_1(trainer, inside_each_group if shuffled else None)


@pytest.mark.long
def test_what_is_verified_mends_a_half_wrong_policy_and_what_is_shuffled_does_not(tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", seed=0)
    assert before <= 0.5
    assert after >= 0.85
    before, after = learned(tmp_path / "shuffled", seed=0, shuffled=True)
    assert after <= before + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_from_verdicts_and_not_from_shuffled_ones(seed: int, tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", seed=seed)
    assert before <= 0.5
    assert after >= 0.85
    before, after = learned(tmp_path / "shuffled", seed=seed, shuffled=True)
    assert after <= before + 0.1


def test_a_step_learns_from_the_selected_samples_alone(tmp_path: Path) -> None:
    more = [
        "env.reward=per_digit",
        "algorithm.least_score=0.5",
        "algorithm.keep=2",
        "run.samples_per_step=100",
    ]
    Trainer(config(tmp_path, *REVERSE, *more, "run.steps=1", "batch.epochs=1")).run()
    (step,) = [row for row in rows(tmp_path) if row["step"]]
    samples = rows(tmp_path, "samples.jsonl")
    selected = [row for row in samples if row["advantage"]]
    assert 0 < len(selected) < len(samples) == 64
    assert all(row["advantage"] == 1.0 and row["verdict"]["score"] >= 0.5 for row in selected)
    assert all(row["finish_reason"] == "stop" for row in selected)
    by_task = {task: [r for r in selected if r["task"] == task] for task in {row["task"] for row in samples}}
    assert max(map(len, by_task.values())) <= 2
    assert (step["selected/samples"], step["selected/share"]) == (len(selected), len(selected) / 64)
    assert step["tokens/trained"] == sum(row["length"] for row in selected)
    assert "sampler/mismatch" not in step


def test_a_step_that_selects_nothing_changes_no_weight_and_says_why(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, *REVERSE, "run.steps=1", "batch.group_size=2"))
    trainer.run()
    (step,) = [row for row in rows(tmp_path) if row["step"]]
    assert (step["selected/samples"], step["updates"], step["steps/empty"]) == (0, 0, 1)
    assert same_weights(tmp_path / "model", tmp_path / "checkpoints/step-0")


def test_several_iterations_sample_from_what_the_one_before_has_learned(tmp_path: Path) -> None:
    more = ["env.reward=per_digit", "algorithm.least_score=0.5", "run.steps=4"]
    trainer = Trainer(config(tmp_path, *REVERSE, *more))
    assert isinstance(trainer.source, InTurn)
    seen: list[int] = []
    take = trainer.source.buffer.take

    def watched(weights_version: int, play: Play) -> StepRollouts:
        taken = take(weights_version, play)
        seen.extend({rollout.oldest_weights or 0 for rollout in taken.rollouts})
        return taken

    trainer.source.buffer.take = watched
    trainer.run()
    updates = [int(row["updates"]) for row in rows(tmp_path) if row["step"]]
    assert seen == [sum(updates[:step]) for step in range(4)]
    assert sum(updates) > 4


def test_groups_without_a_right_answer_are_sampled_anew_where_that_is_asked_for(tmp_path: Path) -> None:
    more = ["dynamic_sampling.max_rounds=50", "batch.group_size=2", "run.samples_per_step=16"]
    Trainer(config(tmp_path, *REVERSE, *WARM[:4], *more, "run.steps=2")).run()
    for step in (1, 2):
        kept = [row for row in rows(tmp_path, "samples.jsonl") if row["step"] == step]
        assert len({row["task"] for row in kept if row["advantage"]}) == 8
    assert rows(tmp_path)[-1]["groups/drawn"] > 8


def test_four_steps_are_two_steps_and_two_more(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    more = [
        *REVERSE,
        "env.reward=per_digit",
        "algorithm.least_score=0.5",
        "warmup.steps=3",
        "warmup.batch_size=8",
    ]
    Trainer(config(whole, *more, "run.steps=4")).run()
    Trainer(config(parts, *more, "run.steps=2")).run()
    Trainer(config(parts, *more, "run.steps=4")).run()
    assert same_weights(whole / "model", parts / "model")
    for file in ("metrics.jsonl", "samples.jsonl"):
        assert list(map(without_times, rows(whole, file))) == list(map(without_times, rows(parts, file)))
    assert rows(whole)[-1]["selected/samples"] > 0


# Stored evaluations


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two evaluations of a model that is right about half the time, and the folder of that model."""
    folder = tmp_path_factory.mktemp("stored")
    more = ["warmup.steps=100", "warmup.batch_size=64", "warmup.learning_rate=3e-3", "warmup.label_noise=0.6"]
    trainer = Trainer(config(folder / "base", *REVERSE, *more, "run.steps=1", "batch.group_size=2"))
    trainer.run()
    env = rg.make("reverse", digits=2, style="symbols")
    for seed in (0, 1):
        sampling = rg.SamplingParams(temperature=1.0, max_tokens=4)
        evaluate(
            env,
            trainer.generator,
            n=8,
            sampling=sampling,
            limit=60,
            seed=seed,
            run_dir=folder / f"eval-{seed}",
        )
    return folder


def from_stored(stored: Path, run_dir: Path, *more: str) -> TrainConfig:
    runs = f"data.runs=[{stored / 'eval-0'},{stored / 'eval-1'}]"
    return config(run_dir, f"model.path={stored / 'base' / 'model'}", runs, "batch.group_size=1", *more)


def test_stored_samples_are_selected_from_and_nothing_is_sampled(stored: Path, tmp_path: Path) -> None:
    more = [
        "batch.prompts=60",
        "batch.epochs=1",
        "batch.minibatches=1",
        "run.steps=1",
        "run.samples_per_step=2000",
    ]
    trainer = Trainer(from_stored(stored, tmp_path, *more))
    trainer.run()
    samples = [s for seed in (0, 1) for s in read_samples(stored / f"eval-{seed}" / "samples.jsonl")]
    right = {(s.task, s.completion) for s in samples if s.verdict.correct and s.finish_reason == "stop"}
    shown = rows(tmp_path, "samples.jsonl")
    assert len(shown) == len(samples) == 60 * 16
    selected = {(row["task"], row["messages"][-1]["content"]) for row in shown if row["advantage"]}
    assert selected == right
    (step,) = [row for row in rows(tmp_path) if row["step"]]
    assert step["selected/samples"] == len(right) > 20
    assert step["pass_rate/all"] == pytest.approx(np.mean([s.verdict.correct for s in samples]))
    assert step["tokens/trained"] == 3 * len(right)  # two digits and the end of the turn
    assert (step["seconds/generate"], step["tokens_per_second/generate"]) == (0, 0)


def test_a_policy_learns_from_its_stored_samples(stored: Path, tmp_path: Path) -> None:
    held_out = ["eval.env.id=reverse", "eval.env.digits=2", "eval.env.style=symbols", "eval.env.split=test"]
    more = [*held_out, "eval.every=1000", "eval.n=16", "eval.tasks=20", "batch.prompts=30", "data.epochs=10"]
    result = Trainer(from_stored(stored, tmp_path, *more)).run()
    assert result.step == 20
    assert result.before is not None
    assert result.after is not None
    assert result.after.value >= result.before.value + 0.2


def test_a_run_on_stored_samples_goes_on_bit_for_bit(stored: Path, tmp_path: Path) -> None:
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(from_stored(stored, tmp_path / name, f"run.steps={steps}")).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]


def test_folders_that_hold_no_evaluation_are_refused(stored: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    # One folder need not be written as a list.
    for folder, said in (
        (tmp_path / "empty", "holds no evaluation"),
        (stored / "base", "holds a training run"),
    ):
        with pytest.raises(rg.ConfigError, match=said):
            Trainer(config(tmp_path / "run", f"data.runs={folder}"))


def test_runs_in_which_a_task_has_two_prompts_are_refused(stored: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    lines = [json.loads(line) for line in (stored / "eval-0" / "samples.jsonl").read_text().splitlines()]
    lines[0]["prompt"][0]["content"] = "another>"
    (twin / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(rg.ConfigError, match="has another prompt in one of the runs than in another"):
        Trainer(config(tmp_path / "run", f"data.runs=[{stored / 'eval-1'},{twin}]"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ["data.path=chat.jsonl", *REVERSE],
            "data.path has no meaning with algorithm.kind=rft: give data.runs",
        ),
        (["data.epochs=3", *REVERSE], "data without data.runs has no meaning with algorithm.kind=rft"),
        (["data.runs=[x]", "warmup.steps=1"], "nothing is sampled by algorithm.kind=rft here, so warmup"),
        ([*REVERSE, "overlong.penalty_share=0.5"], "overlong has no meaning with algorithm.kind=rft"),
        ([*REVERSE, "algorithm.clip_low=0.2"], "algorithm.clip_low: no such setting"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config(tmp_path / "run", *more)
