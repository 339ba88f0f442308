"""The command that checks on a GPU what only a GPU can show: the same code on a CPU, on small models."""

import importlib.util
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import warm

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    main = loaded("gpu").main

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["gpu.py", *options])
        return main()

    return run


Command = Callable[..., int]
Said = pytest.CaptureFixture[str]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_one_line_and_measures_nothing(command: Command, capsys: Said) -> None:
    assert command() == 0
    expected = "no GPU here: nothing is measured (--device cpu --small tries the same code out)\n"
    assert capsys.readouterr().out == expected


def test_a_part_alone_checks_gradients_and_finds_them_right(command: Command, capsys: Said) -> None:
    assert command("--device", "cpu", "--small", "--only", "gradients") == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.endswith("| ok |")]
    assert [line.split("|")[1].strip() for line in lines] == [
        "gradient against the CPU's, float32",
        "the same, bfloat16",
        "prefixes computed once against alone",
        "packed rows against padded ones",
    ]


@pytest.mark.slow
def test_every_part_runs_on_small_models_from_a_checkout_alone() -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py"), "--device", "cpu", "--small"],
        env={**os.environ, **warm.ONE_THREAD, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("| ok |") == 14
    assert "| update: share of the matrix rate |" in ended.stdout
    assert "FAILED" not in ended.stdout


def test_parts_that_would_begin_too_late_are_named_and_left_out(command: Command, capsys: Said) -> None:
    assert command("--device", "cpu", "--small", "--seconds", "-1") == 0
    assert capsys.readouterr().out.count("not run: -1 seconds are over") == 7


def test_a_part_that_is_not_there_is_refused_with_those_that_are(command: Command, capsys: Said) -> None:
    assert command("--device", "cpu", "--only", "gradient") == 1
    assert (
        "no part 'gradient'; possible: sampler against trainer, gradients, FSDP2" in capsys.readouterr().out
    )


def test_a_check_above_its_limit_or_without_a_number_fails_and_so_does_a_part_that_breaks_off(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    command, made = loaded("gpu"), loaded("gpu_parts/made")

    def part() -> Iterator[Any]:
        yield made.Row(what="near", found=0.5, limit=1.0)
        yield made.Row(what="far", found=1.5, limit=1.0)
        yield made.Row(what="nothing", found=math.nan, limit=1.0)
        yield made.Row(what="speed", found=3.0, unit="tokens/s")
        raise RuntimeError("no memory left\nsee above")

    assert command._show("a part", part()) == 3
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "| near | 5.0e-01 | 1e+00 | ok |"
    assert [line.endswith("| FAILED |") for line in table] == [False, True, True, False, True]
    assert table[-1] == "| a part | RuntimeError: no memory left | | FAILED |"
