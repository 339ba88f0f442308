"""Classes and functions of Python's that only compute: the program may name them to the tests."""

from __future__ import annotations

import sys
import types

_SAFE_CLASSES_OF = {
    "collections": ("collections",),
    "itertools": ("itertools",),
    "datetime": ("datetime",),
    "decimal": ("decimal",),
    "fractions": ("fractions",),
    "re": ("re",),
}
"""Modules whose own classes are safe, and what those say their module is."""
_SAFE_FUNCTIONS_OF = frozenset({"math", "cmath", "_operator", "itertools"})
_UNSAFE_FUNCTIONS = frozenset({"attrgetter", "methodcaller", "call"})
_SAFE_FUNCTIONS = frozenset(
    "abs all any ascii bin callable chr divmod format hash hex id isinstance issubclass iter len max min next oct "  # noqa: SIM905
    "ord pow repr reversed round sorted sum".split()
)
OF_ONE_VALUE = frozenset({"NoneType", "EllipsisType", "NotImplementedType"})
"""Classes of Python's own that have no name but in `types`."""
_UNSAFE_CLASSES = frozenset({"super", "classmethod", "staticmethod", "property", "memoryview"})


def is_safe(module: str, name: str) -> bool:
    """A class or function that does nothing but compute: the program may hand the tests' own to the tests."""
    found = getattr(sys.modules.get(module), name, None)
    if name.startswith("_") or name in _UNSAFE_FUNCTIONS or isinstance(found, types.ModuleType):
        return False
    if module in _SAFE_CLASSES_OF and isinstance(found, type):
        return found.__module__ in _SAFE_CLASSES_OF[module]
    if module in _SAFE_FUNCTIONS_OF:
        return type(found) is types.BuiltinFunctionType and found.__module__ == module
    if module == "types":
        return name in OF_ONE_VALUE
    if module == "builtins":
        return name in _SAFE_FUNCTIONS or (isinstance(found, type) and name not in _UNSAFE_CLASSES)
    if module == "numpy":
        return isinstance(found, type) and issubclass(found, sys.modules[module].generic)
    return False
