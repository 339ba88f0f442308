"""Environments by name, on top of Gymnasium's own registry.

Packages bring environments through the entry-point group `rlvr_gym.envs`: each entry point names a module
that registers its environments when it is imported. The bundled ones use the same door.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

import gymnasium
from gymnasium.envs.registration import load_env_creator, parse_env_id
from pydantic import TypeAdapter, ValidationError

from rlvr_gym.environments.base import Environment, EnvironmentCard
from rlvr_gym.errors import ConfigError

EnvFactory = TypeVar("EnvFactory", bound=Callable[..., Environment])

_cards: dict[str, EnvironmentCard | None] = {}


def register(id: str, *, card: EnvironmentCard | None = None) -> Callable[[EnvFactory], EnvFactory]:
    """Register the decorated function or class, which builds an environment, under `namespace/Name-vN`.

    Its keyword arguments are the environment's options and must be JSON values (names and paths of data,
    never data), so that specs survive `to_json()`. Only a reference to it is stored: `module:name`.
    """
    namespace, _, version = parse_env_id(id)
    if namespace is None or version is None:
        raise ConfigError(f"environment ids look like 'namespace/Name-v0', not '{id}'")

    def add(factory: EnvFactory) -> EnvFactory:
        if "<" in factory.__qualname__:
            raise ConfigError(
                f"'{id}' must be built by something that can be imported by name: "
                f"move {factory.__qualname__} to the top level of its module"
            )
        gymnasium.register(
            id,
            entry_point=f"{factory.__module__}:{factory.__qualname__}",
            disable_env_checker=True,
            order_enforce=False,
        )
        _cards[id] = card
        return factory

    return add


def discover() -> None:
    """Import every package that brings environments; one that fails is named in a warning and left out."""
    for point in entry_points(group="rlvr_gym.envs"):
        try:
            point.load()
        except Exception as error:  # noqa: BLE001 - another package's import must not take this one down
            warnings.warn(
                f"environments of '{point.name}' ({point.value}) are missing: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )


@functools.cache
def discover_once() -> None:
    """Call `discover` the first time that an environment is looked up, or the library imported."""
    discover()


def list_environments() -> dict[str, EnvironmentCard | None]:
    """Every environment registered through this library: full id -> card."""
    discover_once()
    return dict(sorted(_cards.items()))


def short_name(id: str) -> str:
    """The name an id answers to on the command line: `rlvr/GSM8K-v0` -> `gsm8k`."""
    return parse_env_id(id.rpartition(":")[2])[1].lower()


def family(id: str) -> str:
    """The family of an environment: the folder in its package that its module is in, else the package."""
    module = str(gymnasium.spec(id).entry_point).partition(":")[0].split(".")
    return module[1] if len(module) > 2 else module[0]


def find(name: str) -> str:
    """The full id that `name` stands for: a full id, or a short name (its latest version).

    `module:name` and `path/to/file.py:name` import what registers it first, and mean what that registers where
    others have registered the same short name. Modules are also looked for in the working directory.
    """
    discover_once()
    module, colon, name = name.rpartition(":")
    if not colon:
        return _among(name, list(_cards))
    imported = _imported(module, name)
    own = [id for id in _cards if str(gymnasium.spec(id).entry_point).partition(":")[0] == imported]
    if own and not {name, name.lower()} & {*_cards, *map(short_name, _cards)}:
        possible = ", ".join(sorted(map(short_name, own)))
        raise ConfigError(f"'{module}' registers no environment '{name}'; it registers: {possible}")
    return _among(name, [id for id in own if name.lower() in (id.lower(), short_name(id))] or list(_cards))


def _imported(module: str, name: str) -> str:
    """Import a module, or a file as the module that its folder has; returns the module's name."""
    path = Path(module).expanduser()
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise ConfigError(f"no file {path.absolute()}, which '{module}:{name}' names")
    folder, importable = (str(path.resolve().parent), path.stem) if is_file else (os.getcwd(), module)
    # At the end: what stands in a user's folder must not take the place of a library.
    if folder not in sys.path:
        sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        imported = importlib.import_module(importable)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"cannot import '{module}', which '{module}:{name}' names: {type(error).__name__}: {error}"
        ) from error
    found = getattr(imported, "__file__", None)
    if is_file and (found is None or Path(found).resolve() != path.resolve()):
        raise ConfigError(
            f"{path} cannot be imported: '{path.stem}' is another module already; rename the file"
        )
    return importable


