"""The public names of this package; using them does not cost importing torch."""

import subprocess
import sys

import rlvr_trainers


def test_the_public_names_are_these():
    assert rlvr_trainers.__all__ == [
        "AlgorithmConfig",
        "TrainConfig",
        "TrainResult",
        "Trainer",
        "load_recipe",
        "recipe_names",
        "train",
    ]
    assert all(getattr(rlvr_trainers, name) is not None for name in rlvr_trainers.__all__)


def test_the_settings_can_be_read_without_importing_torch():
    code = "import sys, rlvr_trainers; rlvr_trainers.load_recipe('quickstart'); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
