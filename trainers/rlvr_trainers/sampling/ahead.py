"""Sampling that goes on while the learner works: rounds in the background, and the samples that are young enough."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.errors import TrainingError
from rlvr_gym.rollouts import Group
from rlvr_gym.tasks import Task
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.sampling.buffer import GROUPS, TIMES, StepNeeds, StepRollouts
from rlvr_trainers.sampling.collector import usable_weights
from rlvr_trainers.sampling.starvation import check_unscored, starved
from rlvr_trainers.sampling.stream import TaskStream

_PATIENCE_SECONDS = 2.0
"""Time for rounds to end that were called off: one that waits for a slow answer does not."""

Play = Callable[[Sequence[Task], int], list[Group]]
"""(tasks, number of the round in the run) -> one judged group per task; called in a thread of its own."""


@final
@dataclass(frozen=True, kw_only=True)
class _Round:
    """A round that is being played; `stream` is the state of the data before its tasks were drawn."""

    number: int
    stream: dict[str, int]
    groups: Future[list[Group]]


@final
class RoundsAhead:
    """Rounds of `size` prompts, each played in a thread of its own, and handed out in the order they were begun.

    While the learner works, `ahead` of them are under way. Every process plays its share of each. The threads are
    daemons: a slow answer keeps no process from ending.
    """

    def __init__(self, stream: TaskStream, play: Play, *, size: int, ahead: int, mesh: Mesh) -> None:
        self._stream, self._play, self._size, self._ahead, self._mesh = stream, play, size, ahead, mesh
        self._under_way: deque[_Round] = deque()
        self._threads: list[threading.Thread] = []
        self._begun = 0

    def close(self) -> None:
        """Wait until the threads of rounds that were called off have ended, but not long.

        A process that ends while one of them frees a tensor, which it does as it ends, is aborted.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def next(self) -> list[Group]:
        """Wait for the oldest round and begin another; returns its groups, in the order of their tasks."""
        self._fill()
        oldest = self._under_way[0]
        groups = self._mesh.gather(self._mesh.together(oldest.groups.result))
        self._under_way.popleft()
        self._fill()
        return groups

    @property
    def state(self) -> dict[str, Any]:
        """Return the position in the data before the oldest round that has not been handed out, as JSON values."""
        if not self._under_way:
            return {"stream": self._stream.state, "round": self._begun}
        return {"stream": self._under_way[0].stream, "round": self._under_way[0].number}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        """Begin there again. What was under way is played again, under the weights of now."""
        self._under_way.clear()
        self._stream.state, self._begun = state["stream"], state["round"]

    def _fill(self) -> None:
        while len(self._under_way) < self._ahead:
            self._begin()

    def _begin(self) -> None:
        number, self._begun = self._begun, self._begun + 1
        stream = self._stream.state
        mine = self._mesh.share(self._stream.draw(self._size))
        groups: Future[list[Group]] = Future()

        def play() -> None:
            try:
                groups.set_result(self._play(mine, number) if mine else [])
            except BaseException as error:  # noqa: BLE001 - raised where the round is waited for
                groups.set_exception(error)

        self._under_way.append(_Round(number=number, stream=stream, groups=groups))
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=play, name=f"rlvr-round-{number}", daemon=True))
        self._threads[-1].start()


@final
class Ahead:
    """The `Source` of a learner that does not wait for its samples to be those of its latest weights.

    A group is as old as its oldest token: so many steps have the weights moved on since. One that is older than
    `max_staleness` is dropped. Dynamic sampling takes rounds until enough groups teach something; what is left over
    serves later steps, until it is too old.
    """

    def __init__(
        self,
        rounds: RoundsAhead,
        needs: StepNeeds,
        *,
        max_staleness: int,
        updates_per_step: int,
        stop: Callable[[], None],
    ) -> None:
        self.max_rounds = needs.max_rounds
        self._rounds, self._needs, self._wanted = rounds, needs, needs.groups
        self._max_staleness, self._updates_per_step = max_staleness, updates_per_step
        self._surplus: list[Group] = []
        self._stop = stop

    def take(self, version: int, *, step: int, clock: PhaseClock) -> StepRollouts:
        """The groups of the next step, as `Source.take` says; "generate" is charged with what they were waited for."""
        kept, dropped = self._by_age(self._surplus, version)
        self._surplus = []
        everything: list[Group] = []
        rounds = 0
        while len(kept) < self._wanted:
            if self.max_rounds is not None and rounds == self.max_rounds:
                raise starved(everything, kept=len(kept), wanted=self._wanted, rounds=rounds)
            with clock.phase("generate"), usable_weights(step):
                groups = self._rounds.next()
            rounds += 1
            everything += groups
            young, old = self._by_age(groups, version)
            dropped += old
            kept += (
                young if self.max_rounds is None else [group for group in young if self._needs.keeps(group)]
            )
            check_unscored([r for group in everything for r in group], self._needs.max_unscored)
        self._surplus = kept[self._wanted :]
        kept = kept[: self._wanted]
        return StepRollouts(
            groups=kept,
            everything=everything,
            rounds=rounds,
            stale=len(dropped),
            dropped=dropped,
            ages=[self._age(group, version) for group in kept],
        )

    @property
    def state(self) -> dict[str, Any]:
        """Accepted groups that are not used yet, and where the data stood for what is under way, as JSON values."""
        surplus = GROUPS.dump_python(self._surplus, mode="json", exclude=TIMES)
        return {**self._rounds.state, "surplus": surplus}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._rounds.state = state
        self._surplus = GROUPS.validate_python(state["surplus"])

    def close(self) -> None:
        """Call off what is under way."""
        self._stop()
        self._rounds.close()

    def _by_age(self, groups: Sequence[Group], version: int) -> tuple[list[Group], list[Group]]:
        """Those that are young enough, and the others."""
        young = [group for group in groups if self._age(group, version) <= self._max_staleness]
        kept = set(map(id, young))
        return young, [group for group in groups if id(group) not in kept]

    def _age(self, group: Group, version: int) -> float:
        """By how many steps the weights have moved on since the group's oldest token was sampled."""
        versions = [rollout.oldest_weights for rollout in group if rollout.token_ids]
        known = [oldest for oldest in versions if oldest is not None]
        if len(known) < len(versions):
            raise TrainingError(
                "the sampler does not say which weights its samples are from: buffer.max_staleness needs one that does"
            )
        return (version - min(known, default=version)) / self._updates_per_step