def _among(name: str, ids: Sequence[str]) -> str:
    """The one of `ids` that `name` stands for."""
    if name in ids:
        return name
    matches = [id for id in ids if short_name(id) == name.lower()]
    namespaces = {parse_env_id(id)[0] for id in matches}
    if len(namespaces) > 1:
        raise ConfigError(f"'{name}' is ambiguous: {', '.join(sorted(matches))}; give the full id")
    if matches:
        return max(matches, key=lambda id: parse_env_id(id)[2] or 0)
    known = sorted({short_name(id) for id in ids})
    close = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ";"
    if Path(name).is_file():
        hint = f", but a file: `jsonl env.data={name}` reads tasks from one;"
        hint = (
            f", but a file: {name}:NAME is an environment that it registers;"
            if name.endswith(".py")
            else hint
        )
    raise ConfigError(f"no environment '{name}'{hint} registered: {', '.join(known)}")


def options(name: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments that the named environment accepts."""
    entry_point = gymnasium.spec(find(name)).entry_point
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    assert creator is not None
    return dict(inspect.signature(creator, eval_str=True).parameters)


def about(name: str) -> str:
    """Collect what the named environment's card, and the docstring of what builds it, say.

    Its options are in backticks.
    """
    id = find(name)
    entry_point, card = gymnasium.spec(id).entry_point, _cards[id]
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    described = [card.detail, card.answer] if card else []
    return " ".join([inspect.getdoc(creator) or "", *described])


def _check_types(id: str, accepted: dict[str, inspect.Parameter], given: Mapping[str, object]) -> None:
    """Raise ConfigError for an option that is not what the environment's signature says it is."""
    for key, value in given.items():
        annotation = accepted[key].annotation
        if annotation is inspect.Parameter.empty:
            continue
        try:
            TypeAdapter(annotation).validate_python(value, strict=True)
        except ValidationError as error:
            expected = inspect.formatannotation(annotation)
            raise ConfigError(
                f"option '{key}' of environment '{short_name(id)}' must be {expected}, not {value!r}"
            ) from error


def make(name: str, /, **kwargs: Any) -> Environment:
    """The environment of that name or id, built with `kwargs`.

    `make("gsm8k", split="test")` is `gymnasium.make("rlvr_gym:rlvr/GSM8K-v0", split="test")` without
    wrappers and with errors that say what would work.
    """
    id = find(name)
    accepted = options(id)
    if unknown := sorted(set(kwargs) - set(accepted)):
        raise ConfigError(
            f"environment '{short_name(id)}' has no option {', '.join(map(repr, unknown))}; "
            f"possible: {', '.join(accepted) or 'none'}"
        )
    needed = [key for key, p in accepted.items() if p.default is p.empty and key not in kwargs]
    if needed:
        raise ConfigError(f"environment '{short_name(id)}' needs {', '.join(map(repr, needed))}")
    try:
        json.dumps(kwargs, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"options of environment '{short_name(id)}' must be JSON values: {error}"
        ) from error
    if kwargs.get("data") == "":
        raise ConfigError(
            f"option 'data' of environment '{short_name(id)}' is empty: give a file, a folder or a hub id"
        )
    _check_types(id, accepted, kwargs)
    env = gymnasium.make(id, **kwargs).unwrapped
    if not isinstance(env, Environment):
        raise ConfigError(f"'{id}' built a {type(env).__name__}, not an rlvr_gym Environment")
    env.card = _cards[id]
    return env
