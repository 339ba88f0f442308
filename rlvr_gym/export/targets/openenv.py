"""OpenEnv: a server with its Dockerfile, and the client."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from rlvr_gym.export.targets.base import Export

_FILES = "openenv_files"


@final
class OpenEnvExport(Export):
    """An environment as a server of OpenEnv.

    An episode that could not be judged ends with the reward None and the outcome `unscored`.
    """

    target = "openenv"
    files = {  # noqa: RUF012 - as declared
        "README.md": "openenv_readme.template",
        "openenv.yaml": "openenv_yaml.template",
        "pyproject.toml": "openenv_pyproject.template",
        "__init__.py": "openenv_init.template",
        "models.py": f"{_FILES}/models.py",
        "client.py": f"{_FILES}/client.py",
        "server/__init__.py": "openenv_server_init.template",
        "server/app.py": "openenv_app.template",
        "server/Dockerfile": "openenv_dockerfile.template",
    }

    def app(self, *, at_once: int = 64) -> Any:
        """The FastAPI application, for `at_once` episodes at a time."""
        from openenv.core.env_server import create_fastapi_app  # pyright: ignore[reportMissingImports]

        from rlvr_gym.export.targets.openenv_files.models import Said, Say
        from rlvr_gym.export.targets.openenv_server import environment_class

        return create_fastapi_app(
            environment_class(self), Say, Said, max_concurrent_envs=at_once, env_name=self.name
        )

    def next_step(self, folder: Path) -> str:
        """A line on how to serve."""
        return f"cd {folder} && uvicorn server.app:app --port 8000, or: docker build -f server/Dockerfile ."


EXPORT = OpenEnvExport
