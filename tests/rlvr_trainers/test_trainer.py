"""Whole runs of a tiny model: what a step does, what is logged, what a stop and a resumption leave behind."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe, recipe_names
from rlvr_trainers.sampling.collector import InTurn
from rlvr_trainers.trainer import Trainer

from rlvr_gym.clock import PhaseClock
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from tests import warm

SMALL = [
    "model.path=tiny:0123456789>",
    "env.id=reverse",
    "env.digits=2",
    "env.style=symbols",
    "env.reward=per_digit",
    "sampling.max_tokens=4",
    "batch.prompts=8",
    "batch.group_size=8",
    "batch.minibatches=2",
    "optimizer.learning_rate=1e-3",
    "run.checkpoint_every=2",
]


def config(recipe: str, run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe(recipe, parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict]:
    return list(read_lines(run_dir / file))


def without_times(row: Any) -> Any:
    """A row, or anything in it, without what depends on the clock."""
    clocks = ("seconds/", "tokens_per_second/", "memory/", "judging_seconds")
    if isinstance(row, dict):
        return {key: without_times(value) for key, value in row.items() if not key.startswith(clocks)}
    return [without_times(item) for item in row] if isinstance(row, list) else row


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder, "float32")[0].state_dict())


def same_weights(a: Path, b: Path) -> bool:
    left, right = weights(a), weights(b)
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize(
    "recipe",
    # Models that judge have a head beside their folder, and data to learn from: see test_reward_model and
    # test_process_reward_model.
    [
        name
        for name in recipe_names()
        if name not in ("quickstart", "addition", "hackable", "reward_model", "prm")
    ],
)
def test_every_recipe_trains_and_leaves_an_ordinary_model_folder(recipe: str, tmp_path: Path) -> None:
    # A model that knows nothing is seldom right, and only what earns enough is imitated.
    more = {
        "rft": ["algorithm.least_score=0.5"],
        "distill": ["algorithm.teacher=tiny:0123456789>"],
        "online_dpo": ["batch.group_size=16", "dynamic_sampling.max_rounds=100"],
        "tree_grpo": ["batch.group_size=6", "algorithm.fork=tokens"],
    }.get(recipe, [])
    result = Trainer(config(recipe, tmp_path / "run", "run.steps=2", "run.keep=3", *more)).run()
    assert result.finished
    assert result.step == 2
    model, tokenizer = load_model(tmp_path / "run" / "model", "float32")
    assert not same_weights(tmp_path / "run" / "model", tmp_path / "run" / "checkpoints" / "step-0")
    assert tokenizer.decode(tokenizer.encode("12>")) == "12>"
    assert sum(p.numel() for p in model.parameters()) > 50_000


def test_a_step_logs_what_a_reader_of_curves_expects(tmp_path: Path) -> None:
    Trainer(config("dapo", tmp_path, "run.steps=1", "eval.every=1", "eval.tasks=10")).run()
    first, last = rows(tmp_path)
    assert first["step"] == 0
    assert 0 <= first["eval/pass@1/low"] <= first["eval/pass@1"] <= first["eval/pass@1/high"] <= 1
    wanted = {
        "reward/mean", "reward/shaped", "outcome/correct", "outcome/incorrect", "outcome/malformed",
        "outcome/timeout", "outcome/unscored", "pass_rate/all", "groups/degenerate_share", "groups/drawn",
        "groups/kept", "groups/rounds", "groups/keep_share", "groups/keep_share_expected", "length/mean",
        "truncation/share", "entropy", "ratio/mean", "ratio/max", "clip/low_fraction", "clip/high_fraction",
        "grad_norm", "learning_rate", "sampler/mismatch", "sampler/kl", "unscored/share", "seconds/generate",
        "seconds/verify", "seconds/score", "seconds/update", "tokens_per_second/generate",
        "tokens_per_second/update", "memory/peak_mb", "eval/pass@1",
    }  # fmt: skip
    assert wanted <= last.keys()
    assert last["groups/degenerate_share"] == 0.0
    assert all(np.isfinite(value) for value in last.values())
    assert list((tmp_path / "tensorboard").iterdir())


def test_samples_are_kept_with_their_verdicts_rewards_and_advantages(tmp_path: Path) -> None:
    Trainer(config("dapo", tmp_path, "run.steps=1", "run.samples_per_step=8")).run()
    samples = rows(tmp_path, "samples.jsonl")
    assert len({row["task"] for row in samples}) == 1
    assert [row["sample"] for row in samples] == list(range(8))
    for row in samples:
        assert row["verdict"]["outcome"] in ("correct", "incorrect", "malformed")
        assert -2 <= row["reward"] <= 1
    assert sum(row["advantage"] for row in samples) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("temperature", [0.5, 1, 1.7])
def test_the_sampler_and_the_trainer_agree_on_log_probabilities(temperature: float, tmp_path: Path) -> None:
    Trainer(config("grpo", tmp_path, "run.steps=2", f"sampling.temperature={temperature}")).run()
    assert all(0 < row["sampler/mismatch"] < 1e-5 for row in rows(tmp_path)[1:])


def test_the_ratio_is_exactly_one_where_a_rollout_is_learned_from_once(tmp_path: Path) -> None:
    Trainer(config("dr_grpo", tmp_path, "run.steps=1", "batch.minibatches=1")).run()
    row = rows(tmp_path)[-1]
    assert row["ratio/mean"] == row["ratio/max"] == 1.0
    assert row["clip/low_fraction"] == row["clip/high_fraction"] == 0.0


def test_evaluating_does_not_change_what_is_learned(tmp_path: Path) -> None:
    Trainer(config("dapo", tmp_path / "with", "run.steps=3", "eval.every=1", "eval.tasks=10")).run()
    Trainer(config("dapo", tmp_path / "without", "run.steps=3")).run()
    assert same_weights(tmp_path / "with" / "model", tmp_path / "without" / "model")


def test_four_steps_are_two_steps_and_two_more(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    Trainer(config("dapo", whole, "run.steps=4")).run()
    Trainer(config("dapo", parts, "run.steps=2")).run()
    Trainer(config("dapo", parts, "run.steps=4")).run()
    assert same_weights(whole / "model", parts / "model")
    for file in ("metrics.jsonl", "samples.jsonl"):
        assert list(map(without_times, rows(whole, file))) == list(map(without_times, rows(parts, file)))
    left, right = (torch.load(run / "checkpoints/step-4/optimizer.pt") for run in (whole, parts))
    assert torch.equal(left["torch_rng"], right["torch_rng"])
    for key, moments in left["optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, right["optimizer"]["state"][key][name])
    states = [json.loads((run / "checkpoints/step-4/trainer.json").read_text()) for run in (whole, parts)]
    assert without_times(states[0]) == without_times(states[1])


def start(run_dir: Path, *more: str) -> subprocess.Popen[str]:
    rlvr = str(warm.commands(**warm.ONE_THREAD) / "rlvr")
    command = [rlvr, "train", "dapo", *SMALL, f"run.dir={run_dir}", *more]
    environment = {**os.environ, **warm.ONE_THREAD}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def wait_for_step(run_dir: Path, step: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not any(row["step"] >= step for row in rows(run_dir)):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    Trainer(config("dapo", whole, "run.steps=12"), name="dapo").run()
    process = start(killed, "run.steps=12")
    wait_for_step(killed, 3, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    Trainer(config("dapo", killed, "run.steps=12"), name="dapo").run()
    assert same_weights(whole / "model", killed / "model")
    assert list(map(without_times, rows(whole))) == list(map(without_times, rows(killed)))


def test_ctrl_c_leaves_a_checkpoint_and_the_same_command_goes_on(tmp_path: Path) -> None:
    process = start(tmp_path, "run.steps=10000", "run.checkpoint_every=10000")
    wait_for_step(tmp_path, 2, process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "resumes" in output
    assert "Traceback" not in output
    saved = max(int(path.name[5:]) for path in (tmp_path / "checkpoints").glob("step-*"))
    assert saved >= 2
    result = Trainer(
        config("dapo", tmp_path, f"run.steps={saved + 1}", "run.checkpoint_every=10000"), name="dapo"
    ).run()
    assert result.step == saved + 1
    assert [row["step"] for row in rows(tmp_path)] == list(range(saved + 2))


def test_going_on_clears_away_what_a_killed_process_had_begun_to_delete(tmp_path: Path) -> None:
    Trainer(config("dapo", tmp_path, "run.steps=2")).run()
    for left_over in (".step-1.old", ".step-3.tmp"):
        (tmp_path / "checkpoints" / left_over).mkdir()
    assert Trainer(config("dapo", tmp_path, "run.steps=2")).run().finished
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-0", "step-2"]


def test_a_finished_run_says_so_and_changes_nothing(tmp_path: Path) -> None:
    Trainer(config("dapo", tmp_path, "run.steps=2")).run()
    before = rows(tmp_path)
    assert Trainer(config("dapo", tmp_path, "run.steps=2")).run().finished
    assert rows(tmp_path) == before


def test_only_the_last_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    result = Trainer(
        config("dapo", tmp_path, "run.steps=6", "run.checkpoint_every=1", "eval.every=1", "eval.tasks=10")
    ).run()
    assert result.best is not None
    kept = {int(path.name[5:]) for path in (tmp_path / "checkpoints").glob("step-*")}
    assert kept == {5, 6, result.best.step}


def test_lora_trains_the_adapter_alone_and_ends_as_an_ordinary_model(tmp_path: Path) -> None:
    Trainer(config("grpo", tmp_path, "run.steps=2", "model.lora.rank=4", "batch.epochs=2")).run()
    resumed = Trainer(config("grpo", tmp_path, "run.steps=3", "model.lora.rank=4", "batch.epochs=2"))
    assert resumed.step == 2
    trained = sum(parameter.numel() for parameter in resumed.models.policy.parameters)
    assert trained < 0.3 * sum(parameter.numel() for parameter in resumed.models.policy.model.parameters())
    resumed.run()
    merged = weights(tmp_path / "model")
    assert not [name for name in merged if "lora" in name]


def test_gradient_checkpointing_changes_nothing_but_memory(tmp_path: Path) -> None:
    for name, flag in [("on", "true"), ("off", "false")]:
        Trainer(config("dapo", tmp_path / name, "run.steps=2", f"model.gradient_checkpointing={flag}")).run()
    left, right = weights(tmp_path / "on" / "model"), weights(tmp_path / "off" / "model")
    assert all(torch.allclose(left[name], right[name], atol=1e-6) for name in left)


def test_the_reference_after_a_warm_up_is_the_warmed_up_policy_also_after_resuming(tmp_path: Path) -> None:
    more = ["warmup.steps=3", "warmup.batch_size=16", "batch.minibatches=1"]
    Trainer(config("grpo", tmp_path / "parts", "run.steps=2", *more)).run()
    Trainer(config("grpo", tmp_path / "parts", "run.steps=4", *more)).run()
    Trainer(config("grpo", tmp_path / "whole", "run.steps=4", *more)).run()
    parts, whole = rows(tmp_path / "parts"), rows(tmp_path / "whole")
    assert whole[1]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert list(map(without_times, parts)) == list(map(without_times, whole))


def test_the_multi_turn_environment_trains_with_environment_tokens_that_carry_no_loss(tmp_path: Path) -> None:
    run = Trainer(
        load_recipe(
            "dr_grpo",
            parse_overrides(
                [
                    "model.path=tiny", "env.id=guess", "sampling.max_tokens=4", "batch.prompts=2",
                    "batch.group_size=4", "run.steps=1", f"run.dir={tmp_path}",
                ]
            ),
        )
    )  # fmt: skip
    assert isinstance(run.source, InTurn)
    groups = run.source.collector.collect(run.env.tasks.take(2), 0, step=0, clock=PhaseClock())
    rollout = max((r for group in groups for r in group), key=lambda r: len(r.messages))
    assert len(rollout.messages) > 1
    assert not all(rollout.action_mask)
    tokens = run.algorithm.tokens([r for group in groups for r in group], [0] * 4 + [1] * 4)
    assert int(tokens.mask_BT.sum()) == sum(sum(r.action_mask) for group in groups for r in group)
    run.run()
