"""Nothing grows beyond what a reader takes in at once: functions, files, folders."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = [
    path
    for folder in ("rlvr_gym", "envs", "sandbox", "trainers", "benchmarks", "experiments", "docs")
    for path in sorted((ROOT / folder).rglob("*.py"))
]
DATA = ROOT / "sandbox/rlvr_sandbox/conformance"
"""Programs that attack a sandbox or that it must not refuse, as texts."""
FUNCTION_LINES, FILE_LINES, FOLDER_MODULES, ARGUMENTS = 50, 350, 15, 6
MANY_ARGUMENTS = {
    "trainers/rlvr_trainers/learner/logprobs.py: forward",
    "sandbox/rlvr_sandbox/image/supervisor/execution.py: __init__",
}
"""Those that need more: torch calls the one with tensors side by side, the other is handed a process's parts."""


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the lines of a function, its docstring left out."""
    first = function.body[0]
    said = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if said else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def long_functions(path: Path) -> list[str]:
    """Name the functions of a file that are over the limit."""
    return [function.name for function in functions_of(path) if lines_of(function) > FUNCTION_LINES]


def test_no_function_is_long() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {name}" for path in FILES for name in long_functions(path)
    }
    assert found == set()


def needed(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count the arguments that a call cannot leave out, `self` and `cls` aside."""
    arguments = function.args
    positional = [a for a in (*arguments.posonlyargs, *arguments.args) if a.arg not in ("self", "cls")]
    return len(positional) - len(arguments.defaults) + sum(one is None for one in arguments.kw_defaults)


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Find all functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_function_needs_many_arguments() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {function.name}"
        for path in FILES
        for function in functions_of(path)
        if needed(function) > ARGUMENTS
    }
    assert found == MANY_ARGUMENTS


def test_no_file_is_long() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in FILES
        if DATA not in path.parents and (lines := path.read_text(encoding="utf-8").count("\n")) > FILE_LINES
    }
    assert found == {}


def test_no_folder_is_full() -> None:
    modules = Counter(path.parent for path in FILES)
    assert len(modules) > 40
    assert {str(folder): count for folder, count in modules.items() if count > FOLDER_MODULES} == {}


@pytest.mark.parametrize(("lines", "found"), [(FUNCTION_LINES - 1, []), (FUNCTION_LINES, ["f"])])
def test_a_docstring_makes_no_function_long(tmp_path: Path, lines: int, found: list[str]) -> None:
    path = tmp_path / "module.py"
    docstring = '    """Say it.\n\n' + "    More.\n" * 20 + '    """\n'
    path.write_text("def f() -> None:\n" + docstring + "    print()\n" * lines)
    assert long_functions(path) == found
