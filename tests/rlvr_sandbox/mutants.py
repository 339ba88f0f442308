"""Wrong variants of right programs, and what plain CPython says of a program and its tests in one process."""

from __future__ import annotations

import ast
import copy
import os
import random
import resource
import signal
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial

_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.In: ast.NotIn,
    ast.Is: ast.IsNot,
}
_COPIES = {"list", "sorted", "copy", "deepcopy", "set", "dict", "tuple", "reversed"}
Change = Callable[[], None]


def mutants(source: str, count: int, seed: str) -> Iterator[tuple[str, str]]:
    """Up to `count` mutants of a program, each with what was changed; drawn by `seed`, no two alike."""
    draw = random.Random(seed)
    places = len(_changes(ast.parse(source)))
    for place in draw.sample(range(places), min(count, places)):
        tree = ast.parse(source)
        says, change = _changes(tree)[place]
        change()
        yield says, ast.unparse(ast.fix_missing_locations(tree))


def _changes(tree: ast.Module) -> list[tuple[str, Change]]:
    """Every change that can be made to a program, each with its name."""
    found: list[tuple[str, Change]] = []
    for node in ast.walk(tree):
        found += _of_operators(node) + _of_values(node) + _of_functions(node)
    return found


def _of_operators(node: ast.AST) -> list[tuple[str, Change]]:
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in _SWAPS:
            return [("operator", lambda: setattr(node, "op", _SWAPS[type(op)]()))]
        case ast.Compare(ops=[op, *rest]) if type(op) in _SWAPS:
            return [("comparison", lambda: setattr(node, "ops", [_SWAPS[type(op)](), *rest]))]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            negated = ast.UnaryOp(op=ast.Not(), operand=test)
            return [("negated condition", lambda: setattr(node, "test", negated))]
        case _:
            return []


def _of_values(node: ast.AST) -> list[tuple[str, Change]]:
    match node:
        case ast.Constant(value=bool(value)):
            return [("constant", lambda: setattr(node, "value", not value))]
        case ast.Constant(value=constant) if isinstance(constant, int | float):
            near = [
                (by, float(constant) + by if isinstance(constant, float) else int(constant) + by)
                for by in (1, -1)
            ]
            return [(f"constant {by:+d}", partial(setattr, node, "value", value)) for by, value in near]
        case ast.Return(value=ast.expr() as value):
            return [
                ("return dropped", lambda: setattr(node, "value", ast.Constant(value=None))),
                (
                    "return in a list",
                    lambda: setattr(node, "value", ast.List(elts=[value], ctx=ast.Load())),
                ),
            ]
        case ast.Call(func=ast.Name(id=name), args=[only], keywords=[]) if name in _COPIES:
            return [("copy removed", lambda: node.__dict__.update(func=_itself(), args=[only]))]
        case _:
            return []


def _itself() -> ast.expr:
    """A function that returns its argument."""
    given = ast.arguments(posonlyargs=[], args=[ast.arg(arg="_")], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(args=given, body=ast.Name(id="_", ctx=ast.Load()))


def _of_functions(node: ast.AST) -> list[tuple[str, Change]]:
    if not isinstance(node, ast.FunctionDef) or not node.args.args:
        return []
    name = node.args.args[0].arg
    found = []
    for says, line in (
        (
            "argument sorted",
            f"if isinstance({name}, list) and not any(hasattr(x, '__dict__') for x in {name}): {name}.sort(key=str)",
        ),
        ("argument emptied after", f"if isinstance({name}, list) and {name}: {name}.pop()"),
        ("argument returned", f"if isinstance({name}, (list, dict, set)): return {name}"),
    ):
        statement = ast.parse(line).body[0]
        found.append((says, lambda statement=statement: node.body.insert(0, copy.deepcopy(statement))))
    return found


def plain_verdict(
    source: str, setup: str, tests: tuple[str, ...], names: tuple[str, ...], cpu_seconds: int
) -> bool:
    """All tests pass in one plain process, in which the program is a module and the tests use its names."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
            resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
            sys.setrecursionlimit(1000 + _frames())  # what a fresh interpreter leaves a program
            signal.alarm(4 * cpu_seconds)
            quiet = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(quiet, number)
            _run(source, setup, tests, names)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _frames() -> int:
    """Depth of the stack here."""
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


def _run(source: str, setup: str, tests: tuple[str, ...], names: tuple[str, ...]) -> None:
    random.seed(0)
    program = types.ModuleType("solution")
    exec(compile(source, "solution.py", "exec", dont_inherit=True), program.__dict__)
    found = {name: program.__dict__[name] for name in names}
    namespace = {"__name__": "tests", **found}
    exec(compile(setup, "setup", "exec", dont_inherit=True), namespace)
    namespace.update(found)
    for test in tests:
        exec(compile(test, "test", "exec", dont_inherit=True), namespace)
