"""verifiers: an installable taskset, and the `Env` that plays its episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from rlvr_gym.export.targets.base import Export


@final
class VerifiersExport(Export):
    """An environment as a taskset of verifiers (v1).

    A completion that could not be judged is a `TaskError` of its trace, whose reward stays None.
    """

    target = "verifiers"
    files = {  # noqa: RUF012 - as declared
        "pyproject.toml": "verifiers_pyproject.template",
        "$module/__init__.py": "verifiers_init.template",
    }

    @property
    def manifest_place(self) -> str:
        """The manifest's place in the folder: within the module."""
        return f"$module/{super().manifest_place}"

    def taskset(self) -> Any:
        """The `verifiers.v1.Taskset`."""
        from rlvr_gym.export.targets.verifiers_taskset import EpisodeTaskset, ExportedConfig

        return EpisodeTaskset(ExportedConfig(id=self.words["package"]), self)

    def next_step(self, folder: Path) -> str:
        """A line on how to evaluate."""
        return f"pip install {folder} && vf-eval {self.words['package']} --model MODEL -n 20"


EXPORT = VerifiersExport
