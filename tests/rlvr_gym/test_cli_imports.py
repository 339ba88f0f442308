"""The command line imports no more than an answer needs, so that help and completion come at once."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

RLVR = Path(sys.executable).with_name("rlvr")
HEAVY = {
    "datasets",
    "docker",
    "jsonschema",
    "math_verify",
    "matplotlib",
    "pandas",
    "pyarrow",
    "scipy",
    "sympy",
    "torch",
    "transformers",
    "vllm",
}
NEEDLESS = HEAVY | {"gymnasium", "numpy", "rlvr_envs", "rlvr_sandbox", "rlvr_trainers"}
"""Packages that help and the names of commands do without."""


def imported(*arguments: str, completing: str | None = None) -> set[str]:
    """Run the command, or complete a command line, and return the packages that it imported."""
    shell = {"_RLVR_COMPLETE": "complete_bash", "COMP_WORDS": completing or ""}
    shell["COMP_CWORD"] = str(len(shell["COMP_WORDS"].split(" ")) - 1)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", RLVR, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(shell if completing else {})},
        check=False,
    )
    assert done.stdout
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert "rlvr_gym.cli.main" in modules
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("argument", ["--help", "-h", "--version"])
def test_help_and_version_import_nothing_that_takes_long(argument: str) -> None:
    assert imported(argument) & (NEEDLESS | {"pydantic", "rich", "typer"}) == set()


def test_completing_a_command_imports_no_environment() -> None:
    assert imported(completing="rlvr ev") & NEEDLESS == set()


@pytest.mark.parametrize("line", ["rlvr eval arith", "rlvr train quick", "rlvr help se"])
def test_completing_an_argument_imports_no_model_and_no_algebra(line: str) -> None:
    assert imported(completing=line) & HEAVY == set()


@pytest.mark.parametrize("words", [("eval",), ("train",), ("audit",), ("sandbox",), ("report",)])
def test_the_help_of_a_command_imports_no_model_and_no_algebra(words: tuple[str, ...]) -> None:
    assert imported(*words, "--help") & HEAVY == set()


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_takes_less_than_half_a_second_of_processor_time(argument: str) -> None:
    assert min(_cpu_seconds(argument) for _ in range(3)) < 0.5


def _cpu_seconds(argument: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([RLVR, argument], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("imports", ["rlvr_gym, gymnasium", "gymnasium, rlvr_gym"])
def test_gymnasium_knows_the_environments_whichever_is_imported_first(imports: str) -> None:
    program = f"import {imports}; print(gymnasium.make('rlvr/Countdown-v0', seed=1).spec.id)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "rlvr/Countdown-v0", done.stderr


def test_every_public_name_is_there_in_the_command_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import rlvr_gym as rg\nassert all(hasattr(rg, name) for name in rg.__all__)\n"
        "assert 'rlvr/Arithmetic-v0' in rg.list_environments()\n"
        "@rg.register('mine/Mine-v0')\ndef mine() -> rg.Environment:\n"
        "    tasks = rg.TaskSet.from_tasks([rg.Task(prompt='1+1?', reference='2')], name='mine')\n"
        "    return rg.Environment(tasks, rg.verifiers.Numeric('boxed'))\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [RLVR, "envs", "mine.py:mine"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "mine/Mine-v0" in done.stdout
