"""Running an agent: in a thread of its own, to whatever end it comes to."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

from rlvr_gym.agents.environment import AgentFunction, without_reference
from rlvr_gym.errors import VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.tools.running import is_ours
from rlvr_gym.verdicts import Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The end of an agent that returned a text."""

    text: str


Ending = Answer | Verdict
"""The end of an agent: its answer, or the verdict on having none."""


@final
class RunningAgent:
    """A call of an agent's function.

    `done` is called with its end, in its thread. One that is given up on is asked to stop, and its thread left alone,
    which keeps no process alive.
    """

    def __init__(
        self, agent: AgentFunction, task: Task, base_url: str, key: str, done: Callable[[Ending], object]
    ) -> None:
        self._agent, self._arguments, self._done = agent, (without_reference(task), base_url, key), done
        self._given_up = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        threading.Thread(target=self._run, name="rlvr-agent", daemon=True).start()

    def give_up(self) -> None:
        """Ask it to stop."""
        self._given_up = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # it has just come to its end
                loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        try:
            result = self._agent(*self._arguments)
            if inspect.isawaitable(result):
                asyncio.run(self._awaited(result))
                return
        except BaseException as error:  # noqa: BLE001 - whatever an agent raises is its end, and not its thread's
            self._done(ending_of(error))
        else:
            self._done(_answer(result))

    async def _awaited(self, result: Awaitable[Any]) -> None:
        """Tell the end as soon as it is there: what the agent has left behind may keep its loop for longer."""
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        assert self._task is not None
        if self._given_up:  # before there was a task to cancel
            self._task.cancel()
        try:
            answer = await result
        except BaseException as error:  # noqa: BLE001 - as above
            self._done(ending_of(error))
        else:
            self._done(_answer(answer))


def _answer(result: object) -> Ending:
    if isinstance(result, str):
        return Answer(text=result)
    return Verdict.malformed(f"the agent returned {type(result).__name__}, and not a text")


def ending_of(error: BaseException) -> Verdict:
    """The verdict on an agent that raised this: no answer, or unscored where it says that something of ours failed."""
    said = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, VerifierFault):
        return Verdict.unscored(str(error))
    if is_ours(error):
        return Verdict.unscored(f"the agent could not be run: {said}")
    return Verdict.malformed(f"the agent raised {said}")
