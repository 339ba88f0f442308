"""The settings that sub-commands take as `key.sub=value`, validated before any work starts."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from pydantic import Field

from rlvr_gym import registry
from rlvr_gym.cli.completion import complete_environment
from rlvr_gym.cli.engines import GeneratorSettings
from rlvr_gym.config import Config, Settings, merge, parse_overrides, validate
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.settings import EnvConfig, TrainedModel, trained_model
from rlvr_gym.environments.suites import find_suite
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import StoredRun
from rlvr_gym.generation.base import SamplingParams

EnvName = Annotated[
    str,
    typer.Argument(
        metavar="ENV",
        help="An environment's name or id; `rlvr envs` lists them.",
        autocompletion=complete_environment,
    ),
]
EnvOptions = Annotated[
    list[str] | None,
    typer.Argument(metavar="env.KEY=VALUE", help="The environment's options, `rlvr envs ENV` lists them."),
]


class ModelSettings(Config):
    """The model, and its number format: auto (as stored), float32, bfloat16 or float16.

    Behind an endpoint, `path` is its name there.
    """

    path: str = Field(min_length=1)
    dtype: str = "auto"


class EvalSettings(Config):
    """The settings of `rlvr eval`."""

    env: EnvConfig
    model: ModelSettings
    sampling: SamplingParams
    generator: GeneratorSettings = GeneratorSettings()


class _EnvironmentSettings(Config):
    env: EnvConfig


def eval_settings(
    names: Sequence[str],
    overrides: Sequence[str],
    model: str | None = None,
    *,
    endpoint: bool = False,
    problems: Sequence[str] = (),
) -> list[EvalSettings]:
    """The settings of an evaluation of each environment: sampling as its card says, and `overrides` on top.

    `env.KEY=VALUE` is an option of every environment, `NAME.KEY=VALUE` of the one of that name. `model` stands
    for `model.path`. A model that was trained on the environment is prompted and sampled as it was there. Raises
    ConfigError that says everything unknown or missing.
    """
    given = _parse(overrides)
    own = {name: given.pop(name.rpartition(":")[2], {}) for name in names}
    if model is not None:
        if "path" in given.get("model", {}):
            raise ConfigError("the model is named twice: leave --model or model.path out")
        given = merge(given, {"model": {"path": model}})
    unknown = _unknown_groups(given)
    problems = [*problems, *unknown]
    path = given.get("model", {}).get("path")
    if path in (None, ""):
        problems.append(
            "which model? give model.path=FOLDER or a Hugging Face id, or model.path=tiny; "
            "or --endpoint URL --model NAME"
        )
        refuse(problems)
    trained = None
    if isinstance(path, str) and not endpoint:
        given["model"]["path"], trained = trained_model(path)
    given = {group: value for group, value in given.items() if group in EvalSettings.model_fields}
    found: list[EvalSettings] = []
    for name in names:
        try:
            found.append(_settings_of(name, merge(given, {"env": own[name]}), trained))
        except ConfigError as error:
            problems.append(str(error))
    if len(found) < len(names) or unknown:
        refuse(problems)
    return found


def with_suites(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments with the members of `suite=NAME` in its place; what is given by hand comes after it.

    The options of a member become settings, `NAME.KEY=VALUE`. An environment that is named twice is there once.
    """
    asked = [argument.partition("=")[2] for argument in arguments if argument.startswith("suite=")]
    if not asked:
        return list(arguments)
    suites = [find_suite(name) for name in asked]
    names = [argument for argument in arguments if "=" not in argument]
    given = [argument for argument in arguments if "=" in argument and not argument.startswith("suite=")]
    members = [member for suite in suites for member in suite.members]
    options = [
        f"{member}.{key}={json.dumps(value)}"
        for suite in suites
        for member, chosen in suite.members.items()
        for key, value in chosen.items()
    ]
    return [*dict.fromkeys([*members, *names]), *options, *given]


def refuse(problems: Sequence[str]) -> None:
    """Raise one ConfigError of all `problems`, if there are any."""
    problems = list(dict.fromkeys(problems))  # several environments may have the same one
    if len(problems) == 1:
        raise ConfigError(problems[0])
    if problems:
        listed = "\n".join("  " + problem.replace("\n", "\n  ") for problem in problems)
        raise ConfigError(f"this cannot work:\n{listed}")


def _unknown_groups(given: Settings) -> list[str]:
    known = sorted(EvalSettings.model_fields)
    problems = []
    for group in sorted(set(given) - set(known)):
        close = difflib.get_close_matches(group, known, n=1)
        hint = f"did you mean '{close[0]}'? " if close else ""
        problems.append(f"{group}: no such setting; {hint}possible: {', '.join(known)}")
    return problems


def _settings_of(name: str, given: Settings, trained: TrainedModel | None) -> EvalSettings:
    id = registry.find(name)
    card = registry.list_environments()[id]
    sampling = card.sampling if card else SamplingParams()
    env = _held_out(name)
    if trained is not None and _is_of(trained, id):
        sampling, env = trained.sampling, {**env, **trained.env.model_dump(mode="json"), "id": name}
    base: Settings = {"env": env, "model": {}, "sampling": sampling.model_dump()}
    return validate(EvalSettings, merge(base, given))


def _is_of(trained: TrainedModel, id: str) -> bool:
    """Return whether a model was trained on the environment `id`."""
    return id in registry.list_environments() and registry.short_name(trained.env.id) == registry.short_name(
        id
    )


def make_environment(name: str, overrides: Sequence[str] | None, *, held_out: bool = True) -> Environment:
    """The environment of that name, its split for testing if `held_out`, unless `overrides` say otherwise."""
    settings = merge({"env": _held_out(name) if held_out else {"id": name}}, _parse(overrides or ()))
    return validate(_EnvironmentSettings, settings).env.make()


def environment_of(run: StoredRun, overrides: Sequence[str] | None) -> Environment:
    """The environment that a run's samples were drawn from, `overrides` laid over its options."""
    conditions = run.conditions
    id = conditions.environment
    module = str(run.config.get("entry_point") or "").partition(":")[0]
    if id not in registry.list_environments() and module:
        with suppress(ConfigError):  # said below
            registry.find(f"{module}:{id}")
    if id not in registry.list_environments():
        where = f"; it was in the module {module}: stand in the folder that holds it" if module else ""
        raise ConfigError(
            f"the samples are of '{id}', which is not registered here{where}; possible: "
            f"{', '.join(registry.list_environments())}"
        )
    settings = merge({"env": {"id": id, **conditions.options}}, _parse(overrides or ()))
    return validate(_EnvironmentSettings, settings).env.make()


def parse_ks(text: str | None) -> tuple[int, ...] | None:
    """Parse the value of `--k`, such as `1,4,16`."""
    if text is None:
        return None
    if not re.fullmatch(r"\d+(,\d+)*", text, re.ASCII):
        raise ConfigError(f"--k takes whole numbers with commas between them, such as 1,4,16, not '{text}'")
    return tuple(int(part) for part in text.split(","))


def _held_out(name: str) -> Settings:
    """An environment with its split for testing: `test`, or its own default where that is none to train on."""
    option = registry.options(name).get("split")
    split = {"split": "test"} if option and option.default in (option.empty, "train") else {}
    return {"id": name, **split}


def _parse(overrides: Sequence[str]) -> Settings:
    settings = parse_overrides(overrides)
    for group, value in settings.items():
        if not isinstance(value, dict):
            raise ConfigError(
                f"cannot read '{group}={value}': settings look like key.sub=value; "
                f"an option of the environment would be env.{group}={value}"
            )
    if "id" in settings.get("env", {}):
        raise ConfigError("the environment is named once, before the settings: leave env.id out")
    return settings
