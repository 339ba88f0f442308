"""The parts that all exports share: tasks, judge and folder."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import ClassVar, Self

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.export.manifest import FILE, Manifest, exported
from rlvr_gym.export.served import Row, Served, is_multi_turn, rows_of
from rlvr_gym.files import new_folder, write_atomically
from rlvr_gym.tasks import Task


class Export(ABC):
    """An environment in the form of another system."""

    target: ClassVar[str]
    files: ClassVar[Mapping[str, str]]
    """The files that `write` makes, each with the template it is made from."""
    evaluates: ClassVar[bool] = False
    """True where the other system measures models and trains none, so that it is given held-out tasks."""

    def __init__(self, env: Environment, manifest: Manifest, tasks: Sequence[Row]) -> None:
        self.env, self.manifest, self.tasks = env, manifest, tuple(tasks)
        self.served = Served(env)
        if fault := self.refusal():
            raise ConfigError(fault)

    @classmethod
    def of(cls, env: Environment, *, rows: int | None = None) -> Self:
        """Export an environment that was made by its name, with its first `rows` tasks; None is all of them."""
        return cls(*exported(env, rows))

    @classmethod
    def load(cls, path: Path) -> Self:
        """The export whose manifest stands at `path`, its environment built again."""
        manifest = Manifest.read(path)
        env = manifest.make()
        return cls(env, manifest, rows_of(env, manifest.rows))

    def refusal(self) -> str | None:
        """The reason why the other system has no form for this environment; None where it has one."""
        return None

    @property
    def name(self) -> str:
        """The environment's short name."""
        return self.manifest.name

    @cached_property
    def multi_turn(self) -> bool:
        """True if an episode may have more turns than one."""
        return is_multi_turn(self.env)

    def write(self, folder: Path | str) -> Path:
        """Write what the other system runs into a new folder. Raises ConfigError for one that is there already."""
        folder = Path(folder).expanduser()
        if folder.exists():
            raise ConfigError(f"{folder} is there already: give another folder")
        with new_folder(folder.parent):
            try:
                folder.mkdir()
                self._write(folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return folder

    def gold(self, task: Task) -> str:
        """The right answer as the other system keeps it beside a prompt; empty where it may not be shown."""
        card = self.env.card
        if card is not None and card.answers_withheld:
            return ""
        if isinstance(task.reference, str | int | float) and not isinstance(task.reference, bool):
            return str(task.reference)
        return self.env.expected(task) or ""

    @property
    def words(self) -> Mapping[str, str]:
        """The words that the templates of this export know."""
        module = f"rlvr_{self.name.replace('-', '_')}"
        return {
            "name": self.name,
            "id": self.manifest.id,
            "module": module,
            "package": module.replace("_", "-"),
            "class_name": "".join(word.capitalize() for word in module.split("_")),
            "turns": str(self.env.max_turns),
            "rows": str(len(self.tasks)),
            "version": version("rlvr-gym"),
        }

    @property
    def manifest_place(self) -> str:
        """The manifest's place in the folder."""
        return FILE

    @abstractmethod
    def next_step(self, folder: Path) -> str:
        """A line on what to do with the folder."""

    def _write(self, folder: Path) -> None:
        for target, source in self.files.items():
            path = folder / Template(target).substitute(self.words)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, self._text(source))
        place = folder / Template(self.manifest_place).substitute(self.words)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, self.manifest.text())

    def _text(self, source: str) -> str:
        """A template with its words, or a module of ours as it stands."""
        if source.endswith(".py"):
            return (resources.files("rlvr_gym.export.targets") / source).read_text(encoding="utf-8")
        template = (resources.files("rlvr_gym.export") / "templates" / source).read_text(encoding="utf-8")
        return Template(template).substitute(self.words)
