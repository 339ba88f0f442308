"""JSON Schema validation whose time is bounded, whatever the document: jsonschema with a budget.

Three things in jsonschema can be made slow by a document alone, and are done differently here: regular
expressions (RE2's, linear), `uniqueItems` (linear instead of quadratic), and schemas that branch at every
level, whose checking is exponential in the document's depth (stopped after `MAX_STEPS` steps).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, final

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import Json, JsonObject
from rlvr_gym.verifiers.regex import compile_linear

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

    Errors = Iterator[ValidationError]
    Check = Callable[["_Validator", Json, Json, Json], Iterable[ValidationError] | None]

MAX_STEPS = 200_000
"""A step is a keyword applied, an element of what it is applied to, or a hundred characters of that."""


class TooManySteps(Exception):
    """The document would take too long to check."""


class _Validator(Protocol):
    """The part of a validator of jsonschema that the check of a keyword needs."""

    def is_type(self, instance: Json, type: str) -> bool: ...

    def descend(
        self, instance: Json, schema: Json, path: str | int | None = None, schema_path: str | None = None
    ) -> Iterable[ValidationError]: ...


@final
class BoundedSchema:
    """A JSON Schema. Raises ConfigError for one that is invalid or that cannot be checked in bounded time."""

    def __init__(self, schema: JsonObject) -> None:
        from jsonschema import SchemaError, validators

        schema = copy.deepcopy(schema)
        draft: Any = validators.validator_for(schema, default=validators.Draft202012Validator)
        try:
            draft.check_schema(schema, format_checker=None)
        except SchemaError as error:
            raise ConfigError(f"not a JSON Schema: {path_text(error.path)}: {error.message}") from error
        # Whatever names a draft is checked by that draft's own, unbounded validator.
        schema.pop("$schema", None)
        if any("$schema" in node for node in _subschemas(schema)):
            raise ConfigError("a schema inside a schema cannot name a '$schema' of its own")
        _refuse_foreign_references(schema, draft)
        self._patterns = _compile_patterns(schema)
        own: dict[str, Check] = {
            "pattern": self._pattern,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "uniqueItems": _unique_items,
        }
        checks = {name: _counted(own.get(name) or check) for name, check in draft.VALIDATORS.items()}
        self._validator: Any = validators.extend(draft, checks)(schema)

    def first_error(self, text: str, document: Json) -> str | None:
        """Return the first error in `document`, or None. Raises TooManySteps."""
        token = _budget.set(_Budget(document))
        try:
            error = next(self._validator.iter_errors(document), None)
        finally:
            _budget.reset(token)
        return None if error is None else f"{path_text(error.absolute_path)}: {error.message[:200]}"

    def _pattern(self, validator: _Validator, pattern: str, instance: Json, schema: Json) -> Errors:
        if validator.is_type(instance, "string") and not self._patterns[pattern].search(instance):
            yield _mismatch(f"{instance[:80]!r} does not match {pattern!r}")

    def _pattern_properties(self, validator: _Validator, value: Json, instance: Json, schema: Json) -> Errors:
        if validator.is_type(instance, "object"):
            for pattern, subschema in value.items():
                for key, below in instance.items():
                    if self._patterns[pattern].search(key):
                        yield from validator.descend(below, subschema, path=key, schema_path=pattern)

    def _additional_properties(
        self, validator: _Validator, value: Json, instance: Json, schema: Json
    ) -> Errors:
        if not validator.is_type(instance, "object"):
            return
        patterns = [self._patterns[pattern] for pattern in schema.get("patternProperties", {})]
        for key, below in instance.items():
            if key in schema.get("properties", {}) or any(pattern.search(key) for pattern in patterns):
                continue
            if value is False:
                yield _mismatch(f"the key {key[:80]!r} is not allowed")
            else:
                yield from validator.descend(below, value, path=key)


def path_text(parts: Iterable[str | int]) -> str:
    """A place in a document: `$.students[2].name`."""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


class _Budget:
    """The steps taken over one document."""

    def __init__(self, document: Json) -> None:
        self._steps = 0
        self._sizes: dict[int, int] = {}
        self._measure(document)

    def spend(self, instance: Json) -> None:
        self._steps += 1 + self._size(instance) // 100
        if isinstance(instance, (list, dict)):
            self._steps += len(instance)
        if self._steps > MAX_STEPS:
            raise TooManySteps

    def _size(self, instance: Json) -> int:
        return len(instance) if isinstance(instance, str) else self._sizes.get(id(instance), 1)

    def _measure(self, node: Json) -> int:
        below: Iterable[Json] = ()
        if isinstance(node, dict):
            below = (*node, *node.values())
        elif isinstance(node, list):
            below = node
        else:
            return self._size(node)
        self._sizes[id(node)] = size = 2 + sum(self._measure(child) for child in below)
        return size


_budget: ContextVar[_Budget] = ContextVar("budget")


def _counted(check: Check) -> Check:
    def counted(validator: _Validator, value: Json, instance: Json, schema: Json) -> Errors:
        _budget.get().spend(instance)
        yield from check(validator, value, instance, schema) or ()

    return counted


def _subschemas(schema: Json) -> Iterator[JsonObject]:
    """Every mapping in a schema that may be a schema; values that are data are left out."""
    if isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key not in ("const", "enum", "default", "examples"):
                yield from _subschemas(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _subschemas(value)


def _compile_patterns(schema: JsonObject) -> dict[str, Any]:
    nodes = list(_subschemas(schema))
    named = [node["pattern"] for node in nodes if isinstance(node.get("pattern"), str)]
    of_keys = [node["patternProperties"] for node in nodes if "patternProperties" in node]
    if of_keys and any("unevaluatedProperties" in node for node in nodes):
        raise ConfigError(
            "'unevaluatedProperties' together with 'patternProperties' cannot be checked in linear time; "
            "'additionalProperties' beside the patterns can"
        )
    try:
        return {pattern: compile_linear(pattern) for pattern in [*named, *(p for ps in of_keys for p in ps)]}
    except ValueError as error:
        raise ConfigError(f"the schema's pattern cannot be used: {error}") from error


def _refuse_foreign_references(schema: JsonObject, draft: Any) -> None:
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    specification = specification_with(draft.ID_OF(draft.META_SCHEMA))
    resolver = Registry().resolver_with_root(specification.create_resource(schema))
    for node in _subschemas(schema):
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            reference = node.get(keyword)
            try:
                if isinstance(reference, str):
                    resolver.lookup(reference)
            except Unresolvable as error:
                raise ConfigError(
                    f"the schema's {keyword} '{reference}' names nothing inside it, and nothing is fetched: "
                    "put it under $defs"
                ) from error


def _unique_items(validator: _Validator, unique: bool, instance: Json, schema: Json) -> Errors:
    if unique and validator.is_type(instance, "array"):
        seen = {_key(element) for element in instance}
        if len(seen) < len(instance):
            yield _mismatch("an element stands there twice")


def _key(value: Json) -> Hashable:
    """Equal keys for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, dict):
        return frozenset((name, _key(below)) for name, below in value.items())
    if isinstance(value, list):
        return tuple(_key(below) for below in value)
    return (bool, value) if isinstance(value, bool) else value


def _mismatch(message: str) -> ValidationError:
    from jsonschema.exceptions import ValidationError

    return ValidationError(message)
