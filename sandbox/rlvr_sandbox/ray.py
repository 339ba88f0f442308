"""A Ray cluster as one sandbox: an actor on each node owns a sandbox there, programs go to whichever has room.

Programs, tests included, are sent to the nodes, which are trusted as this process is; on each, the judge and
the program are apart as anywhere else. A node is never sent more than it can begin soon, so programs wait
here, where any node can have them; what a lost node had is run elsewhere. Nodes that join are used too.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import os
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rlvr_sandbox.backends.choice import choose
from rlvr_sandbox.blocking import open_on
from rlvr_sandbox.errors import SandboxClosed, SandboxUnavailable
from rlvr_sandbox.pool import AWAY_SECONDS, Job
from rlvr_sandbox.programs import Limits, Program
from rlvr_sandbox.ray_address import running_cluster
from rlvr_sandbox.results import ProgramOutcome, Result, Trust
from rlvr_sandbox.sessions import CellResult

AHEAD = 2
"""Programs sent to a node beyond those it can run at once, so that none of its slots waits for the network."""
LOOK_SECONDS = 5.0
"""The time between looks for nodes that joined, or whose actor ended."""
MOST_MOVES = 3
"""Nodes that may be lost under one program before it has no verdict."""
MOST_CELLS = 64
"""Cells of sessions that run at once on one node."""
CLOSE_SECONDS = 10.0


@dataclass(kw_only=True)
class Sort:
    """The sort of sandbox that a node has."""

    name: str
    trust: Trust


@ray.remote(num_cpus=0)
class NodeSandbox:
    """The sandbox of one node."""

    def __init__(self) -> None:
        self._sessions: dict[str, Any] = {}
        self._threads = ThreadPoolExecutor(MOST_CELLS, thread_name_prefix="sandbox-cell")

    async def open(self, backend: str, slots: int | None) -> tuple[int, Sort]:
        """Open it. Returns how many programs it runs at once, and in what. Raises SandboxUnavailable."""
        slots = slots or len(os.sched_getaffinity(0))
        self._box = await asyncio.to_thread(open_on, choose(backend, allow_unsafe=False), slots)
        used = self._box.backends[0]
        return slots, Sort(name=used.name, trust=used.trust)

    async def run(self, program: Program) -> Result:
        """The verdict on one program."""
        return await asyncio.wrap_future(self._box.submit(program))

    async def begin(self, number: str, limits: Limits) -> None:
        """Open a session."""
        self._sessions[number] = self._box.session(limits)

    async def execute(self, number: str, source: str) -> CellResult:
        """Run one cell of a session."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._sessions[number].execute, source
        )

    async def end(self, number: str) -> None:
        """End a session."""
        await asyncio.to_thread(self._sessions.pop(number).close)

    async def close(self) -> None:
        """End what runs there."""
        await asyncio.to_thread(self._box.close)


@dataclass(kw_only=True, eq=False)
class Node:
    """One node's actor, and what it has been sent."""

    id: str
    actor: Any
    room: int = 0
    """Programs it takes at a time; 0 until it is ready."""
    has: dict[int, Job] = field(default_factory=dict)


def _join() -> None:
    try:
        ray.init(running_cluster(), log_to_driver=False)
    except (OSError, ValueError, RayError) as error:
        named = os.environ.get("RAY_ADDRESS", "this machine")
        raise SandboxUnavailable(f"no Ray cluster answers at {named}: {error}") from error


