"""`rlvr new`: a third-party environment package that works, to start from."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from rlvr_gym import registry
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.outputs import refuse_unwritable
from rlvr_gym.errors import ConfigError
from rlvr_gym.files import new_folder, write_atomically

FILES = {
    "pyproject.toml": "pyproject.toml.template",
    "README.md": "README.md.template",
    "{module}.py": "module.py.template",
    "tests/test_{module}.py": "test_module.py.template",
}
"""The files of a package, each with the template it is made from."""


MANUAL = Manual(
    examples=(("rlvr new my-env", "A package in ./my-env, with three tasks and a test that passes"),),
    page="environments",
    topics=("environments",),
)


@documented(MANUAL)
def new(
    name: Annotated[str, typer.Argument(help="The package's name, such as my-env.")],
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the package's folder is made.", show_default=False)
    ] = Path(),
) -> None:
    """Write an environment package: the module with three tasks, its registration, a test that passes."""
    module = module_name(name)
    folder = directory / name
    if folder.exists():
        raise ConfigError(f"{folder} is there already: choose another name, or --dir")
    refuse_unwritable(folder, "the package cannot go to", remedy="give --dir a folder")
    with new_folder(directory):
        try:
            _write(folder, name, module)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    typer.echo(
        f"{folder} is written. Next: cd {folder} && pip install -e '.[dev]' && pytest && rlvr play {name}"
    )


def _write(folder: Path, name: str, module: str) -> None:
    values = {"name": name, "module": module, "version": version("rlvr-gym")}
    templates = resources.files("rlvr_gym.cli.commands") / "templates"
    for target, source in FILES.items():
        path = folder / target.format(module=module)
        path.parent.mkdir(parents=True, exist_ok=True)
        template = Template((templates / source).read_text(encoding="utf-8"))
        write_atomically(path, template.substitute(values))


def module_name(name: str) -> str:
    """The module that a package of this name holds. Raises ConfigError for a name that cannot be one."""
    module = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", module) or keyword.iskeyword(module) or module.endswith("_"):
        raise ConfigError(
            f"'{name}' cannot name a package: lower-case letters, digits and - or _, beginning with a letter, "
            "and no word of Python's own, such as my-env"
        )
    if importlib.util.find_spec(module) is not None:
        raise ConfigError(f"'{name}' cannot name a package: there is a module '{module}' already")
    taken = {registry.short_name(id) for id in registry.list_environments()}
    if name in taken:
        raise ConfigError(f"there is an environment '{name}' already; taken: {', '.join(sorted(taken))}")
    return module
