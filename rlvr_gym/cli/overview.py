"""The text of `rlvr` and `rlvr --help`. Reads what commands are about from their source, and imports none of them."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

from rlvr_gym.cli.known import commands
from rlvr_gym.cli.topics.names import TOPICS

GROUPS = {
    "Train and measure": ("train", "eval", "compare", "rescore", "report", "view", "plot", "label-steps"),
    "Judge": ("audit", "verify", "overlap", "play"),
    "Set up": ("envs", "new", "export", "sandbox", "serve", "help"),
}
OTHERS = "From other packages"

OPTIONS = {
    "--version": "Show the version and exit.",
    "--install-completion": "Complete commands, recipes and environments in this shell.",
    "--show-completion": "Print the script that does so.",
    "-h, --help": "Show this message and exit.",
}

EXAMPLES = (
    ("rlvr train quickstart", "learn to reverse digits from a verifier: a minute or two on a CPU"),
    ("rlvr eval runs/quickstart-reverse", "measure the model that came of it"),
    ("rlvr report runs/quickstart-reverse", "read what it said, in a browser"),
)


def show() -> None:
    """Print every command with a line on what it does, topics, and where to begin."""
    known = commands()
    print("Usage: rlvr COMMAND [ARGUMENTS] [OPTIONS]\n")
    print("rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe.")
    listed = [name for names in GROUPS.values() for name in names]
    groups = {**GROUPS, OTHERS: tuple(sorted(set(known) - set(listed)))}
    for title, names in groups.items():
        if there := [name for name in names if name in known]:
            print(_bold(f"\n{title}"))
            _print_pairs((name, summary(known[name])) for name in there)
    print(_bold("\nOptions"))
    _print_pairs(OPTIONS.items())
    print(_bold("\nTopics: rlvr help TOPIC"))
    _print_pairs(TOPICS.items())
    print(_bold("\nExamples"))
    _print_pairs(EXAMPLES)


def summary(point: EntryPoint) -> str:
    """The first line of a command's docstring or, of a Typer app, its help; or why there is none."""
    try:
        tree = _source(point.module)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        return f"(cannot be loaded: {type(error).__name__}: {error})"
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == point.attr:
            return " ".join((ast.get_docstring(node) or "").partition("\n\n")[0].split())
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            named = [target.id for target in node.targets if isinstance(target, ast.Name)]
            said = [one.value for one in node.value.keywords if one.arg == "help"]
            if point.attr in named and said and isinstance(said[0], ast.Constant):
                return str(said[0].value)
    return ""


@cache
def _source(module: str) -> ast.Module:
    """A module's source, parsed. Nothing is imported for it, not even the packages around the module."""
    top, *inner = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or (inner and spec.submodule_search_locations is None):
        raise ModuleNotFoundError(f"No module named '{top}'", name=top)
    if not inner:
        return ast.parse(Path(spec.origin or "").read_text(encoding="utf-8"))
    for folder in spec.submodule_search_locations or ():
        for path in (Path(folder, *inner).with_suffix(".py"), Path(folder, *inner, "__init__.py")):
            if path.is_file():
                return ast.parse(path.read_text(encoding="utf-8"))
    raise ModuleNotFoundError(f"No module named '{module}'", name=module)


def _print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    pairs = list(pairs)
    columns = shutil.get_terminal_size().columns
    left = max(len(name) for name, _ in pairs) + 4
    for name, said in pairs:
        lines = textwrap.wrap(said, max(20, columns - left - 1)) or [""]
        print(f"  {name.ljust(left - 2)}{lines[0]}".rstrip())
        for line in lines[1:]:
            print(" " * left + line)


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text
