"""Commands: programs in any language that run in a sandbox of their own, with one address that they can reach."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rlvr_sandbox.backends.bubblewrap import BubblewrapBackend, Walled
from rlvr_sandbox.errors import SandboxLost, SandboxUnavailable
from rlvr_sandbox.image.layout import WORK
from rlvr_sandbox.programs import MIB

PORT = 8000
"""The port of the sandbox's own 127.0.0.1 at which a command finds the address that it can reach."""
_SOCKET_FOLDER = "/opt/rlvr/reach"
_CPU_SECONDS = 3600.0
_INSIDE = Path(__file__).with_name("inside.py")
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": WORK, "TMPDIR": "/tmp"}
_PIECE = 1 << 16
_uids = random.SystemRandom()


@dataclass(frozen=True, kw_only=True)
class CommandLimits:
    """Bounds on a command. Its time is its caller's to bound."""

    memory_bytes: int = 1024 * MIB
    """Of all its processes together where this system gives sandboxes control groups, else of each."""
    output_bytes: int = 4 * MIB
    """Of standard output, and of standard error; a command that writes more is stopped."""
    processes: int = 64


@dataclass(frozen=True, kw_only=True)
class SandboxedCommand:
    """A command, the files that it finds where it starts, what it is told on standard input, and its environment."""

    command: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict)
    input: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: CommandLimits = CommandLimits()


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """The end of a command: its exit status (negative for a signal), None where it wrote too much and was stopped."""

    status: int | None
    stdout: str
    stderr: str


@cache
def backend() -> BubblewrapBackend:
    """The backend that commands run on. Raises SandboxUnavailable where there is none."""
    return BubblewrapBackend()


async def run(command: SandboxedCommand, *, host: str, port: int) -> CommandResult:
    """Run a command that can reach `host:port` of this machine, at port `PORT` of its own, and nothing else.

    Cancelled, it ends with all that it has started. Raises SandboxUnavailable where it cannot be started, SandboxLost
    where its sandbox ended before it.
    """
    walls = backend()
    with tempfile.TemporaryDirectory(prefix="rlvr-reach-") as folder:
        relay = await asyncio.start_unix_server(_relay_to(host, port), Path(folder, "socket"))
        walled = walls.walled(
            ("--ro-bind", folder, _SOCKET_FOLDER, "--die-with-parent"),
            memory_bytes=command.limits.memory_bytes,
        )
        try:
            async with _started(walled) as (process, report):
                return await _result(command, walled, process, report)
        finally:
            relay.close()
            walled.ended()


@asynccontextmanager
async def _started(walled: Walled) -> AsyncIterator[tuple[asyncio.subprocess.Process, tuple[int, int]]]:
    """The sandbox's process and a pipe that it reports by; both are gone afterwards."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *walled.python,
            "-c",
            _INSIDE.read_text(encoding="utf-8"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ENVIRONMENT,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        raise SandboxUnavailable(f"cannot start {walled.python[0]}: {error.strerror}") from error
    finally:
        os.close(writing)
    try:
        yield process, (reading, writing)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        for stream in (process.stdout, process.stderr):
            while stream is not None and await stream.read(_PIECE):
                pass  # the pipes close once they are empty
        await process.wait()
        os.close(reading)


async def _result(
    command: SandboxedCommand, walled: Walled, process: asyncio.subprocess.Process, report: tuple[int, int]
) -> CommandResult:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    limits = command.limits
    settings = {
        "command": list(command.command),
        "files": dict(command.files),
        "input": command.input,
        "environment": {**_ENVIRONMENT, **command.environment},
        "limits": {
            "cpu_seconds": _CPU_SECONDS, "memory_bytes": limits.memory_bytes, "processes": limits.processes,
        },
        "folder": WORK,
        "image": walled.image,
        "port": PORT,
        "report": report[1],
        "socket": f"{_SOCKET_FOLDER}/socket",
        "uid": _uids.randrange(1 << 16, 1 << 30) if walled.privileged else None,
    }  # fmt: skip
    with contextlib.suppress(ConnectionError):  # it has ended, which its report says
        process.stdin.write(json.dumps(settings).encode())
        await process.stdin.drain()
    process.stdin.close()
    outputs = await asyncio.gather(
        _read(process, process.stdout, limits.output_bytes),
        _read(process, process.stderr, limits.output_bytes),
    )
    stdout, stderr = (output[: limits.output_bytes].decode(errors="replace") for output in outputs)
    if any(len(output) > limits.output_bytes for output in outputs):
        return CommandResult(status=None, stdout=stdout, stderr=stderr)
    await process.wait()
    return CommandResult(status=_status(os.read(report[0], _PIECE), stderr), stdout=stdout, stderr=stderr)


def _status(told: bytes, stderr: str) -> int:
    """The exit status in a report. Raises SandboxUnavailable or SandboxLost where there is none."""
    if not told:
        raise SandboxLost(f"the command's sandbox ended before it: {stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(told)
    if "error" in found:
        raise SandboxUnavailable(str(found["error"]))
    return int(found["status"])


async def _read(process: asyncio.subprocess.Process, stream: asyncio.StreamReader, most: int) -> bytes:
    """All that a stream says; the process is ended where that is more than `most` bytes."""
    found = bytearray()
    while piece := await stream.read(_PIECE):
        found += piece
        if len(found) > most:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            break
    return bytes(found)


def _relay_to(host: str, port: int) -> Any:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            outer_reader, outer_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        both = (_pass_on(reader, outer_writer), _pass_on(outer_reader, writer))
        await asyncio.gather(*both)

    return relay


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
