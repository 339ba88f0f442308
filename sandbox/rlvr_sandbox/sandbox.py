"""`Sandbox`: where programs are handed in and results come out, for asyncio and for threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Self

from rlvr_sandbox.backends.base import Backend
from rlvr_sandbox.backends.choice import choose
from rlvr_sandbox.blocking import BlockingSandbox, open_on
from rlvr_sandbox.errors import SandboxUnavailable
from rlvr_sandbox.installing import pip_install
from rlvr_sandbox.programs import Program
from rlvr_sandbox.results import Result


class Sandbox:
    """Runs programs, several at a time, for asyncio. `Sandbox.open_sync` is the same for threads.

    async with Sandbox.open() as box:
        result = await box.run(Program(source="print(input())", tests=...))
    """

    def __init__(self, blocking: BlockingSandbox) -> None:
        self._blocking = blocking

    @staticmethod
    def open(
        backend: str | Backend | Sequence[Backend] = "auto",
        *,
        slots: int | None = None,
        allow_unsafe: bool = False,
    ) -> Sandbox:
        """A sandbox on `backend`, with `slots` programs at a time.

        Args:
            backend: `auto` (Docker if it works here, else bubblewrap), `docker`, `bubblewrap`, one of your own,
                several, the addresses of Docker engines with commas between them (see `Engine`), or `ray`: what
                `auto` finds on each node of a Ray cluster.
            slots: on each backend or node; without: one for each CPU of this machine or of the node.
            allow_unsafe: let `auto` run programs as bare processes where there is no sandbox. They can do
                whatever this user can, and every result says `Trust.UNSAFE`.

        A few honest and hostile programs are run first. Raises SandboxUnavailable, which says of every backend
        why it cannot be used, and SelfTestFailed where one runs programs, but not as it must.
        """
        return Sandbox(Sandbox.open_sync(backend, slots=slots, allow_unsafe=allow_unsafe))

    @staticmethod
    def open_sync(
        backend: str | Backend | Sequence[Backend] = "auto",
        *,
        slots: int | None = None,
        allow_unsafe: bool = False,
    ) -> BlockingSandbox:
        """The twin for threads: its `run` returns the result, its `run_many` is an ordinary iterator."""
        if backend == "ray":
            return _on_ray(slots)
        return open_on(choose(backend, allow_unsafe=allow_unsafe), slots or len(os.sched_getaffinity(0)))

    async def run(self, program: Program) -> Result:
        """The verdict on one program."""
        return await asyncio.wrap_future(self._blocking.submit(program))

    async def run_many(self, programs: Iterable[Program]) -> AsyncIterator[tuple[int, Result]]:
        """The verdicts on many, each with the program's place among them, as they come."""

        async def numbered(index: int, program: Program) -> tuple[int, Result]:
            return index, await self.run(program)

        for done in asyncio.as_completed([numbered(i, program) for i, program in enumerate(programs)]):
            yield await done

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._blocking.close)


def _on_ray(slots: int | None) -> BlockingSandbox:
    try:
        from rlvr_sandbox.ray import RayPool, RaySessions
    except ModuleNotFoundError as error:
        raise SandboxUnavailable(f"the Ray backend needs Ray: {pip_install('ray')} ({error})") from None
    pool = RayPool(slots=slots)
    return BlockingSandbox(pool, RaySessions(pool))
