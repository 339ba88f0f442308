"""Judging on the nodes of a Ray cluster. Nothing imports this module but runs that ask for it, for it imports Ray."""

from __future__ import annotations

import threading
import weakref
from functools import partial
from pickle import PicklingError
from typing import Any, final

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.ray.nodes import BREATH_SECONDS, Member, Node, NodeActors, cause_of, connect
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.base import Verifier, judge

TRIES = 3
"""Judges that may be lost under one completion before it is unscored."""
LEAST_SLOTS = 4
"""Verdicts at once on a node, if it has no more CPUs: most of the time they wait for processes of their own."""
_LOSS_SECONDS = 60.0
"""Time until the loss of a node is known."""


class JudgeActor:
    """The judge of one node: several threads, and a copy of each verifier."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._verifiers: dict[int, Verifier] = {}
        self._lock = threading.Lock()

    def open(self) -> int:
        """Be ready. Returns the number of verdicts that are computed at once."""
        return self._slots

    def judge(self, key: int, verifier: list[Any], task: Task, completion: Completion) -> Verdict:
        """The verdict of the verifier `key`, to which a reference stands in the list `verifier`."""
        with self._lock:
            if key not in self._verifiers:
                self._verifiers[key] = ray.get(verifier[0])
        return judge(self._verifiers[key], task, completion)


@final
class RayJudges:
    """The `Judging` of a cluster: a judge on each node that has CPUs, verdicts from whichever has a free slot.

    A judge is sent no more than it can begin at once. What a lost one had is judged again by another, and is unscored
    if that happens `TRIES` times, or where no node has a judge for `patience_seconds`. Verifiers travel by pickle.

    Raises ConfigError where no node gets a judge.
    """

    def __init__(self, address: str = "auto", *, patience_seconds: float = 300.0) -> None:
        connect(address)
        self._patience_seconds = patience_seconds
        self._slots: dict[Member, int] = {}
        self._nodes = NodeActors(
            "judge",
            patience_seconds,
            places=lambda _: 1,
            start=_start,
            open=lambda actor: actor.open.remote(),
            opened=partial(_take_slots, self._slots),
        )
        self._changed = threading.Condition()
        self._verifiers: dict[int, tuple[Verifier, Any]] = {}
        """The verifiers that have been sent, by identity, and where they lie in the object store."""
        try:
            self._nodes.wait_for_one(starting=True)
        except TrainingError as error:
            self._nodes.close()
            raise ConfigError(f"rollouts.ray: {error}") from error
        self.close = weakref.finalize(self, self._nodes.close)

    @property
    def slots(self) -> int:
        """Number of verdicts that all nodes together compute at once."""
        with self._changed:
            return sum(self._slots.get(member, 0) for member in self._nodes.ready)

    def timeout_seconds(self, of_answer: float) -> float:
        """Time for all tries, each on a node whose loss takes a while to be known."""
        return TRIES * (of_answer + _LOSS_SECONDS) + self._patience_seconds

    def send(self, verifier: Verifier) -> None:
        """Put a verifier where judges find it. Raises ConfigError for one that cannot travel."""
        if id(verifier) in self._verifiers:
            return
        try:
            self._verifiers[id(verifier)] = verifier, ray.put(verifier)
        except (PicklingError, TypeError, AttributeError, ValueError, RayError) as error:  # as pickle refuses
            raise ConfigError(
                f"rollouts.ray: a {type(verifier).__name__} cannot be sent to the nodes of a cluster, which it would "
                f"have to be by pickle: {error}"
            ) from error

    def __call__(self, verifier: Verifier, task: Task, completion: Completion) -> Verdict:
        """The verdict of the node that has a free slot first."""
        if completion.failed:
            return judge(verifier, task, completion)
        with self._changed:
            self.send(verifier)
        losses: list[str] = []
        while len(losses) < TRIES:
            try:
                member = self._free()
            except TrainingError as error:
                return Verdict.unscored(str(error))
            try:
                return self._asked(member, verifier, task, completion)
            except RayError as error:
                losses.append(f"{member.name}: {cause_of(error)}")
                with self._changed:
                    self._nodes.leave_out(member, error)
        return Verdict.unscored(f"its judge was lost {TRIES} times: {'; '.join(losses)}")

    def _asked(self, member: Member, verifier: Verifier, task: Task, completion: Completion) -> Verdict:
        """The verdict of one node. Raises RayError where that is lost."""
        seconds, stuck = verifier.timeout_seconds, False
        sent = self._verifiers[id(verifier)][1]
        try:
            return ray.get(member.actor.judge.remote(id(verifier), [sent], task, completion), timeout=seconds)
        except GetTimeoutError:
            stuck = True
            return Verdict.unscored(f"the verifier gave no answer within {seconds:g} s on {member.name}")
        except RayTaskError as error:
            return Verdict.unscored(f"{member.name} could not judge: {cause_of(error)}")
        finally:
            self._over(member, stuck=stuck)

    def _free(self) -> Member:
        """Wait for a free slot, and take it. Raises TrainingError where no node has had a judge for too long."""
        with self._changed:
            while True:
                self._nodes.look()
                self._nodes.refuse_to_wait()
                free = [m for m in self._nodes.ready if m.under_way < self._slots[m]]
                if free:
                    member = min(free, key=lambda m: m.under_way / self._slots[m])
                    member.under_way += 1
                    return member
                self._changed.wait(BREATH_SECONDS)

    def _over(self, member: Member, *, stuck: bool) -> None:
        """Free a slot; one that is stuck is lost, and a judge that has lost all is ended."""
        with self._changed:
            member.under_way -= 1
            if stuck:
                self._slots[member] -= 1
                if not self._slots[member]:
                    self._nodes.leave_out(member, "all of its slots are taken by verifiers that do not end")
            self._changed.notify()


def _take_slots(slots: dict[Member, int], member: Member, opened: int) -> None:
    slots[member] = opened


def _start(node: Node, placed: dict[str, Any]) -> Any:
    slots = max(LEAST_SLOTS, int(node["Resources"]["CPU"]))
    actor: Any = ray.remote(JudgeActor)
    return actor.options(num_cpus=0, max_concurrency=slots, **placed).remote(slots)
