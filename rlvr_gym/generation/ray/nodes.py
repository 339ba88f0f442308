"""Actors on the nodes of a Ray cluster: new ones where nodes join, none where they are lost."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rlvr_sandbox.ray_address import running_cluster

from rlvr_gym.errors import ConfigError, RlvrError, TrainingError

_LOOK_SECONDS = 1.0
"""The time between looks for nodes that joined."""
_TRY_AGAIN_SECONDS = 5.0
"""The time after which an actor that ended is started anew, if its node is still there."""
BREATH_SECONDS = 0.05
"""The time between looks for an actor that is waited for."""
_SHOWN = 300


def connect(address: str) -> None:
    """Join the cluster at `address`, HOST:PORT; `auto` is the one that runs on this machine, or else a new one.

    Does nothing in a process that is part of it. Raises ConfigError where there is no such cluster.
    """
    if "://" in address:
        raise ConfigError(f"rollouts.ray={address}: give auto, or HOST:PORT of the cluster's head node")
    if ray.is_initialized():
        joined = ray.get_runtime_context().gcs_address
        if address not in ("auto", joined):
            raise ConfigError(f"rollouts.ray={address}: this process is part of another cluster, {joined}")
        return
    try:
        _init(running_cluster(address))
    except (OSError, ValueError, RuntimeError, RayError) as error:
        raise ConfigError(
            f"rollouts.ray={address}: no Ray cluster answers there ({cause_of(error)}). Start one with "
            "`ray start --head`, and other machines with `ray start --address=HOST:6379`"
        ) from error


def _init(address: str) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of Ray's own defaults
        ray.init(address, **quiet)


def cause_of(error: BaseException) -> str:
    """The error in a line: for one that was raised in an actor, the one that was raised there."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {' '.join(lines)[:_SHOWN]}"


def raised_in_an_actor(error: BaseException) -> RlvrError | None:
    """One of our own errors that was raised in an actor; None for any other, and where the actor was lost."""
    cause = error.cause if isinstance(error, RayTaskError) else None
    return cause if isinstance(cause, RlvrError) else None


@dataclass(kw_only=True, eq=False)
class Member:
    """An actor on a node."""

    place: tuple[str, int]
    """The node's id, and which of its actors it is."""
    actor: Any
    opening: Any
    """The call that makes it ready; None once it is."""
    under_way: int = 0
    """Calls that it has been sent, beyond `opening`."""

    @property
    def name(self) -> str:
        """The name of its node, for messages."""
        return f"Ray node {self.place[0][:8]}"


Node = Mapping[str, Any]
"""A node as `ray.nodes` describes it."""


class NodeActors:
    """The actors of one kind. Called by one thread at a time.

    Args:
        kind: a noun for them, for messages.
        patience_seconds: how long to wait while there is none.
        places: how many actors a node is to have; those with no CPU that Ray may use get none.
        start: starts an actor on a node; it is given the node and the options that place it there.
        open: sends an actor the call that makes it ready.
        opened: looks at what that call returned; returns a further call to wait for, or None for an actor that is
            ready. Raises TrainingError for one that must not be used.
    """

    def __init__(
        self,
        kind: str,
        patience_seconds: float,
        *,
        places: Callable[[Node], int],
        start: Callable[[Node, dict[str, Any]], Any],
        open: Callable[[Any], Any],
        opened: Callable[[Member, Any], Any],
    ) -> None:
        self._places, self._start, self._open, self._opened = places, start, open, opened
        self._members: dict[tuple[str, int], Member] = {}
        self._not_before: dict[tuple[str, int], float] = {}
        self._troubles: dict[str, str] = {}
        self._look_at = 0.0
        self._kind, self._patience_seconds = kind, patience_seconds
        self._alone_since: float | None = None

    @property
    def ready(self) -> list[Member]:
        """The actors that can be asked."""
        return [member for member in self._members.values() if member.opening is None]

    @property
    def trouble(self) -> str:
        """Describe why there is no actor, or no more of them."""
        if self._troubles:
            return "; ".join(self._troubles.values())
        if self._members:
            return "actors have not started yet: are the CPUs and GPUs of the nodes taken by something else?"
        return "the cluster has no node with CPUs that Ray may use"

    def wait_for_one(self, *, starting: bool = False) -> None:
        """Wait until an actor can be asked.

        Raises TrainingError where none can for too long, and at once where they are `starting` and all have failed.
        """
        while True:
            self.look()
            self.refuse_to_wait()
            if self.ready:
                return
            if starting and self._troubles and not self._members:
                raise TrainingError(f"no node of the Ray cluster has a {self._kind}: {self.trouble}")
            time.sleep(BREATH_SECONDS)

    def refuse_to_wait(self) -> None:
        """Raise TrainingError where no actor could be asked for too long."""
        if self.ready:
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = now if self._alone_since is None else self._alone_since
        if now - self._alone_since > self._patience_seconds:
            raise TrainingError(
                f"no node of the Ray cluster has had a {self._kind} for {self._patience_seconds:g} s: {self.trouble}. "
                "Rerun the command to resume once there are nodes"
            )

    def look(self) -> None:
        """Start actors on nodes that joined, and see which are ready by now."""
        for member in [member for member in self._members.values() if member.opening is not None]:
            done, _ = ray.wait([member.opening], timeout=0)
            if done:
                self._see(member)
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                for number in range(self._places(node)):
                    self._fill((node["NodeID"], number), node, now)

    def leave_out(self, member: Member, error: BaseException | str) -> None:
        """End an actor that was lost or cannot be used; where its node is still there, another one is started later."""
        if self._members.get(member.place) is not member:
            return
        del self._members[member.place]
        said = error if isinstance(error, str) else cause_of(error)
        self._troubles[member.name] = f"{member.name}: {said}"
        self._not_before[member.place] = time.monotonic() + _TRY_AGAIN_SECONDS
        ray.kill(member.actor)

    def close(self) -> None:
        """End all actors."""
        if not ray.is_initialized():
            return
        for member in self._members.values():
            ray.kill(member.actor)
        self._members.clear()

    def _fill(self, place: tuple[str, int], node: Node, now: float) -> None:
        if place in self._members or now < self._not_before.get(place, 0.0):
            return
        there = NodeAffinitySchedulingStrategy(place[0], soft=False)
        actor = self._start(node, {"scheduling_strategy": there, "max_restarts": 0})
        self._members[place] = Member(place=place, actor=actor, opening=self._open(actor))

    def _see(self, member: Member) -> None:
        try:
            member.opening = self._opened(member, ray.get(member.opening))
        except (RayError, TrainingError) as error:
            self.leave_out(member, error)
            return
        if member.opening is None:
            self._troubles.pop(member.name, None)
