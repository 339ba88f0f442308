"""Classes that stand for the other side's, made from what that side tells of them (`shapes.describe`)."""

from __future__ import annotations

import collections.abc
import dataclasses
import sys
from typing import Any

from rlvr_sandbox.image.messages import Coded, Tagged
from rlvr_sandbox.image.stand_ins import proxies, shapes
from rlvr_sandbox.image.stand_ins.shapes import Shape


def build(shape: Shape, bases: list[type], decode: Coded) -> type:
    """A class that stands for the one of that shape; `bases` stand for those that it derives from."""
    name = str(shape["name"])[:200]
    base = shapes.PLAIN.get(shape["base"]) if isinstance(shape["base"], str) else None
    body = _body(shape, base)
    if "exception" in shape:
        from rlvr_sandbox.image.talk.exceptions import exception_class

        return exception_class(name, shape, bases, body)
    if isinstance(shape.get("enum"), list):
        return shapes.enumeration(name, shape["enum"], decode, _enum_body(shape), EnumMeta)
    marker = proxies.PlainProxy if base else proxies.Proxy
    tail = (marker, base) if base else (marker,)
    head = [each for each in bases if issubclass(each, marker)]
    meta = _meta(shape, head)
    try:
        made = meta(name, (*head, *(each for each in tail if not _is_in(each, head))), body)
    except TypeError:  # no order of classes, or no layout, that serves all
        made = meta(name, tail, body)
    for each in shape["abcs"]:
        if each in shapes._ABCS:
            getattr(collections.abc, each).register(made)
    return made


def _is_in(cls: type, heads: list[type]) -> bool:
    return any(issubclass(each, cls) for each in heads)


def _body(shape: Shape, base: type | None) -> dict[str, object]:
    body: dict[str, object] = {"__module__": str(shape["module"]), "__qualname__": str(shape["qualname"])}
    if base is None:
        body["__slots__"] = ()
    for name in shape["specials"]:
        if name in shapes.SPECIALS:
            body[name] = proxies._special(name, base)
    for name in shape["missing"]:
        if name in shapes.SPECIALS:
            body[name] = None
    if "__eq__" in body and "__hash__" not in body and base is None:
        body["__hash__"] = proxies._hash
    if base and "__eq__" in body and body.get("__hash__", 0) is not None:
        body["__hash__"] = base.__hash__
    for name in shape["methods"]:
        if (
            str(name).isidentifier()
            and name not in proxies._KEPT
            and not (name.startswith("__") and name.endswith("__"))
        ):
            body[name] = proxies.method(name)
    if shape["module"] == "builtins" and shape["name"] == "function":
        body |= {name: _of_each(name) for name in ("__doc__", "__module__")}
    else:
        body["__doc__"] = shape.get("doc") if isinstance(shape.get("doc"), str) else None
    if shape["module"] == "builtins" and shape["name"] == "coroutine":
        body |= proxies._COROUTINE
    if isinstance(shape.get("named"), list):
        body["_fields"] = tuple(map(str, shape["named"]))
    if isinstance(shape.get("fields"), list):
        body["__dataclass_fields__"] = _fields(shape["fields"])
    known = _known_class(shape)
    if known is not None:
        body["__class__"] = property(lambda self: known)
    return body


def _of_each(name: str) -> object:
    """An attribute that each function has for itself, where classes have one of that name too."""
    return property(lambda self: proxies._side.ask("get", self, name))


def _meta(shape: Shape, heads: list[type]) -> Any:
    """Its class: the one for all, that of a class it derives from, or one with special methods of its own."""
    names = [name for name in shape["meta"] if name in shapes.META_SPECIALS]
    metas = dict.fromkeys(type(each) for each in heads) or {proxies.Meta: None}
    known = {name for meta in metas for each in type.mro(meta)[:-2] for name in vars(each)}
    if len(metas) == 1 and known.issuperset(names):
        return next(iter(metas))
    return type("Meta", tuple(metas), {name: proxies._special(name, None) for name in names})


def _fields(described: Tagged) -> dict[str, object]:
    """The fields of a dataclass, as the `dataclasses` module looks for them."""
    made: dict[str, object] = {}
    for name, init, in_repr, compare, kw_only in described:
        one: Any = dataclasses.field(init=bool(init), repr=bool(in_repr), compare=bool(compare))
        one.name, one.type, one.kw_only = str(name), object, bool(kw_only)
        one._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
        made[str(name)] = one
    return made


def _known_class(shape: Shape) -> type | None:
    """The class of a library that both sides have; None for Python's own plain types, which nobody may claim."""
    import types

    module, name = shape["module"], shape["name"]
    if module == "builtins":
        found = next((each for each in vars(types).values() if _is_named(each, name)), None)
    else:
        known = module in sys.stdlib_module_names and module in sys.modules
        found = getattr(sys.modules[module], name, None) if known else None
    if (
        not isinstance(found, type)
        or found in shapes.PLAIN.values()
        or issubclass(found, BaseException | type)
    ):
        return None
    return found


def _is_named(value: object, name: object) -> bool:
    return isinstance(value, type) and value.__module__ == "builtins" and value.__name__ == name


def _enum_body(shape: Shape) -> dict[str, object]:
    body = {
        name: proxies._special(name, None)
        for name in shape["specials"]
        if name in shapes.SPECIALS and name not in ("__eq__", "__hash__", "__or__", "__and__", "__xor__")
    }
    body = {} if shape["enum"][0] in ("Flag", "IntFlag") else body
    methods = {str(name): proxies.method(name) for name in shape["methods"] if not name.startswith("_")}
    return {**body, **methods, "__getattr__": _enum_attribute}


def _enum_attribute(self: object, name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return proxies._side.ask("get", self, name)


class EnumMeta(shapes.enum.EnumMeta):
    """The class of enumerations that stand for another: members are here, the rest is asked for."""

    def __getattr__(cls, name: str) -> Any:  # noqa: N805 - its instances are classes
        if name.startswith("_"):
            raise AttributeError(name)
        return proxies._side.ask("get", cls, name)
