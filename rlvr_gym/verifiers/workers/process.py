"""The program of a worker process: one function, JSON in, JSON out, under limits, until its parent is gone.

`workers.WorkerPool` runs it as a script in a fresh interpreter. It imports nothing from this package, so that a
worker starts fast and small.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Read the set-up, say "ready", then answer requests until the pipe closes."""
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    setup = _read(requests)
    _die_with_parent(setup["lifeline"])
    _limit(setup["memory_bytes"])
    sys.path[:] = setup["path"]
    try:
        function = _load(setup["module"], setup["file"], setup["function"])
    except Exception as error:  # noqa: BLE001 - whatever an import raises is told to the parent
        _write(replies, {"fault": f"{type(error).__name__}: {error}"})
        return
    _write(replies, {"value": "ready"})
    while True:
        _write(replies, _answer(function, _read(requests)))


def _answer(function: Callable[[object], object], task: object) -> dict[str, object]:
    try:
        return {"value": function(task)}
    except MemoryError:
        return {"overrun": "memory"}
    except Exception as error:  # noqa: BLE001 - the parent raises it as a fault
        return {"fault": f"{type(error).__name__}: {error}"[:2000]}


def _die_with_parent(lifeline: int) -> None:
    """Have the kernel kill this process when the other end of `lifeline` closes, whatever it is busy with.

    Nothing is ever written to that pipe, so the only event on it is its end. A watching thread would not
    do: one long multiplication holds the interpreter.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _load(module: str, file: str, function: str) -> Callable[[object], object]:
    spec = importlib.util.spec_from_file_location(module, file)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    spec.loader.exec_module(loaded)
    return getattr(loaded, function)


def _read(pipe: int) -> Any:
    (length,) = struct.unpack(">I", _read_exactly(pipe, 4))
    return json.loads(_read_exactly(pipe, length))


def _read_exactly(pipe: int, count: int) -> bytes:
    chunks: list[bytes] = []
    while count:
        chunk = os.read(pipe, min(count, 1 << 16))
        if not chunk:
            os._exit(0)
        chunks.append(chunk)
        count -= len(chunk)
    return b"".join(chunks)


def _write(pipe: int, value: object) -> None:
    body = json.dumps(value).encode()
    frame = struct.pack(">I", len(body)) + body
    try:
        while frame:
            frame = frame[os.write(pipe, frame) :]
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
