"""Shared parts of the code environments: how a program is asked for, and which names tests take from it."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Sequence

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Asserts

ANSWER = (
    "A Python program in the last fenced block marked as Python (in a block without a language where there is "
    "none; the whole completion where there is no block at all). A block that is never closed is malformed."
)
"""The answer's format on cards, which comes before how it is judged."""

IMPORTED = """\
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, sys
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
from builtins import *
"""
"""Imports that stand before functions and methods of a site's starter code: the sites import them themselves, and the
published graders do, so starter code names `List` and solutions call `gcd` and `deque` without an import. Python's own
names come last: they keep their meaning."""

FORMAT = "End your answer with the whole program in one block that begins with ```python and ends with ```."
STDIO_FORMAT = f"The program reads from standard input and writes to standard output. {FORMAT}"


def ask(question: str, format: str, *, starter_code: str = "") -> str:
    """The prompt: the question, the code that the program begins with, and where the program goes."""
    starter = f"Begin with this code:\n\n{fenced(starter_code)}\n\n" if starter_code.strip() else ""
    return f"{question.strip()}\n\n{starter}{format}"


def fenced(source: str) -> str:
    """Source as a fenced block."""
    return f"```python\n{source.strip(chr(10))}\n```"


def asserts(tests: Sequence[str], solution: str, *, setup: str = "") -> Asserts:
    """Assertions about a program of which `solution` is an example.

    The names they take from the program are the functions and classes that the solution defines and the tests
    or the setup use. What the solution merely imports, the tests import themselves; Python's own names
    are Python's, unless one of them is the only name that the solution could be called by. Raises DataError
    where a name is nobody's, and for what is no Python.
    """
    used = _names_used("\n".join([setup, *tests]))
    defined, imports = _defined(solution)
    own = [name for name in defined if name in used]
    names = [name for name in own if not hasattr(builtins, name)] or own
    if not names:
        raise rg.DataError("the tests use nothing that the solution defines: they would pass for any program")
    needed = [line for name, line in imports.items() if name in used and name not in names]
    unknown = [name for name in used if not (name in names or name in imports or hasattr(builtins, name))]
    if unknown:
        raise rg.DataError(f"the tests use {', '.join(unknown)}, which neither they nor the solution define")
    return Asserts(
        tests=tuple(tests), names=tuple(names), setup="\n".join([*needed, setup] if setup else needed)
    )


def parsed(source: str) -> ast.Module:
    """Python source of the dataset's own. Raises DataError for anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escape sequences such as '\\.', which datasets are full of
            return ast.parse(source)
    except SyntaxError as error:
        raise rg.DataError(f"no Python: {error.msg}: {(error.text or '').strip()!r}") from error


def _names_used(source: str) -> list[str]:
    """The names that `source` reads and does not define, in order of appearance."""
    nodes = list(ast.walk(parsed(source)))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    bound = {name.id for name in names if not isinstance(name.ctx, ast.Load)}
    defined, imports = _defined(source)
    bound.update(defined, imports)
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return list(dict.fromkeys(name.id for name in names if name.id not in bound | arguments))


def _defined(source: str) -> tuple[list[str], dict[str, str]]:
    """Names a program defines at its top: functions and classes, and names that it imports, each with its import."""
    names: list[str] = []
    imports: dict[str, str] = {}
    for statement in parsed(source).body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.append(statement.name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                names.append(name)
            case ast.Import() | ast.ImportFrom():
                for alias in statement.names:
                    imports[(alias.asname or alias.name).split(".")[0]] = ast.unparse(statement)
            case _:
                pass
    return names, imports
