"""Text and bytes that tests evaluate: their own as they are, and the program's where these only make values.

`eval(repr(point)) == point` is asked of many classes. What is evaluated in the tests' process could write the verdict,
so a text that the tests do not hold word for word may name the program's classes and functions, and what only computes,
and nothing else; and pickled bytes may name such classes only.
"""

from __future__ import annotations

import ast
import builtins
import collections
import sys
import types
from typing import Any, Literal

from rlvr_sandbox.image.sides.remote import READS_WHAT_IT_NAMES, UNSEEN
from rlvr_sandbox.image.stand_ins import building, proxies
from rlvr_sandbox.image.stand_ins.harmless import is_safe

_SIGNS = ("eval", "exec", "compile")
_PLAIN_NODES = (
    *(
        ast.Expression,
        ast.Module,
        ast.Expr,
        ast.Assert,
        ast.Pass,
        ast.expr_context,
        ast.operator,
        ast.unaryop,
    ),
    *(ast.boolop, ast.cmpop, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.BinOp),
    *(ast.BoolOp, ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Starred, ast.keyword),
)
_PICKLED = frozenset(
    {
        *(("copyreg", "_reconstructor"), ("copyreg", "__newobj__"), ("numpy", "dtype"), ("numpy", "ndarray")),
        *(
            (f"numpy.{core}.multiarray", name)
            for core in ("core", "_core")
            for name in ("_reconstruct", "scalar")
        ),
        *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    }
)
"""The names in pickles of plain values besides their classes."""


def take_care(names: dict[str, object], sources: list[str]) -> None:
    """Have the tests evaluate with care; `names` are the builtins that they see."""
    source = "\n".join(sources)
    if any(sign in source for sign in _SIGNS):
        reader = _Reader(sources)
        names.update(eval=reader.eval, exec=reader.exec, compile=reader.compile)
    if "pickle" in source or "shelve" in source:
        sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "pickle.find_class":
        return
    module, name = arguments
    mine = module in ("tests", "__main__")
    if not (mine or (module, name) in _PICKLED or (name != "type" and is_safe(module, name))):
        raise TypeError(f"bytes that the tests do not unpickle: they name {module}.{name}"[:200])


class _Reader:
    """`eval`, `exec` and `compile`, as the tests have them."""

    def __init__(self, sources: list[str]) -> None:
        self._texts: set[object] = set()
        for source in sources:
            try:
                nodes = ast.walk(ast.parse(source))
            except (SyntaxError, ValueError):
                continue
            self._texts |= {node.value for node in nodes if isinstance(node, ast.Constant)}
        self._compiled: list[types.CodeType] = []

    def eval(self, source: object, /, globals: object = None, locals: object = None) -> object:
        scope = _scope(globals, locals)
        return builtins.eval(self._checked(source, "eval", scope), *scope)

    def exec(self, source: object, /, globals: object = None, locals: object = None) -> None:
        scope = _scope(globals, locals)
        builtins.exec(self._checked(source, "exec", scope), *scope)

    def compile(
        self,
        source: Any,
        filename: Any = "text",
        mode: str = "exec",
        flags: int = 0,
        *more: Any,
        **options: object,
    ) -> Any:
        if not self._is_own(source):
            raise TypeError("text that the tests do not compile: it is not their own")
        options = {"dont_inherit": True, **options} if not more else options
        self._compiled.append(builtins.compile(source, filename, mode, flags, *more, **options))
        return self._compiled[-1]

    def _is_own(self, source: object) -> bool:
        if isinstance(source, types.CodeType):
            return any(each is source for each in self._compiled)
        return type(source) in (str, bytes) and source in self._texts

    def _checked(self, source: Any, mode: Literal["eval", "exec"], scope: tuple[Any, Any]) -> Any:
        if self._is_own(source):
            code = isinstance(source, types.CodeType)
            return source if code else builtins.compile(source, "text", mode, dont_inherit=True)
        if type(source) is not str:
            raise TypeError("what is no text of the tests' is not evaluated")
        tree: Any = ast.parse(source.strip(), mode=mode)
        _must_only_make_values(tree, collections.ChainMap(*scope), sys._getframe(2).f_globals)
        return builtins.compile(tree, "text", mode, dont_inherit=True)


def _scope(its_globals: object, its_locals: object) -> tuple[Any, Any]:
    """The names that are in force where `eval` was called, in the order that it takes them in."""
    if its_globals is None:
        frame = sys._getframe(2)
        return frame.f_globals, frame.f_locals if its_locals is None else its_locals
    return its_globals, its_globals if its_locals is None else its_locals


def _must_only_make_values(tree: ast.AST, scope: object, tests: dict[str, object]) -> None:
    """Raises TypeError for text that does anything else; what `tests` hold under a name is theirs alone."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    looked_into = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and _begins_with_a_name(node):
            found = _named(node, scope)
            mine = isinstance(node, ast.Attribute) or tests.get(node.id, _NOTHING) is not found
            plain = mine and id(node) not in called and _is_plain(found)
            module = isinstance(found, types.ModuleType) and id(node) in looked_into
            allowed = plain or module or _is_harmless(found)
        elif isinstance(node, ast.Attribute):
            allowed = not node.attr.startswith(("_", *UNSEEN)) and node.attr not in READS_WHAT_IT_NAMES
        elif isinstance(node, ast.Call):
            allowed = isinstance(node.func, ast.Name | ast.Attribute)
        else:
            allowed = isinstance(node, _PLAIN_NODES)
        if not allowed:
            raise TypeError(f"text that the tests do not evaluate: {type(node).__name__} {_shown(node)}")


def _begins_with_a_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _shown(node: ast.AST) -> str:
    return ast.unparse(node)[:100] if isinstance(node, ast.expr) else ""


_NOTHING = object()


def _named(node: ast.AST, scope: Any) -> Any:
    """Return the object that a name stands for, or a name in a module or in what is the program's."""
    if isinstance(node, ast.Name):
        builtin = getattr(builtins, node.id, _NOTHING)
        return _NOTHING if node.id.startswith("_") else scope.get(node.id, builtin)
    if not isinstance(node, ast.Attribute) or node.attr.startswith("_"):
        return _NOTHING
    owner = _named(node.value, scope)
    if isinstance(owner, types.ModuleType) or _is_the_programs(owner):
        return getattr(owner, node.attr, _NOTHING)
    return _NOTHING


def _is_the_programs(value: object) -> bool:
    return proxies.is_program_owned(value) or building.EnumMeta in (type(value), type(type(value)))


def _is_harmless(value: object) -> bool:
    """An object of the program's, or what only computes."""
    if _is_the_programs(value):
        return True
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if value is type or type(module) is not str or type(name) is not str:
        return False
    return is_safe(module, name) and getattr(sys.modules.get(module), name, None) is value


def _is_plain(value: object) -> bool:
    return value is None or type(value) in (bool, int, float, complex, str, bytes, list, tuple, dict, set)
