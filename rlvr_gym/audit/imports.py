"""The code of a package that one of its modules uses: the module's own, and what it imports there, step by step.

Importing a module also runs the `__init__` of every package around it. Of such a file counts what it does itself; what
it imports only to offer it to others (a package that lists its environments) is no part of any one of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

_BY_NAME = (b"import_module", b"__import__", b"exec(", b"make(")
"""Marks of code that is found by its name, not by an import: `make` builds whichever environment an option names."""


@dataclass(frozen=True)
class Package:
    """A package by its dotted name and folder."""

    name: str
    folder: Path

    def file(self, module: str) -> Path | None:
        """The file of one of its modules, None where it has no such module."""
        if module != self.name and not module.startswith(self.name + "."):
            return None
        path = self.folder.joinpath(*module.removeprefix(self.name).split(".")[1:])
        possible = (
            [path / "__init__.py"] if module == self.name else [path / "__init__.py", Path(f"{path}.py")]
        )
        return next((file for file in possible if file.is_file()), None)

    def around(self, module: str) -> list[str]:
        """The packages whose `__init__` runs before the module does, from this one inwards."""
        outer = list(accumulate(module.split("."), "{}.{}".format))[:-1]
        return [name for name in outer if self.file(name)]


def code_used(module: str, package: Package) -> dict[str, bytes]:
    """The code that `module` uses within `package`, by module; all of the package where code is found by name."""
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = package.file(name)
        if file is None or name in found:
            continue
        found[name] = file.read_bytes()
        if any(mark in found[name] for mark in _BY_NAME):
            return _everything(package)
        waiting += _imported(_parsed(found[name]).body, name, package)
        for outer in package.around(name):
            if f"around {outer}" not in found:
                found[f"around {outer}"], imported = _own_doing(outer, package)
                waiting += imported
    return found


def _everything(package: Package) -> dict[str, bytes]:
    files = sorted(package.folder.rglob("*.py"))
    return {file.relative_to(package.folder).as_posix(): file.read_bytes() for file in files}


def _own_doing(name: str, package: Package) -> tuple[bytes, list[str]]:
    """Show the doing of a package's `__init__` besides offering names, and list the modules used for it."""
    file = package.file(name)
    assert file is not None
    body = _parsed(file.read_bytes()).body
    doing = [node for node in body if not _offers(node)]
    used = {node.id for part in doing for node in ast.walk(part) if isinstance(node, ast.Name)}
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    with_these = [node for node in imports if used & _bound(node) or "*" in _bound(node)]
    shown = "\n".join(map(ast.unparse, doing)).encode()
    return shown, list(_imported([*doing, *with_these], name, package))


def _offers(node: ast.stmt) -> bool:
    """True for a docstring, an import and `__all__`, which by themselves change nothing for the modules inside."""
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Import | ast.ImportFrom)


def _bound(node: ast.Import | ast.ImportFrom) -> set[str]:
    return {alias.asname or alias.name.partition(".")[0] for alias in node.names}


def _imported(body: list[ast.stmt], module: str, package: Package) -> Iterator[str]:
    """The package's modules that statements of `module` import, at whatever depth of the code they do."""
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                steps = list(accumulate(alias.name.split("."), "{}.{}".format))
                # Without `as`, the outermost package is bound, and all that it offers can be used.
                yield from steps[-1:] if alias.asname else steps
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module, package)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if package.file(inner) else source


def _source(node: ast.ImportFrom, module: str, package: Package) -> str:
    """The dotted name of what a `from` import imports from."""
    if not node.level:
        return node.module or ""
    file = package.file(module)
    is_package = file is not None and file.name == "__init__.py"
    parts = module.split(".")
    outer = parts[: len(parts) - node.level + is_package]
    return ".".join([*outer, *([node.module] if node.module else [])])


@cache
def _parsed(content: bytes) -> ast.Module:
    return ast.parse(content)
