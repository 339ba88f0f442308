"""An agent that is a command: it runs in the sandbox, and reaches nothing but its episode's chat server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Task

_SHOWN = 500
TASK_FILE = "task.json"


class CommandFailed(Exception):
    """A command ended by itself without an answer; the message says how."""


@dataclass(frozen=True, kw_only=True)
class AgentCommand:
    """A command as an agent: what it writes to standard output is its answer.

    It is told the task's prompt on standard input, and finds the task as JSON in `task.json`, beside `files`, where it
    starts. `OPENAI_BASE_URL` and `OPENAI_API_KEY` are those of its episode. It runs in a sandbox without a network:
    what is installed in /usr is there, with the Python that runs us and its standard library. One that ends with
    another status than 0 has given no answer.
    """

    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts by their names."""
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 1 << 30
    """Memory of all its processes together where this system gives sandboxes control groups, else of each."""

    def __post_init__(self) -> None:
        if isinstance(self.command, str) or not self.command:
            raise ConfigError(
                f"a command is one or more words, such as ('python3', 'agent.py'), not {self.command!r}"
            )
        if self.memory_bytes < 1 << 20:
            raise ConfigError(f"memory_bytes is at least {1 << 20}, not {self.memory_bytes}")

    def check(self) -> None:
        """Raise ConfigError where commands cannot be run in a sandbox."""
        from rlvr_sandbox.commands import backend
        from rlvr_sandbox.errors import SandboxUnavailable

        try:
            backend()
        except SandboxUnavailable as error:
            raise ConfigError(f"an agent that is a command runs in bubblewrap's sandbox: {error}") from error

    async def __call__(self, task: Task, base_url: str, key: str) -> str:
        """Run the command for a task; returns what it wrote."""
        from rlvr_sandbox.commands import PORT, CommandLimits, SandboxedCommand, run
        from rlvr_sandbox.errors import SandboxError

        address = urlsplit(base_url)
        assert address.hostname is not None
        assert address.port is not None
        told = task.model_dump_json(exclude={"reference"})
        command = SandboxedCommand(
            command=self.command,
            files={**self.files, TASK_FILE: json.dumps(json.loads(told), indent=2)},
            input=task.text,
            environment={
                **self.environment,
                "OPENAI_BASE_URL": f"http://127.0.0.1:{PORT}{address.path}",
                "OPENAI_API_KEY": key,
            },
            limits=CommandLimits(memory_bytes=self.memory_bytes),
        )
        try:
            result = await run(command, host=address.hostname, port=address.port)
        except SandboxError as error:
            raise VerifierFault(f"the agent's command could not be run: {error}") from error
        if result.status is None:
            raise CommandFailed("it wrote more than an answer may have, and was stopped")
        if result.status != 0:
            how = f"status {result.status}" if result.status > 0 else f"signal {-result.status}"
            raise CommandFailed(f"it ended with {how}: {result.stderr.strip()[-_SHOWN:]}")
        return result.stdout.strip("\n")
