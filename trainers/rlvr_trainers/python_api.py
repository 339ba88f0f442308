"""Training from Python: one call, with objects or names."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr_gym.config import Settings, merge
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_trainers.recipe import load_recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from rlvr_trainers.learner.policy import LoadedModel
    from rlvr_trainers.trainer import TrainResult


def train(
    *,
    model: str | PathLike[str] | PreTrainedModel,
    env: str | Mapping[str, Any] | Environment | None = None,
    algorithm: str = "grpo",
    tokenizer: PreTrainedTokenizerBase | None = None,
    teacher: str | PathLike[str] | LoadedModel | None = None,
    held_out: Environment | None = None,
    progress: bool = True,
    **settings: Any,
) -> TrainResult:
    """Train a model on an environment; the same call on the same run directory resumes.

        rlvr_trainers.train(model="tiny", env="arithmetic", run={"steps": 20}, sampling={"max_tokens": 8})

    Args:
        model: a folder, a Hugging Face id, `tiny`, or a transformers model, whose weights are then trained where
            they are.
        env: a name, a mapping (`{"id": "arithmetic", "digits": 2}`), or an environment; None where `data` takes its
            place.
        algorithm: a bundled recipe or a YAML file of your own.
        tokenizer: of a model that is given as an object.
        teacher: for `algorithm="distill"`, a folder, a Hugging Face id, or a transformers model with its tokenizer,
            which stays as it is.
        held_out: what `eval` settings evaluate on where `env` is an object.
        progress: show the run on the terminal.
        settings: groups of settings laid over the recipe: `batch={"prompts": 8}`.

    Raises ConfigError for settings that cannot work, and TrainingError where the run cannot go on.
    """
    from rich.console import Console

    from rlvr_trainers.run.display import Display
    from rlvr_trainers.trainer import Trainer

    loaded = None
    if not isinstance(model, str | PathLike):
        if tokenizer is None:
            raise ConfigError(
                "a model given as an object needs its tokenizer: train(model=..., tokenizer=...)"
            )
        loaded, path = (model, tokenizer), _name(model)
    else:
        path = fspath(model)
    named = {} if env is None else {"env": _named(env)}
    taught_by, of_teacher = _teacher(teacher)
    config = load_recipe(algorithm, merge({"model": {"path": path}, **named, **of_teacher}, settings))
    trainer = Trainer(
        config,
        name=Path(algorithm).stem,
        display=Display(Console()) if progress else None,
        env=copy.copy(env) if isinstance(env, Environment) else None,
        held_out=held_out,
        model=loaded,
        teacher=taught_by,
    )
    return trainer.run()


def _teacher(given: str | PathLike[str] | LoadedModel | None) -> tuple[LoadedModel | None, Settings]:
    """The model that was given as an object, and the settings that stand for what was given."""
    if given is None:
        return None, {}
    loaded = None if isinstance(given, str | PathLike) else given
    name = fspath(given) if isinstance(given, str | PathLike) else _name(given[0])
    return loaded, {"algorithm": {"teacher": name}}


def _name(model: PreTrainedModel) -> str:
    return model.name_or_path or type(model).__name__


def _named(env: str | Mapping[str, Any] | Environment) -> dict[str, Any]:
    """The settings that stand for an environment in `config.yaml`."""
    if isinstance(env, str):
        return {"id": env}
    if isinstance(env, Environment):
        return {"id": type(env).__name__ if env.spec is None else env.spec.id}
    return dict(env)