class RayPool:
    """A pool over the nodes of a cluster, as `Pool` is one over the slots of this machine.

    Joins the cluster that this process is part of, or else the one that `RAY_ADDRESS` names; where there is
    none, Ray starts one on this machine.

    Args:
        backend: the backend that each node uses, by name.
        slots: programs at a time on each node; without: one for each of its CPUs.

    Raises SandboxUnavailable where no cluster answers, and, with the reason for each node, when no node has a sandbox.
    """

    def __init__(self, backend: str = "auto", slots: int | None = None) -> None:
        self._backend, self._slots = backend, slots
        self._joined = not ray.is_initialized()
        if self._joined:
            _join()
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._nodes: dict[str, Node] = {}
        self._problems: dict[str, str] = {}
        self._last = Sort(name="ray", trust=Trust.IN_PROCESS)
        self._away_since: float | None = None
        self._turns = itertools.count()
        self._closed = False
        self._first_opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="sandbox-ray", daemon=True)
        self._thread.start()
        try:
            self._first_opened.result()
        except BaseException:
            self.close()
            raise

    def submit(self, program: Program) -> Future[Result]:
        """Queue a program. Raises SandboxClosed."""
        if self._closed:
            raise SandboxClosed("this sandbox has been closed")
        job = Job(program=program)
        self._events.put(lambda: self._waiting.append(job))
        return job.future

    def close(self) -> None:
        """End all actors and sandboxes; programs that wait are cancelled, those that run fail with SandboxClosed."""
        if self._closed:
            return
        self._closed = True
        self._events.put(lambda: None)
        self._thread.join()
        closing = [node.actor.close.remote() for node in self._nodes.values()]
        if closing:
            ray.wait(closing, num_returns=len(closing), timeout=CLOSE_SECONDS)
        for node in self._nodes.values():
            ray.kill(node.actor)
            for job in node.has.values():
                job.future.set_exception(SandboxClosed("this sandbox was closed while the program ran"))
        for job in self._waiting:
            job.future.cancel()
        if self._joined:
            ray.shutdown()

    def a_node(self) -> Node:
        """One of the nodes that have a sandbox, each in turn. Raises SandboxUnavailable."""
        nodes = [node for node in list(self._nodes.values()) if node.room]
        if not nodes:
            raise SandboxUnavailable("no node of the Ray cluster has a sandbox now")
        return nodes[next(self._turns) % len(nodes)]

    # What follows is called by the pool's one thread only.

    def _work(self) -> None:
        look_at = 0.0
        while not self._closed:
            if time.monotonic() >= look_at:
                self._look_for_nodes()
                self._give_up_where_all_are_gone()
                look_at = time.monotonic() + LOOK_SECONDS
            with contextlib.suppress(queue.Empty):
                self._events.get(timeout=max(0.0, look_at - time.monotonic()))()
            self._send()

    def _look_for_nodes(self) -> None:
        """Start an actor on each node that can compute and has none."""
        for found in ray.nodes():
            id = found["NodeID"]
            if id in self._nodes or not found["Alive"] or not found["Resources"].get("CPU"):
                continue
            here = NodeAffinitySchedulingStrategy(id, soft=False)
            node = Node(id=id, actor=NodeSandbox.options(scheduling_strategy=here).remote())
            self._nodes[id] = node
            self._when_done(node.actor.open.remote(self._backend, self._slots), partial(self._opened, node))
        if not self._nodes:
            self._refuse("it has no node with CPUs")

    def _when_done(self, reference: Any, then: Callable[[Future[Any]], None]) -> None:
        reference.future().add_done_callback(lambda done: self._events.put(lambda: then(done)))

    def _opened(self, node: Node, done: Future[tuple[int, Sort]]) -> None:
        error = done.exception()
        if error is None:
            slots, self._last = done.result()
            node.room = slots + AHEAD
            self._problems.pop(node.id, None)
            if not self._first_opened.done():
                self._first_opened.set_result(None)
            return
        self._problems[node.id] = str(getattr(error, "cause", None) or error)
        self._forget(node)
        if not self._nodes:
            self._refuse(*(f"node {id[:8]}: {problem}" for id, problem in self._problems.items()))

    def _refuse(self, *reasons: str) -> None:
        if not self._first_opened.done():
            said = "\n  ".join(("no node of the Ray cluster has a sandbox:", *reasons))
            self._first_opened.set_exception(SandboxUnavailable(said))

    def _send(self) -> None:
        """Give waiting programs to the nodes with the most room."""
        while self._waiting:
            node = max(self._nodes.values(), key=lambda node: node.room - len(node.has), default=None)
            if node is None or node.room <= len(node.has):
                return
            job = self._waiting.popleft()
            if job.faults == 0 and not job.future.set_running_or_notify_cancel():
                continue
            node.has[id(job)] = job
            self._when_done(node.actor.run.remote(job.program), partial(self._came_back, node, job))

    def _came_back(self, node: Node, job: Job, done: Future[Result]) -> None:
        del node.has[id(job)]
        error = done.exception()
        if error is None:
            result = done.result()
            job.future.set_result(dataclasses.replace(result, retries=result.retries + job.faults))
        elif not isinstance(error, RayActorError):
            job.future.set_exception(error)
        else:
            self._forget(node)
            job.faults += 1
            if job.faults > MOST_MOVES:
                self._answer_unscored(job, f"its node was lost {job.faults} times: {error}")
            else:
                self._waiting.appendleft(job)

    def _forget(self, node: Node) -> None:
        """A node that was lost, or has no sandbox; if it is there at the next look, it is tried anew."""
        node.room = 0
        if self._nodes.get(node.id) is node:
            del self._nodes[node.id]
            ray.kill(node.actor)

    def _give_up_where_all_are_gone(self) -> None:
        if any(node.room for node in self._nodes.values()):
            self._away_since = None
            return
        self._away_since = self._away_since or time.monotonic()
        if time.monotonic() - self._away_since > AWAY_SECONDS:
            while self._waiting:
                self._answer_unscored(
                    self._waiting.popleft(), f"no Ray node had a sandbox for {AWAY_SECONDS:.0f} s"
                )

    def _answer_unscored(self, job: Job, reason: str) -> None:
        job.future.set_result(job.without_verdict(ProgramOutcome.UNSCORED, reason, self._last))


class RaySessions:
    """Sessions on the nodes of a cluster, as `Sessions` has them on the backends of this machine."""

    def __init__(self, pool: RayPool) -> None:
        self._pool = pool

    def open(self, limits: Limits) -> RaySession:
        """A new session; it gets its node with its first cell."""
        return RaySession(self._pool, limits)

    def close(self) -> None:
        """They end with their nodes' sandboxes."""


class RaySession:
    """One namespace, on one node. Cells are run one at a time, from any thread."""

    def __init__(self, pool: RayPool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._number = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._node: Node | None = None

    def execute(self, source: str) -> CellResult:
        """Run one cell. Where its node was lost, the names are gone, and the cell is no more to blame than any."""
        with self._lock:
            try:
                if self._node is None:
                    node = self._pool.a_node()
                    ray.get(node.actor.begin.remote(self._number, self._limits))
                    self._node = node
                return ray.get(self._node.actor.execute.remote(self._number, source))
            except (RayActorError, SandboxUnavailable) as error:
                self._node = None
                return CellResult(outcome=ProgramOutcome.UNSCORED, stdout="", stderr=str(error), ended=True)

    def close(self) -> None:
        """End the session."""
        with self._lock:
            node, self._node = self._node, None
            if node is not None:
                with contextlib.suppress(RayActorError):
                    ray.get(node.actor.end.remote(self._number))
