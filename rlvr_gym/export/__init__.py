"""Environments in the form of other systems: TRL, verl, verifiers, OpenEnv, Inspect.

`trl(env)` and its siblings make an export, which the other system uses from Python, and whose `write(folder)` makes
the files that it runs. What is exported names the environment by its spec, and needs this library where it runs:
completions are judged by the environment's own verifier, in its time. Nothing of the other system is imported before it
is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvr_gym.environments.base import Environment
    from rlvr_gym.export.targets.base import Export
    from rlvr_gym.export.targets.inspect import InspectExport
    from rlvr_gym.export.targets.openenv import OpenEnvExport
    from rlvr_gym.export.targets.trl import TrlExport
    from rlvr_gym.export.targets.verifiers import VerifiersExport
    from rlvr_gym.export.targets.verl import VerlExport

__all__ = ["TARGETS", "export_class", "inspect", "inspect_ai", "load", "openenv", "trl", "verifiers", "verl"]

TARGETS = ("inspect", "openenv", "trl", "verifiers", "verl")


def trl(env: Environment, *, rows: int | None = None) -> TrlExport:
    """The environment for TRL, with its first `rows` tasks; None is all of them."""
    from rlvr_gym.export.targets.trl import TrlExport

    return TrlExport.of(env, rows=rows)


def verl(env: Environment, *, rows: int | None = None) -> VerlExport:
    """The environment for verl, with its first `rows` tasks; None is all of them."""
    from rlvr_gym.export.targets.verl import VerlExport

    return VerlExport.of(env, rows=rows)


def verifiers(env: Environment, *, rows: int | None = None) -> VerifiersExport:
    """The environment for verifiers, with its first `rows` tasks; None is all of them."""
    from rlvr_gym.export.targets.verifiers import VerifiersExport

    return VerifiersExport.of(env, rows=rows)


def openenv(env: Environment, *, rows: int | None = None) -> OpenEnvExport:
    """The environment for OpenEnv, with its first `rows` tasks; None is all of them."""
    from rlvr_gym.export.targets.openenv import OpenEnvExport

    return OpenEnvExport.of(env, rows=rows)


def inspect(env: Environment, *, rows: int | None = None) -> InspectExport:
    """The environment for Inspect, with its first `rows` tasks; None is all of them."""
    from rlvr_gym.export.targets.inspect import InspectExport

    return InspectExport.of(env, rows=rows)


inspect_ai = inspect
"""The same by its package's name."""


def export_class(target: str) -> type[Export]:
    """The kind of export that a target has. Raises ConfigError for an unknown one."""
    import difflib
    import importlib

    from rlvr_gym.errors import ConfigError

    named = target.lower().removesuffix("-ai").removesuffix("_ai")  # as its package is called: inspect-ai
    if named not in TARGETS:
        close = difflib.get_close_matches(named, TARGETS, n=1)
        meant = f"; did you mean '{close[0]}'?" if close else ";"
        raise ConfigError(f"nothing is exported to '{target}'{meant} possible: {', '.join(TARGETS)}")
    module = importlib.import_module(f"rlvr_gym.export.targets.{named}")
    return module.EXPORT


def load(target: str, path: Path | str) -> Export:
    """The export whose manifest stands at `path`, its environment built again."""
    return export_class(target).load(Path(path))
