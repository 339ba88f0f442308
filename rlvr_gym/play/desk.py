"""Calls of agents between their chat server and the sampler."""

from __future__ import annotations

import itertools
import queue
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, final

from rlvr_gym.agents.session import Call, Session, SessionSeed
from rlvr_gym.agents.turns import Translator
from rlvr_gym.agents.wire import Refused
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play.calls import Samplers
from rlvr_gym.verdicts import Completion

if TYPE_CHECKING:
    from rlvr_gym.agents.server import Asked

LONGEST_WAIT_SECONDS = 1.0
"""Longest time between two looks at whether the server still serves."""


@final
class Desk:
    """Calls of agents on their way to the sampler and back. Used from one thread."""

    def __init__(
        self, generator: Generator, sampling: SamplingParams, news: queue.SimpleQueue[object]
    ) -> None:
        self._samplers = Samplers(generator, sampling, news)  # pyright: ignore[reportArgumentType]
        self._calls: dict[int, tuple[Session, Call]] = {}
        self._numbers = itertools.count()

    @property
    def busy(self) -> bool:
        """True while anything is being sampled."""
        return self._samplers.asked > 0

    def take(self, one: object) -> bool:
        """Take news of a call; returns False for any other. Raises what sampling raised."""
        from rlvr_gym.agents.server import Asked

        match one:
            case Asked():
                self._ask(one)
            case (int() as number, Completion() as completion):
                self._samplers.asked -= 1
                self._sampled(*self._calls.pop(number), completion)
            case BaseException():
                raise one
            case _:
                return False
        return True

    def stop(self) -> None:
        """Have nothing sampled any more."""
        self._samplers.stop()

    def _ask(self, asked: Asked) -> None:
        session, number = asked.session, next(self._numbers)
        try:
            request = session.ask(number, asked.request, asked.exchange)
        except Exception as error:  # noqa: BLE001 - one episode's fault must not end the others
            session.fault = _our_fault(error)
            asked.exchange.answer(Refused(session.fault, status=500, code="server_error"))
            return
        if request is not None:
            self._calls[number] = (session, session.calls[-1])
            self._samplers.ask([(number, request)])

    def _sampled(self, session: Session, call: Call, completion: Completion) -> None:
        try:
            session.sampled(call, completion)
        except Exception as error:  # noqa: BLE001 - as above
            session.broken(call, completion, _our_fault(error))


def serve_session(
    generator: Generator,
    sampling: SamplingParams,
    *,
    port: int,
    seed: int = 0,
    told: Callable[[str, str], object],
) -> None:
    """Answer agents that others run, until this is interrupted; `told` is given the base URL and the key.

    All calls are of one session, which never ends.
    """
    from rlvr_gym.agents.server import ChatServer

    news = queue.SimpleQueue[object]()
    with ChatServer(sampling, news.put, port=port) as server:
        random = SessionSeed(seed=seed, task="served", sample=0)
        session = Session(Translator(generator), random, max_calls=sys.maxsize)
        told(server.add(session), session.key)
        desk = Desk(generator, sampling, news)
        try:
            while server.alive:
                with suppress(queue.Empty):
                    desk.take(news.get(timeout=LONGEST_WAIT_SECONDS))
                session.fault = None  # the client was told, and its next call may go well
        finally:
            desk.stop()


def _our_fault(error: Exception) -> str:
    return f"the chat server failed: {type(error).__name__}: {error}"
