"""Running a tool: within its time, with its result or its error as the answer."""

from __future__ import annotations

import errno
import inspect
import queue
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlvr_gym.errors import RlvrError, VerifierFault
from rlvr_gym.tools.calls import CallOutcome
from rlvr_gym.tools.function import Tool, Unspeakable

_EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of an operating system that has no more to give."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The text that a policy is told of a call, what became of it, and how long that took."""

    text: str
    outcome: CallOutcome
    seconds: float = 0.0


def run(tool: Tool, arguments: Mapping[str, Any], *, timeout_seconds: float) -> Answer:
    """Call a tool with arguments that were checked.

    What it raises, a call to exit included, is the answer. Raises VerifierFault for what is broken on our side: where
    the tool raises an error of this library or of the sandbox, where memory, disk or descriptors are used up, and for a
    result that is no text.

    A plain function that runs over its time cannot be stopped: its thread is left alone, and keeps no process alive.
    Whatever it still does to the episode's state, it does behind the policy's back; an `async` function is cancelled.
    """
    began = time.perf_counter()
    done: queue.SimpleQueue[tuple[object, BaseException | None]] = queue.SimpleQueue()
    thread = threading.Thread(
        target=_call,
        args=(tool, arguments, timeout_seconds, done),
        name=f"rlvr-tool-{tool.name}",
        daemon=True,
    )
    thread.start()
    try:
        result, error = done.get(timeout=timeout_seconds)
    except queue.Empty:
        result, error = None, _Late()
    seconds = time.perf_counter() - began
    if isinstance(error, VerifierFault):
        raise error
    if error is not None and is_ours(error):
        raise VerifierFault(f"{type(error).__name__}: {error}") from error
    if isinstance(error, _Late):
        text = f"error: '{tool.name}' took longer than {timeout_seconds:.3g} s and was given up on"
        return Answer(text=text, outcome=CallOutcome.TIMEOUT, seconds=seconds)
    if error is not None:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        text = cut(f"error: {said}", tool.max_characters)
        return Answer(text=text, outcome=CallOutcome.FAILED, seconds=seconds)
    try:
        text = tool.text_of(result)
    except Unspeakable as error:
        return Answer(text=f"error: {error}", outcome=CallOutcome.FAILED, seconds=seconds)
    return Answer(text=cut(text, tool.max_characters), outcome=CallOutcome.ANSWERED, seconds=seconds)


def is_ours(error: BaseException) -> bool:
    """Return whether an error says that something of ours is broken, and nothing of what the policy asked."""
    if isinstance(error, OSError):
        return error.errno in _EXHAUSTED
    if isinstance(error, RlvrError | MemoryError):
        return True
    from rlvr_sandbox.errors import SandboxError  # slow to import, and needed by few

    return isinstance(error, SandboxError)


class _Late(Exception):
    """The time of a call is over."""


def _call(
    tool: Tool,
    arguments: Mapping[str, Any],
    timeout_seconds: float,
    done: queue.SimpleQueue[tuple[object, BaseException | None]],
) -> None:
    try:
        result = tool.function(**arguments)
        if inspect.isawaitable(result):
            import asyncio  # slow to import, and few tools are asynchronous

            result = asyncio.run(_awaited(result, timeout_seconds))
        done.put((result, None))
    except BaseException as error:  # noqa: BLE001 - what a tool raises is an answer, and its thread's end says nothing
        done.put((None, error))


async def _awaited(result: Any, timeout_seconds: float) -> object:
    """The result of an `async` tool. Raises `_Late` once its time is over, whatever it raises by itself."""
    import asyncio

    task = asyncio.ensure_future(result)
    finished, _ = await asyncio.wait({task}, timeout=timeout_seconds)
    if not finished:
        task.cancel()
        raise _Late
    return await task


def cut(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits beside a word on how much there is, in at most `most` characters.

    Lone surrogates, which no tokenizer takes, become U+FFFD.
    """
    text = _LONE_SURROGATE.sub("\ufffd", text)
    if len(text) <= most:
        return text
    notice = f"\n[cut: the first {{shown}} of {len(text)} characters]"
    shown = most - len(notice.format(shown=most))
    return text[:shown] + notice.format(shown=shown)
