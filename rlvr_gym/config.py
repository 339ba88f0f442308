"""Settings: pydantic models that refuse what they do not know, YAML recipes, `key.sub=value` overrides."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_gym.errors import ConfigError

Settings = dict[str, Any]
TRAINED = "rlvr.json"
S = TypeVar("S", bound=BaseModel)


class Config(BaseModel):
    """Base of every group of settings: frozen; an unknown key is an error, and so is NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parse_overrides(arguments: Sequence[str]) -> Settings:
    """`["env.id=gsm8k", "env.digits=3"]` -> `{"env": {"id": "gsm8k", "digits": 3}}`; values are YAML.

    A value that is no YAML on one line, such as `*` or `- `, is the text that it is.
    """
    settings: Settings = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(f"cannot read '{argument}': settings look like key.sub=value")
        settings = merge(settings, _nest(key.split("."), _value(argument, value)))
    return settings


def _value(argument: str, text: str) -> object:
    quoted = text.startswith(("[", "{", '"', "'"))
    try:
        parsed = yaml.load(text, _Yaml) if text else ""
    except yaml.YAMLError as error:
        if quoted:
            raise ConfigError(f"cannot read the value of '{argument}' as YAML: {_told(error)}") from error
        return text
    return text if isinstance(parsed, list | dict) and not quoted else parsed


def _nest(keys: Sequence[str], value: object) -> Settings:
    return {keys[0]: value if len(keys) == 1 else _nest(keys[1:], value)}


def merge(base: Settings, over: Settings) -> Settings:
    """`base` with the settings of `over` laid on top, mapping by mapping."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def read_yaml(path: Path) -> Settings:
    """The mapping in a YAML file. Raises ConfigError naming file and place."""
    try:
        settings = yaml.load(path.read_text(encoding="utf-8"), _Yaml)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {_told(error)}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} must hold a mapping of settings")
    return settings


def _told(error: yaml.YAMLError) -> str:
    """Say what is wrong and where, on one line."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    if mark is None or problem is None:
        return " ".join(str(error).split())
    return f"{problem}, line {mark.line + 1}, column {mark.column + 1}"


class _Yaml(yaml.SafeLoader):
    """YAML with the plain scalars of its version 1.2 and without repeated keys.

    Version 1.1, PyYAML's own, reads `1e-6` as a string, `no` as false and `12:30` as 750.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 - the base class's own shape

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice: one of the two would be lost without a word."""
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands there twice", key.start_mark
                )
        return super().construct_mapping(node, deep)


for _tag, _pattern in {
    "null": r"(?:~|null|Null|NULL|)",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)",
    "int": r"[-+]?[0-9]+(?:_[0-9]+)*",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+\.?[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
}.items():
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), None)
_Yaml.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value))


def validate(model: type[S], settings: Settings) -> S:
    """`settings` as a `model`. Raises ConfigError with every wrong field's path and what would work."""
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        lines = [_explain(model, problem) for problem in error.errors()]
        if len(lines) == 1:
            raise ConfigError(lines[0]) from error
        raise ConfigError(
            "these settings cannot work:\n" + "\n".join(f"  {line}" for line in lines)
        ) from error


def _explain(model: type[BaseModel], problem: Any) -> str:
    *parents, last = problem["loc"] or ("",)
    path = ".".join(_as_written(model, problem["loc"]))
    if problem["type"] == "missing":
        return f"{path}: Field required; give {' '.join(_wanted(model, problem['loc']))}"
    if problem["type"] in ("model_type", "model_attributes_type"):
        fields, value = _group_at(model, problem["loc"]).model_fields, problem["input"]
        named = next((key for key in ("id", "path") if key in fields and isinstance(value, str)), None)
        meant = f"; to name one, write {path}.{named}={value}" if named else ""
        keys = ", ".join(f"{path}.{key}" for key in fields)
        return f"{path} is a group of settings, not {value!r}{meant}; possible: {keys}"
    if problem["type"] == "union_tag_invalid":
        context = problem["ctx"]
        tag = context["discriminator"].strip("'")
        return (
            f"{path}.{tag}: no '{context['tag']}'; possible: {context['expected_tags'].replace(chr(39), '')}"
        )
    if not path:
        return problem["msg"].removeprefix("Value error, ")
    if problem["type"] != "extra_forbidden":
        found = f" (found {problem['input']!r})"
        return f"{path}: {problem['msg'].removeprefix('Value error, ')}{found if parents or last else ''}"
    known = sorted(_fields_at(model, parents))
    close = difflib.get_close_matches(str(last), known, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"{path}: no such setting; {hint}possible: {', '.join(known)}"


def _wanted(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Name the settings to give for one that is missing: itself, or the required ones of its group."""
    name = ".".join(_as_written(model, path))
    group = _group_at(model, path)
    if group is _group_at(model, path[:-1]):
        return [f"{name}=..."]
    return [f"{name}.{key}=..." for key, field in group.model_fields.items() if field.is_required()]


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> set[str]:
    return set(_group_at(model, path).model_fields)


def _as_written(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """`path` without the tags that tell the members of a union apart: nobody writes those."""
    return [
        str(part)
        for place, part in enumerate(path)
        if not (place and str(part) in _members(model, path[:place]))
    ]


def _group_at(model: type[BaseModel], path: Sequence[str | int]) -> type[BaseModel]:
    """The group of settings that stands at `path`, or the one around a setting that is none."""
    options: dict[str, type[BaseModel]] = {}
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None:
            model = options.get(str(part), model)
            continue
        members = [o for o in (field.annotation, *get_args(field.annotation)) if _is_group(o)]
        options = {_tag_of(member, field.discriminator): member for member in members}
        model = members[0] if members else model
    return model


def _members(model: type[BaseModel], path: Sequence[str | int]) -> dict[str, type[BaseModel]]:
    """The members of the union at `path`, by their tags; empty where there is none."""
    around = _group_at(model, path[:-1])
    field = around.model_fields.get(str(path[-1]))
    if field is None or field.discriminator is None:
        return {}
    return {_tag_of(o, field.discriminator): o for o in get_args(field.annotation) if _is_group(o)}


def _is_group(annotation: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _tag_of(group: type[BaseModel], discriminator: object) -> str:
    return str(group.model_fields[discriminator].default) if isinstance(discriminator, str) else ""
