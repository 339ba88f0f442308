"""The benchmark of the learner's options measures what it says, on a model small enough for a test."""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

import pytest
from rlvr_trainers.recipe import load_recipe

from rlvr_gym.config import parse_overrides

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "learner_options.py"


@pytest.fixture
def script() -> Any:
    spec = importlib.util.spec_from_file_location("learner_options", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(script: Any, option: str) -> dict[str, float]:
    sizes = {"layers": 2, "hidden": 128, "vocabulary": 512, "prompts": 2, "completion": 12, "steps": 2}
    return script._measure(argparse.Namespace(option=option, **sizes))


def test_bytes_seconds_and_mismatch_are_measured(script: Any) -> None:
    plain = measured(script, "float32, AdamW")
    small = measured(script, "the same, adamw_8bit")
    rounded = measured(script, "the same, model.float32_head=false")
    assert plain["kept"] == 16  # weight, gradient, two moments
    assert 8 < small["kept"] < 8.5
    assert plain["mismatch"] < 1e-4 < min(small["mismatch"], rounded["mismatch"])
    assert all(figures["seconds"] > 0 for figures in (plain, small, rounded))


def test_every_option_is_a_setting_of_a_run(script: Any) -> None:
    for settings in script.OPTIONS.values():
        load_recipe("dr_grpo", parse_overrides(["model.path=tiny", "env.id=reverse", "eval=null", *settings]))
