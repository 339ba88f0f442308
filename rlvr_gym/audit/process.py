"""A fresh interpreter that judges under a deadline, and can be killed: what is under attack never runs in this one."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from gymnasium.envs.registration import EnvSpec

from rlvr_gym.errors import VerifierFault
from rlvr_gym.files import JsonObject
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Verdict

_START_SECONDS = 120.0


class Lost(StrEnum):
    """The reason why there is no verdict."""

    OVERDUE = "no verdict by the deadline"
    DIED = "the judging process died"
    FORGED = "something other than the verifier wrote the reply"


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """The result of one question."""

    verdict: Verdict | Lost
    seconds: float
    grown_bytes: int
    """By how much the peak memory of the judging process rose over this question."""


class JudgeProcess:
    """Judges completions of one environment in a process of its own, which is replaced when it is lost.

    Args:
        spec: the environment.
        deadline_seconds: when a verdict is overdue; the process is then killed with its group.
        memory_bytes: how much memory of its own the process may hold; past it, Python raises MemoryError.
        hash_seed: the interpreter's PYTHONHASHSEED: verdicts may not depend on it.
    """

    def __init__(
        self, spec: EnvSpec, *, deadline_seconds: float, memory_bytes: int, hash_seed: int = 0
    ) -> None:
        self._setup = {"spec": spec.to_json(), "memory_bytes": memory_bytes}
        self._deadline_seconds, self._hash_seed = deadline_seconds, hash_seed
        self._process: subprocess.Popen[bytes] | None = None
        self._peak_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def judge(self, task: Task, text: str) -> Judged:
        """Ask for one verdict. Raises VerifierFault where the environment cannot be built at all."""
        if self._process is None:
            self._start()
        question = {"task": task.model_dump(mode="json"), "text": text}
        began = time.monotonic()
        reply = self._ask(question, self._deadline_seconds)
        seconds = time.monotonic() - began
        if isinstance(reply, Lost):
            return Judged(verdict=reply, seconds=seconds, grown_bytes=0)
        grown, self._peak_bytes = reply["peak_bytes"] - self._peak_bytes, reply["peak_bytes"]
        return Judged(verdict=Verdict.model_validate(reply["verdict"]), seconds=seconds, grown_bytes=grown)

    def _start(self) -> None:
        lifeline, self._lifeline = os.pipe()
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rlvr_gym.audit._judge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(self._hash_seed)},
            pass_fds=(lifeline,),
            start_new_session=True,
        )
        os.close(lifeline)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._token = secrets.token_hex(8)
        setup = {**self._setup, "lifeline": lifeline, "token": self._token}
        said = self._ask(setup, _START_SECONDS)
        if isinstance(said, Lost) or "fault" in said:
            self._end()
            why = said if isinstance(said, Lost) else said["fault"]
            raise VerifierFault(f"a fresh interpreter cannot build the environment: {why}")
        self._peak_bytes = said["peak_bytes"]

    def _ask(self, question: JsonObject, seconds: float) -> JsonObject | Lost:
        """The reply to a question; the process is ended where there is none."""
        deadline = time.monotonic() + seconds
        try:
            self._send(json.dumps(question).encode() + b"\n", deadline)
            reply = json.loads(self._receive(deadline))
            if not (isinstance(reply, dict) and reply.pop("token", "") == self._token):
                reply = Lost.FORGED
        except BrokenPipeError:
            reply = Lost.DIED
        except ValueError:
            reply = Lost.FORGED
        except TimeoutError:
            reply = Lost.OVERDUE
        if isinstance(reply, Lost):
            self._end()
        return reply

    def _send(self, body: bytes, deadline: float) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        pipe, left = self._process.stdin.fileno(), memoryview(body)
        while left:
            _wait_for(pipe, select.POLLOUT, deadline)
            with contextlib.suppress(BlockingIOError):
                left = left[os.write(pipe, left) :]

    def _receive(self, deadline: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        chunks: list[bytes] = []
        while not chunks or not chunks[-1].endswith(b"\n"):
            _wait_for(pipe, select.POLLIN, deadline)
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                raise BrokenPipeError
            chunks.append(chunk)
        return b"".join(chunks)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        os.close(self._lifeline)


def _wait_for(pipe: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError
