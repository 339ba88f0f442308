"""Badges: audit results kept beside the package that brings an environment, shown while they are still true.

A badge is bound to a fingerprint of the code that was audited and of the code that audited it: the environment's
module with what that imports of its package, and this library's verifiers, sandbox and audit. Where any of it has
changed since, there is no badge: an old one would vouch for a verifier that nobody has attacked.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from pathlib import Path

import gymnasium
from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_gym import registry
from rlvr_gym.audit.imports import Package, code_used
from rlvr_gym.audit.report import AuditReport, Rate
from rlvr_gym.errors import ConfigError
from rlvr_gym.files import write_atomically

FILE = "audits.json"
"""In the folder of the package that brings the environment."""

_OURS = ("rlvr_gym.verifiers", "rlvr_gym.audit", "rlvr_sandbox")
_JUDGING = ("rlvr-gym", "google-re2", "jsonschema", "latex2sympy2-extended", "math-verify", "sympy")
"""Distributions whose version may change a verdict."""


class Badge(BaseModel):
    """The result of an audit of an environment, and the code that it was about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    tasks: int
    attacks: int
    false_positives: Rate | None
    false_negatives: Rate | None

    def __str__(self) -> str:
        wrong, right = self.false_positives, self.false_negatives
        said = [f"{self.attacks:,} attacks on {self.tasks} tasks"]
        said += [f"false positives {wrong}"] if wrong else []
        said += [f"false negatives {right}"] if right else []
        return ", ".join(said)


def badge(id: str) -> Badge | None:
    """The badge of a registered environment; None where it has none, or one of other code than there is now."""
    folder = _folder(id)
    if folder is None:
        return None
    found = _kept(folder / FILE).get(id)
    return found if found and found.fingerprint == fingerprint(id) else None


def record(report: AuditReport) -> Path:
    """Keep a report's badge. Raises ConfigError for an unsound verifier, or where there is no place for it."""
    id = report.environment
    folder = _folder(id)
    if folder is None:
        raise ConfigError(f"there is no folder beside the code of '{id}' to keep a badge in")
    if not report.sound(strict=True):
        raise ConfigError(
            f"'{id}' earns no badge: {', '.join(f'{n} x {f}' for f, n in report.failures.items())}"
        )
    path = folder / FILE
    kept = _kept(path)
    kept[id] = Badge(
        fingerprint=fingerprint(id),
        tasks=report.tasks,
        attacks=report.attacks,
        false_positives=report.false_positives,
        false_negatives=report.false_negatives,
    )
    rows = {id: kept[id].model_dump(mode="json") for id in sorted(kept)}
    write_atomically(path, json.dumps(rows, indent=1) + "\n")
    return path


def fingerprint(id: str) -> str:
    """A hash of the code that the environment uses, of this library's that judges, and of the versions it uses."""
    digest = hashlib.sha256(json.dumps([id, *_versions()]).encode())
    digest.update(_used_hash(_module(id), _package(id)).encode())
    for name in _OURS:
        digest.update(_code_hash(name).encode())
    return digest.hexdigest()[:16]


def _used_hash(module: str, package: str) -> str:
    """A hash of the code that a module uses within its package."""
    origin = _origin(package)
    if origin is None or origin.name != "__init__.py":
        return _code_hash(package)
    digest = hashlib.sha256()
    for name, content in sorted(code_used(module, Package(name=package, folder=origin.parent)).items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@cache
def _code_hash(name: str) -> str:
    """A hash of a module's Python source, of all of it where it is a package."""
    origin = _origin(name)
    if origin is None:
        return ""
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(origin.parent).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@cache
def _versions() -> tuple[str, ...]:
    found: list[str] = []
    for name in _JUDGING:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} -")
    return tuple(found)


def _module(id: str) -> str:
    entry_point = gymnasium.spec(registry.find(id)).entry_point
    return entry_point.partition(":")[0] if isinstance(entry_point, str) else "__main__"


def _package(id: str) -> str:
    """The package that brings an environment: the outermost around its module that has a file, not a namespace."""
    around = list(accumulate(_module(id).split("."), "{}.{}".format))
    return next((name for name in around if _origin(name)), around[0])


def _folder(id: str) -> Path | None:
    origin = _origin(_package(id))
    return origin.parent if origin else None


def _origin(name: str) -> Path | None:
    """The file of a module or of a package's `__init__`, None where it has none."""
    spec = None if name == "__main__" else importlib.util.find_spec(name)
    return Path(spec.origin) if spec and spec.origin else None


def _kept(path: Path) -> dict[str, Badge]:
    """The badges in a file; none where it is missing, or of another shape than this version writes."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {id: Badge.model_validate(row) for id, row in rows.items()}
    except (OSError, ValueError, ValidationError, AttributeError):
        return {}
