"""Lean as a command on this machine, in a process that is killed when it overruns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.verifiers.lean.verifier import LeanMessage, LeanTimeout

_OUTPUT_BYTES = 4 << 20
_OVERRUN = tuple(-number for number in (signal.SIGXCPU, signal.SIGXFSZ, signal.SIGABRT, signal.SIGSEGV))
_SEVERITIES = ("error", "warning", "information")


@final
class LeanCommand:
    """A `LeanChecker` that runs `lean --json` over a file in a temporary folder.

    The process has a group of its own that is killed at the deadline, an environment of PATH, HOME and Lean's own
    variables only, CPU time and address space within limits, and output that is cut off after 4 MiB. It is no sandbox:
    it can read and write what its user can. `Lean` keeps words out of proofs that would make Lean run programs; where
    that is not enough, write a checker that runs Lean in a container.

    Args:
        command: how Lean is started; `("lake", "env", "lean")` with a project's libraries.
        project: the folder it is started in, such as a Lake project with Mathlib built; None is the temporary folder.
        timeout_seconds: for one file.
        memory_bytes: address space of the process, into which Mathlib's libraries are mapped as well.
        processes: how many run at once; others wait for their turn.
    """

    def __init__(
        self,
        command: Sequence[str] = ("lean",),
        *,
        project: str | Path | None = None,
        timeout_seconds: float = 120.0,
        memory_bytes: int = 16 << 30,
        processes: int = 1,
    ) -> None:
        if not command or not timeout_seconds > 0 or memory_bytes < 1 or processes < 1:
            raise ConfigError(
                "a command, and a positive timeout_seconds, memory_bytes and processes are needed, not "
                f"{command!r}, {timeout_seconds}, {memory_bytes} and {processes}"
            )
        self.command = tuple(command)
        self.project = None if project is None else Path(project)
        self._file_seconds, self.memory_bytes = timeout_seconds, memory_bytes
        self._turns = threading.BoundedSemaphore(processes)

    @property
    def timeout_seconds(self) -> float:
        """Long enough for every sample to wait for its turn."""
        return 3600.0

    def check(self, source: str) -> tuple[LeanMessage, ...]:
        """All of Lean's messages on a file with this content."""
        program = shutil.which(self.command[0])
        if program is None:
            raise VerifierFault(
                f"Lean is not installed here: there is no '{self.command[0]}' on the PATH; "
                "https://lean-lang.org/install says how to get it"
            )
        if self.project is not None and not self.project.is_dir():
            raise VerifierFault(f"there is no folder {self.project} to start Lean in")
        with self._turns, tempfile.TemporaryDirectory(prefix="rlvr-lean-") as folder:
            file = Path(folder) / "Proof.lean"
            file.write_text(source, encoding="utf-8")
            status, output = self._run(program, file)
        messages = tuple(_messages(output))
        if status not in (0, 1) or (status == 1) != any(m.severity == "error" for m in messages):
            said = output[-300:].decode(errors="replace").strip()
            raise VerifierFault(
                f"{' '.join(self.command)} ended with status {status}: {said or 'it said nothing'}"
            )
        return messages

    def _run(self, program: str, file: Path) -> tuple[int, bytes]:
        """Exit status and output. Raises LeanTimeout."""
        limits = (
            f"ulimit -c 0 && ulimit -f {2 * _OUTPUT_BYTES // 512} && ulimit -v {self.memory_bytes // 1024}"
            f" && ulimit -t {int(self._file_seconds) + 1}"
        )
        shell = [
            "/bin/sh",
            "-c",
            f'{limits} && exec "$@"',
            "sh",
            program,
            *self.command[1:],
            "--json",
            str(file),
        ]
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    shell,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.project or file.parent,
                    env={name: value for name, value in os.environ.items() if _of_lean(name)},
                    start_new_session=True,
                )
            except OSError as error:
                raise VerifierFault(f"cannot start {program}: {error}") from error
            try:
                status = process.wait(self._file_seconds)
            except subprocess.TimeoutExpired:
                raise LeanTimeout(f"Lean did not finish within {self._file_seconds:g} s") from None
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            said = output.read(_OUTPUT_BYTES)
        if status in _OVERRUN or len(said) == _OUTPUT_BYTES or b"out of memory" in said[-1000:]:
            raise LeanTimeout("Lean ran out of time, stack, memory or room for its output")
        return status, said


def _of_lean(name: str) -> bool:
    return name in ("PATH", "HOME", "LANG", "LC_ALL") or name.startswith(("LEAN_", "ELAN_", "LAKE_"))


def _messages(output: bytes) -> Iterator[LeanMessage]:
    """Lean's messages, one JSON object a line; other lines are not its own."""
    for line in output.splitlines():
        try:
            said = json.loads(line)
            severity, text, at = said["severity"], said["data"], said["pos"]["line"]
        except (ValueError, RecursionError, KeyError, TypeError):
            continue
        if severity in _SEVERITIES and isinstance(text, str) and isinstance(at, int):
            yield LeanMessage(severity=severity, line=at, text=text)
