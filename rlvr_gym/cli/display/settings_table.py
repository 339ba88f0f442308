"""Settings as a table: every key with its value, its type and a line of meaning, read from the pydantic models."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlvr_gym.config import Settings

REQUIRED = "(required)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A setting. `changed` tells whether `value` is another than the default."""

    key: str
    value: str
    kind: str
    meaning: str
    changed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """The settings of one group, and what the group is."""

    name: str
    meaning: str
    rows: tuple[Row, ...]


def sections(model: type[BaseModel], values: Settings, name: str = "") -> Iterator[Section]:
    """The groups of settings of a model with `values` laid over its defaults, outer ones first.

    Of a union of groups the one that `values` name is shown; a group that is off is one row.
    """
    rows: list[Row] = []
    inner: list[tuple[str, type[BaseModel], Settings]] = []
    for field_name, field in model.model_fields.items():
        key = f"{name}.{field_name}" if name else field_name
        value = values.get(field_name, default_of(field))
        group = _group_of(field, value)
        if group is not None:
            inner.append((key, group, _as_settings(value)))
        elif models_in(field.annotation) and value is not REQUIRED:
            rows.append(_off(key, field, model))
        else:
            rows.append(_row(key, field_name, field, value, model))
    extra = [key for key in values if key not in model.model_fields]
    rows += [
        Row(key=f"{name}.{key}", value=_told(values[key]), kind="", meaning="", changed=True) for key in extra
    ]
    if rows:
        yield Section(name=name, meaning=_summary(model), rows=tuple(rows))
    for key, group, given in inner:
        tags = _tags(model.model_fields[key.rpartition(".")[2]], group)
        for section in sections(group, given, key):
            yield replace(section, rows=tuple(_with_tags(row, tags, key) for row in section.rows))


