"""Whole sharded runs: killed anywhere, resumed by any number of processes, the run that was never killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from tests.rlvr_trainers.test_ranks import SMALL, measured, outcomes, start
from tests.rlvr_trainers.test_sharding import ranks_of

pytestmark = pytest.mark.long

RUN = [
    *[*SMALL, "run.checkpoint_every=1", "run.keep=9", "eval.every=1", "eval.tasks=4", "batch.prompts=3"],
    *["batch.minibatches=1", "algorithm.kl_coefficient=0.1", "warmup.steps=1", "warmup.batch_size=8"],
]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("dr_grpo", parse_overrides([*RUN, f"run.dir={run_dir}", *more]))


def play(
    run_dir: Path, processes: int, *more: str, killed: str = "-", after: int = 0
) -> list[tuple[int, str]]:
    """(exit status, output) of each process of a run whose model two of them share."""
    settings = [*RUN, "mesh.shard=2", f"run.dir={run_dir}", *more]
    return ranks_of("sharded_run_rank.py", ["dr_grpo", killed, after, *settings], processes)


def steps(run_dir: Path) -> list[str]:
    return sorted(os.listdir(run_dir / "checkpoints"))


def assert_same_run(found: Path, expected: Path) -> None:
    one, other = (load_model(folder / "model")[0].state_dict() for folder in (found, expected))
    for name, weight in other.items():
        difference = one[name] - weight
        # Adam makes steps out of the rounding errors of gradients near zero. That of the keys' bias is zero.
        if name.endswith("attn.c_attn.bias"):
            assert difference.abs().max() < 5e-3, name
        else:
            assert difference.norm() < 2e-5 * weight.norm(), name
    rows: list[list[dict[str, Any]]] = [list(read_lines(f / "metrics.jsonl")) for f in (found, expected)]
    for row, as_expected in zip(*rows, strict=True):
        assert measured(row) == pytest.approx(measured(as_expected), rel=1e-3, abs=1e-4)


def test_a_sharded_run_killed_on_one_rank_then_on_all_ends_as_the_run_never_killed(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    (status, said), (gone, _) = play(killed, 2, "run.steps=4", killed="1", after=1)
    assert gone == -signal.SIGKILL
    assert status == 1
    assert "error: another process of this run has ended" in said
    assert steps(killed) == ["step-0", "step-1"]

    four = play(killed, 4, "run.steps=4", killed="0,1,2,3", after=2)
    assert {status for status, _ in four} == {-signal.SIGKILL}
    assert steps(killed) == ["step-0", "step-1", "step-2"]

    Trainer(config(killed, "run.steps=3")).run()
    assert steps(killed) == [f"step-{step}" for step in range(4)]
    both = play(killed, 2, "run.steps=4")
    assert [status for status, _ in both] == [0, 0], both
    Trainer(config(whole, "run.steps=4")).run()
    assert_same_run(killed, whole)


@pytest.mark.slow
def test_moments_in_8_bits_resume_with_another_number_of_processes(tmp_path: Path) -> None:
    moved, whole, small = tmp_path / "moved", tmp_path / "whole", "optimizer.kind=adamw_8bit"
    Trainer(config(moved, "run.steps=1", small)).run()
    both = play(moved, 2, "run.steps=2", small)
    assert [status for status, _ in both] == [0, 0], both
    Trainer(config(moved, "run.steps=3", small)).run()
    Trainer(config(whole, "run.steps=3", small)).run()
    assert_same_run(moved, whole)


def test_an_adapter_in_bfloat16_with_recomputed_activations_trains_sharded(tmp_path: Path) -> None:
    more = ["run.steps=2", "model.lora.rank=4", "model.gradient_checkpointing=true", "buffer.max_staleness=1"]
    both = play(tmp_path / "run", 2, *more, "model.dtype=bfloat16", "warmup=null")
    assert [status for status, _ in both] == [0, 0], both
    rows = list(read_lines(tmp_path / "run" / "metrics.jsonl"))[1:]
    assert all(row["grad_norm"] > 0 for row in rows)
    assert rows[0]["sampler/mismatch"] < 0.05
    assert (tmp_path / "run" / "checkpoints" / "step-2" / "adapter_model.safetensors").exists()
    load_model(tmp_path / "run" / "model")


def test_what_one_process_reports_stops_both_and_keeps_the_last_whole_step(tmp_path: Path) -> None:
    settings = ["run.steps=5", "run.checkpoint_every=100", "mesh.shard=2"]
    both = outcomes(start("dr_grpo", tmp_path, *settings, fault="reported"))
    assert [status for status, _ in both] == [1, 1], both
    assert all("error: after step 1: reported" in output for _, output in both)
    assert steps(tmp_path) == ["step-0", "step-1"]


def test_a_process_that_breaks_down_ends_both_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    settings = ["run.steps=5", "run.checkpoint_every=100", "mesh.shard=2"]
    (first, said), (second, traceback) = outcomes(start("dr_grpo", tmp_path, *settings, fault="unforeseen"))
    assert first != 0
    assert second != 0
    assert "RuntimeError: unforeseen" in traceback
    assert "error: another process of this run has ended" in said
    assert steps(tmp_path) == ["step-0"]


def test_a_stop_asked_of_one_process_saves_the_shards_of_both(tmp_path: Path) -> None:
    processes = start("dr_grpo", tmp_path, "run.steps=100000", "run.checkpoint_every=100000", "mesh.shard=2")
    until = time.monotonic() + 200
    while not any(row["step"] >= 1 for row in read_lines(tmp_path / "metrics.jsonl")):
        assert time.monotonic() < until
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGINT)
    both = outcomes(processes)
    assert [status for status, _ in both] == [0, 0], both
    saved = max(int(name.removeprefix("step-")) for name in steps(tmp_path))
    assert [output.splitlines()[-1] for _, output in both] == [f"finished False after {saved}"] * 2
    parts = tmp_path / "checkpoints" / f"step-{saved}" / "optimizer"
    assert sorted(path.name for path in parts.glob("__*")) == ["__0_0.distcp", "__1_0.distcp"]


def test_shards_that_the_processes_do_not_divide_into_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"mesh\.shard=2 splits .* 2 processes, and this run has 1: give --processes 2"
    ):
        Trainer(config(tmp_path / "run", "mesh.shard=2"))
    assert not (tmp_path / "run").exists()


def test_an_engine_within_the_processes_that_hold_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mesh\.shard=2 needs an engine beside .* use vllm_servers"):
        config(tmp_path, "mesh.shard=2", "generator.engine=vllm")


def test_a_run_whose_processes_measure_their_budget_is_the_run_of_one_process(tmp_path: Path) -> None:
    more = ["batch.microbatch_tokens=auto", "run.steps=2"]
    assert [status for status, _ in play(tmp_path / "parts", 2, *more)] == [0, 0]
    Trainer(config(tmp_path / "whole", *more)).run()
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


def test_a_model_given_as_an_object_is_not_taken_apart(tmp_path: Path) -> None:
    loaded = load_model("tiny:0123456789>")
    with pytest.raises(ConfigError, match=r"mesh\.shard: .* save it, and name its folder as model\.path"):
        Trainer(config(tmp_path / "run", "mesh.shard=2"), model=loaded)
    assert not (tmp_path / "run").exists()
