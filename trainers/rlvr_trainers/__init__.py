"""Train models on verifiable environments: GRPO, DAPO and their relatives, from one loss core."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rlvr_trainers.config import AlgorithmConfig, TrainConfig
from rlvr_trainers.python_api import train
from rlvr_trainers.recipe import load_recipe, recipe_names

if TYPE_CHECKING:
    from rlvr_trainers.trainer import Trainer, TrainResult

__all__ = ["AlgorithmConfig", "TrainConfig", "TrainResult", "Trainer", "load_recipe", "recipe_names", "train"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for."""
    if name in ("Trainer", "TrainResult"):
        return getattr(importlib.import_module("rlvr_trainers.trainer"), name)
    raise AttributeError(f"module 'rlvr_trainers' has no attribute '{name}'")