def table(found: Sequence[Section]) -> RenderableType:
    """The sections to print; what differs from its default is bold."""
    parts: list[RenderableType] = []
    for section in found:
        parts.append(Text.assemble((section.name or "settings", "bold"), f"  {section.meaning}"))
        grid = Table("setting", "value", "type", "meaning", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        grid.columns[0].no_wrap = True
        grid.columns[1].overflow = grid.columns[2].overflow = "fold"
        for row in section.rows:
            value = Text(row.value, style="bold" if row.changed else "")
            grid.add_row(Text(row.key), value, Text(row.kind, style="dim"), Text(row.meaning))
        parts += [grid, Text()]
    return Group(*parts)


def option_rows(options: Mapping[str, inspect.Parameter], about: str, given: Settings) -> tuple[Row, ...]:
    """The options of an environment, by its signature; `about` is the text that says what they mean."""
    rows = []
    for name, parameter in options.items():
        default = REQUIRED if parameter.default is inspect.Parameter.empty else parameter.default
        value = given.get(name, default)
        annotation = parameter.annotation
        rows.append(
            Row(
                key=f"env.{name}",
                value=_told(value),
                kind="" if annotation is inspect.Parameter.empty else kind_of(annotation),
                meaning=_sentence(about, name) or COMMON_OPTIONS.get(name, ""),
                changed=value != default,
            )
        )
    return tuple(rows)


COMMON_OPTIONS = {
    "data": "Where the tasks are: a file (.jsonl, .json, .csv, .parquet), a folder of them, or a hub id.",
    "split": "Which part of the tasks: `train` to learn from, `test` to measure on.",
    "style": "How a task is put and where its answer stands: `words`, or `symbols` for tiny models.",
    "seed": "Which tasks are generated for training; those held out do not depend on it.",
}
"""Options that mean the same in every environment."""


def meaning_of(model: type[BaseModel], name: str) -> str:
    """Return a field's meaning: its description, the docstring below it, or its part of its model's docstring."""
    described = model.model_fields[name].description or _under_fields(model).get(name)
    if described:
        return " ".join(described.split())
    found = _sentence(_doc(model), name)
    return found if found and found != _summary(model) else ""


@cache
def _under_fields(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings that stand under fields, of a model and the models it extends."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if not issubclass(one, BaseModel) or one is BaseModel:
            continue
        try:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        except (OSError, TypeError):
            continue  # made without a source
        assert isinstance(tree, ast.ClassDef)
        for field, after in pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(after):
                found[field.target.id] = ast.literal_eval(after.value)  # pyright: ignore[reportAttributeAccessIssue]
    return found


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The models among what a field may hold, through `Annotated`, `X | Y` and None."""
    if get_origin(annotation) is Annotated:
        return models_in(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [model for part in get_args(annotation) for model in models_in(part)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def default_of(field: FieldInfo) -> Any:
    """A field's default, REQUIRED where it has none."""
    return (
        REQUIRED if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    )


def _group_of(field: FieldInfo, value: object) -> type[BaseModel] | None:
    """The model that a field's value is of, None where it is off, or no model."""
    found = models_in(field.annotation)
    if not found or value is None:
        return None
    if isinstance(value, BaseModel):
        return type(value)
    given = _as_settings(value)
    return max(found, key=lambda model: _fit(model, given))


def _fit(model: type[BaseModel], given: Settings) -> tuple[int, int]:
    """Score how well settings fit a member of a union: by its tag, then by how many of its keys they name."""
    tags = [name for name, field in model.model_fields.items() if get_origin(field.annotation) is Literal]
    tagged = sum(
        1 if given[tag] in get_args(model.model_fields[tag].annotation) else -1
        for tag in tags
        if tag in given
    )
    return tagged, len(set(given) & set(model.model_fields))


def _as_settings(value: object) -> Settings:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return dict(value) if isinstance(value, Mapping) else {}


def _off(key: str, field: FieldInfo, model: type[BaseModel]) -> Row:
    """A group that is off: what turns it on."""
    keys = [f"{key}.{name}" for one in models_in(field.annotation) for name in one.model_fields]
    about = meaning_of(model, key.rpartition(".")[2]) or " ".join(
        _summary(one) for one in models_in(field.annotation)
    )
    shown = ", ".join(keys[:3]) + (", ..." if len(keys) > 3 else "")
    return Row(key=key, value="off", kind="group", meaning=f"{about} Set with {shown}.", changed=False)


def _tags(field: FieldInfo, chosen: type[BaseModel]) -> dict[str, str]:
    """The fields that tell the members of a union apart, each with all the values that do."""
    tags: dict[str, list[str]] = {}
    for one in models_in(field.annotation):
        for name, inner in one.model_fields.items():
            if name in chosen.model_fields and get_origin(inner.annotation) is Literal:
                tags.setdefault(name, []).extend(map(str, get_args(inner.annotation)))
    return {name: " | ".join(dict.fromkeys(values)) for name, values in tags.items()}


def _with_tags(row: Row, tags: Mapping[str, str], group: str) -> Row:
    name = row.key.removeprefix(f"{group}.")
    return replace(row, kind=tags[name]) if name in tags else row


def _row(key: str, name: str, field: FieldInfo, value: object, model: type[BaseModel]) -> Row:
    limits = _limits(field.metadata)
    kind = kind_of(field.annotation) + (f", {limits}" if limits else "")
    meaning = meaning_of(model, name)
    changed = value is not REQUIRED and _told(value) != _told(default_of(field))
    return Row(key=key, value=_told(value), kind=kind, meaning=meaning, changed=changed)


def _told(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return _told(value.model_dump(mode="json"))
    if isinstance(value, list | tuple):
        return f"[{','.join(_told(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}: {_told(one)}' for key, one in value.items())}}}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def kind_of(annotation: object) -> str:
    """An annotation as people say it: `int`, `text`, `a | b`, `list of text`, `float or null`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        limits = _limits(arguments[1:])
        return kind_of(arguments[0]) + (f", {limits}" if limits else "")
    if origin in (Union, types.UnionType):
        kinds = [kind_of(one) for one in arguments if one is not types.NoneType]
        return " or ".join(dict.fromkeys(kinds + ["null"] * (types.NoneType in arguments)))
    if origin is Literal:
        return " | ".join(map(str, arguments))
    if origin in (list, set, frozenset) or (origin is tuple and arguments[-1] is Ellipsis):
        return f"list of {kind_of(arguments[0])}"
    if origin is tuple:
        return f"[{', '.join(map(kind_of, arguments))}]"
    if origin is dict:
        return "settings"
    if isinstance(annotation, type):
        named = {str: "text", Path: "path", bool: "true | false", types.NoneType: "null"}
        return named.get(annotation, "group" if issubclass(annotation, BaseModel) else annotation.__name__)
    return getattr(annotation, "__name__", str(annotation))


def _limits(metadata: Sequence[Any]) -> str:
    signs = {
        annotated_types.Ge: (">=", "ge"),
        annotated_types.Gt: (">", "gt"),
        annotated_types.Le: ("<=", "le"),
        annotated_types.Lt: ("<", "lt"),
    }
    found = []
    for one in metadata:
        if type(one) in signs:
            sign, attribute = signs[type(one)]
            found.append(f"{sign} {getattr(one, attribute):g}")
    return ", ".join(found)


def _doc(model: type[BaseModel]) -> str:
    return inspect.getdoc(model) or ""


def _summary(model: type[BaseModel]) -> str:
    """The first sentence of a group's docstring."""
    return _sentences(_doc(model))[0] if _doc(model) else ""


def _sentence(text: str, name: str) -> str | None:
    """The sentence of a text that speaks of `name`, with the name in backticks."""
    found = next((one for one in _sentences(text) if _speaks_of(one, name)), None)
    return found and _clause(found, name)


def _speaks_of(text: str, name: str) -> bool:
    return re.search(rf"`(env\.)?{re.escape(name)}\b", text) is not None


def _clause(sentence: str, name: str) -> str:
    """Of clauses between semicolons those that speak of `name`."""
    clauses = [one for one in sentence.rstrip(".").split("; ") if _speaks_of(one, name)]
    return f"{'; '.join(clauses)}." if clauses else sentence


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+(?=[A-Z`])", " ".join(text.split()))
