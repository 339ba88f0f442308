"""The name under which another system finds an environment again: its spec, and what its tasks were."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from rlvr_gym import registry
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.pass_rates import by_pass_rate
from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.export.served import Row, rows_of
from rlvr_gym.files import JsonObject

FILE = "environment.json"


class Manifest(BaseModel):
    """An environment by its spec, as gymnasium writes it, and the number of its first tasks that are exported.

    `selection` is what was chosen from the tasks that the spec stands for; `fingerprint` is that of all tasks then.
    `folder` is where the module that builds it was found: it is looked for there where it is not on the path.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: JsonObject
    selection: dict[str, JsonValue] = {}
    fingerprint: str
    folder: str
    rows: int
    rlvr_gym: str

    @property
    def name(self) -> str:
        """The environment's short name."""
        return registry.short_name(str(self.spec["id"]))

    @property
    def id(self) -> str:
        """The environment's full id."""
        return str(self.spec["id"])

    def make(self) -> Environment:
        """Build the environment. Raises DataError where its tasks are not those that were exported."""
        env = self._built()
        if env.tasks.fingerprint != self.fingerprint:
            raise DataError(
                f"the tasks of '{self.id}' are not those that were exported (fingerprint {env.tasks.fingerprint}, "
                f"then {self.fingerprint}): export it again"
            )
        return env

    def _built(self) -> Environment:
        spec = EnvSpec.from_json(json.dumps(self.spec))
        creator = self._creator(str(spec.entry_point))
        env = creator(**spec.kwargs)
        if not isinstance(env, Environment):
            raise ConfigError(f"'{self.id}' built a {type(env).__name__}, not an rlvr_gym Environment")
        env.spec, env.card = spec, registry.list_environments().get(spec.id)
        if self.selection:
            chosen: Any = self.selection
            env.tasks = by_pass_rate(env.tasks, Path(chosen["pass_rates"]), tuple(chosen["pass_rate"]))
            env.selection = self.selection
        return env

    def _creator(self, entry_point: str) -> Callable[..., object]:
        """Import what builds the environment."""
        try:
            return load_env_creator(entry_point)
        except ModuleNotFoundError as error:
            if self.folder in sys.path or not Path(self.folder).is_dir():
                raise ConfigError(
                    f"cannot import '{entry_point}', which builds '{self.id}': {error}; put the folder of that module "
                    "on PYTHONPATH, or install it"
                ) from error
        # At the end: what stands in that folder must not take the place of a library.
        sys.path.append(self.folder)
        return self._creator(entry_point)

    def text(self) -> str:
        """The manifest as a file has it."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest. Raises ConfigError for a file that is none."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(
                f"cannot read the exported environment from {path}: {error.strerror}"
            ) from error
        except ValidationError as error:
            raise ConfigError(f"{path} names no exported environment: {error.errors()[0]['msg']}") from error


def exported(env: Environment, rows: int | None) -> tuple[Environment, Manifest, list[Row]]:
    """Name an environment and its first `rows` tasks, all for None; returns it as its name builds it, too.

    Raises ConfigError for an environment that nothing could build again by its name, that is no longer what its name
    builds, or whose tasks are endless.
    """
    given = env.unwrapped if isinstance(env, gymnasium.Env) else env
    if not isinstance(given, Environment):
        raise ConfigError(f"an rlvr_gym Environment can be exported, and a {type(given).__name__} cannot")
    spec = _movable(given)
    tasks = rows_of(given, rows)
    manifest = Manifest(
        spec=json.loads(spec.to_json()),
        selection=_movable_selection(given),
        fingerprint=given.tasks.fingerprint,
        folder=_folder_of(str(spec.entry_point)),
        rows=len(tasks),
        rlvr_gym=version("rlvr-gym"),
    )
    try:
        built = manifest.make()
    except DataError as error:
        raise ConfigError(_changed(manifest, "other tasks")) from error
    if changes := [name for name, value in _shape(given).items() if value != _shape(built)[name]]:
        raise ConfigError(_changed(manifest, f"another {' and another '.join(changes)}"))
    return built, manifest, tasks


def _changed(manifest: Manifest, what: str) -> str:
    return (
        f"'{manifest.id}' has {what} than its name and options build, which the other system would not find again: "
        "register what makes it so"
    )


def _shape(env: Environment) -> dict[str, object]:
    """The parts of an environment that its name decides on, as far as they can be compared."""
    return {
        "type": type(env),
        "verifier": type(env.verifier),
        "max_turns": env.max_turns,
        "set of tools": env.tools,
        "limits": env.limits,
    }


def _movable(env: Environment) -> EnvSpec:
    """The spec of an environment, for use in any folder of this machine."""
    spec = env.spec
    if spec is None or not isinstance(spec.entry_point, str):
        raise ConfigError(
            "an environment is exported by its name: register what builds it with @rlvr_gym.register(...), and make it "
            "with rlvr_gym.make(...)"
        )
    if spec.entry_point.startswith("__main__:"):
        raise ConfigError(
            f"'{spec.entry_point}' cannot be imported by another program: move it to a module that can be"
        )
    moved = copy.deepcopy(spec)
    data = moved.kwargs.get("data", _default_data(spec.id))
    if isinstance(data, str) and Path(data).expanduser().exists():
        moved.kwargs["data"] = str(Path(data).expanduser().resolve())
    return moved


def _default_data(id: str) -> object:
    """The data that an environment reads if it is given none; None where it has no such option."""
    option = registry.options(id).get("data")
    return None if option is None else option.default


def _folder_of(entry_point: str) -> str:
    """The folder that the module of an entry point is imported from; empty for one that is no file."""
    name = entry_point.partition(":")[0]
    file = sys.modules[name].__file__ if name in sys.modules else None
    if file is None:
        return ""
    path = Path(file).resolve()
    above = name.count(".") + (path.stem == "__init__")
    return str(path.parents[above])


def _movable_selection(env: Environment) -> dict[str, JsonValue]:
    selection = dict(env.selection)
    if "pass_rates" in selection:
        selection["pass_rates"] = str(Path(str(selection["pass_rates"])).expanduser().resolve())
    return selection
