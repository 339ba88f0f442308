"""Reference solutions run when tasks are loaded, so that tasks which cannot be judged are found before training is.

What came of a solution is remembered on disk, under all that decides it: the task, the program that the solution is,
how it is judged, and the sandbox.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rlvr_gym.verifiers.code.remembered import Remembered
from rlvr_gym.verifiers.code.running import sandbox_identity, shared_sandbox

logger = logging.getLogger(__name__)

PASSES = ""
"""The reason that is remembered of a solution that passes."""

_WAITING = 64
"""Solutions handed to the sandbox at a time; its slots decide how many of them run."""
_FIRST_WORD_SECONDS = 3.0
_NEXT_WORD_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of running a task's own solution."""

    reason: str | None
    """The reason why it does not pass, or `PASSES`; None if the sandbox failed and nobody knows."""
    late: bool = False
    """True where it ran out of time, as it may because of others that ran beside it."""


def refused(keys: Mapping[str, str], ask: Callable[[str], Answer]) -> dict[str, str]:
    """Tasks, by id, whose own solution does not pass, each with the reason.

    Where no sandbox works, none are refused: there each sample is unscored and says why. The same goes for a
    solution on which the sandbox fails.

    Args:
        keys: by the task's id, all that decides what comes of its solution beside the sandbox and this package.
        ask: runs the solution of the task of that id. Called from several threads at once.
    """
    from rlvr_sandbox import SandboxError

    code = _package_version()
    hashes = {id: hashlib.sha256(f"{code} {key}".encode()).hexdigest() for id, key in keys.items()}
    try:
        remembered = Remembered.of(sandbox_identity())
        new = [id for id, key in hashes.items() if key not in remembered.reasons]
        if new:
            shared_sandbox()
    except SandboxError:
        return {}
    if new:
        with remembered.written_at_the_end():
            for id, reason in _all_answers(new, ask):
                remembered.reasons[hashes[id]] = reason
    reasons = {id: remembered.reasons.get(key, PASSES) for id, key in hashes.items()}
    return {id: reason for id, reason in reasons.items() if reason != PASSES}


@functools.cache
def _package_version() -> str:
    """Hash the source of this package, which makes programs of solutions and tests of references."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"\0".join(sources)).hexdigest()


def _all_answers(ids: list[str], ask: Callable[[str], Answer]) -> Iterator[tuple[str, str]]:
    """Each id and its reason as it comes, those left out on which the sandbox failed."""
    late: list[str] = []
    threads = ThreadPoolExecutor(min(_WAITING, len(ids)), thread_name_prefix="solutions")
    try:
        asked = {threads.submit(ask, id): id for id in ids}
        for future in _with_progress(as_completed(asked), len(ids)):
            answer = future.result()
            if answer.late:
                late.append(asked[future])
            elif answer.reason is not None:
                yield asked[future], answer.reason
    finally:
        threads.shutdown(cancel_futures=True)
    for id in late:
        if (reason := ask(id).reason) is not None:
            yield id, reason


def _with_progress(futures: Iterable[Future[Answer]], total: int) -> Iterator[Future[Answer]]:
    begun = time.monotonic()
    next_word = begun + _FIRST_WORD_SECONDS
    for done, future in enumerate(futures, start=1):
        yield future
        if (now := time.monotonic()) > next_word:
            next_word = now + _NEXT_WORD_SECONDS
            logger.warning(
                f"running the tasks' own solutions: {done:,} of {total:,} after {now - begun:.0f} s; "
                "the answers are kept for the next time"
            )
