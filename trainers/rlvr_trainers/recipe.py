"""Recipes: YAML files of settings that `rlvr train NAME` starts from."""

from __future__ import annotations

import difflib
from importlib import resources
from itertools import takewhile
from pathlib import Path

from rlvr_gym.config import Settings, merge, read_yaml, validate
from rlvr_gym.errors import ConfigError
from rlvr_trainers.config import TrainConfig


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    folder = resources.files("rlvr_trainers") / "recipes"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_recipe(name: str, overrides: Settings | None = None) -> TrainConfig:
    """The settings of a bundled recipe, or of a YAML file, with `overrides` laid on top.

    A recipe may begin with `extends: NAME` and then holds only what differs. Raises ConfigError, naming
    fields and what they accept, for settings that cannot work.
    """
    return validate(TrainConfig, merge(recipe_settings(name), overrides or {}))


def recipe_summary(name: str) -> str:
    """The comment that a recipe begins with."""
    lines = _find(name, Path()).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line[:1] == "#", lines))


def recipe_settings(name: str, extending: tuple[Path, ...] = ()) -> Settings:
    """Read the settings of a recipe, over those it extends. They need not be all that a run needs."""
    path = _find(name, extending[-1].parent if extending else Path()).resolve()
    if path in extending:
        raise ConfigError(
            f"recipes extend each other in a circle: {' > '.join(map(str, (*extending, path)))}"
        )
    settings = read_yaml(path)
    base = settings.pop("extends", None)
    return merge(recipe_settings(str(base), (*extending, path)), settings) if base else settings


def _find(name: str, beside: Path) -> Path:
    if name.endswith((".yaml", ".yml")):
        path = beside / Path(name).expanduser()
        if not path.exists():
            raise ConfigError(f"no recipe file {path}")
        return path
    if name not in recipe_names():
        close = difflib.get_close_matches(name, recipe_names(), n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        raise ConfigError(
            f"no recipe '{name}'; {hint}bundled: {', '.join(recipe_names())}; or give a .yaml file of your own"
        )
    with resources.as_file(resources.files("rlvr_trainers") / "recipes" / f"{name}.yaml") as path:
        return path
