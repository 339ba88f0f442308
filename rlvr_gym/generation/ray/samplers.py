"""The samplers of a cluster: which of them are asked, and the weights that they are to have."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from pickle import PicklingError
from typing import Any

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.ray.actor import Make, SamplerActor
from rlvr_gym.generation.ray.nodes import (
    BREATH_SECONDS,
    Member,
    Node,
    NodeActors,
    cause_of,
    raised_in_an_actor,
)
from rlvr_gym.generation.ray.stored import StoredWeights
from rlvr_gym.generation.weights import LARGEST_MEAN_DIFFERENCE, mean_difference

AHEAD = 2
"""Requests that a sampler is sent at a time: one that it works on, and one so that it need not wait for the network."""


class Samplers:
    """A sampler for each GPU of every node, one on a node without; all with the same weights.

    One that cannot be asked, or computes something else than the others, is left out. Where its node is still there,
    and on nodes that join, another is started, which is asked once it has the current weights.

    Raises ConfigError where no node gets one, or where `make` cannot be pickled.
    """

    def __init__(self, make: Make, weights: StoredWeights, *, patience_seconds: float) -> None:
        self._weights: StoredWeights | None = weights
        self._make, self._patience_seconds = _put(make), patience_seconds
        self._proof: tuple[float, ...] | None = None
        """The scores of the actors' probe under the current weights."""
        self._lock = threading.RLock()
        self._nodes = NodeActors(
            "sampler",
            patience_seconds,
            places=_places,
            start=self._start,
            open=self._load,
            opened=self._loaded,
        )
        try:
            self._nodes.wait_for_one(starting=True)
        except TrainingError as error:
            self.close()
            raise ConfigError(f"rollouts.ray: {error}") from error

    def send(self, *arguments: Any) -> tuple[Any, Member] | None:
        """Have the least busy sampler sample; None where all have enough to do, or none is there for now.

        Returns the call, and who was sent it. Raises TrainingError where no sampler has been there for too long.
        """
        with self._lock:
            self._nodes.look()
            self._nodes.refuse_to_wait()
            free = [member for member in self._nodes.ready if member.under_way < AHEAD]
            if not free:
                return None
            member = min(free, key=lambda member: member.under_way)
            member.under_way += 1
            return member.actor.generate.remote(self._current.number, *arguments), member

    def rest(self) -> None:
        """Wait a moment for a sampler to be there."""
        time.sleep(BREATH_SECONDS)

    def over(self, member: Member) -> None:
        """Count a call as over that a sampler was sent."""
        with self._lock:
            member.under_way -= 1

    def leave_out(self, member: Member, error: BaseException) -> None:
        """Ask that sampler no more."""
        with self._lock:
            self._nodes.leave_out(member, error)

    def drop_weights(self) -> None:
        """Let the store forget the weights before it takes others, so that it need not hold both; then `load`."""
        with self._lock:
            self._weights = None

    def load(self, weights: StoredWeights) -> None:
        """Have all samplers take these weights, after the requests that they were sent before.

        Those that do not are left out. Raises TrainingError where none does.
        """
        with self._lock:
            self._weights, self._proof = weights, None
            for member, scores in self._asked(self._load).items():
                self._accept(member, scores)
            self._nodes.wait_for_one()

    def score(self, *arguments: Any) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, the same by every sampler. Raises TrainingError where they differ."""
        with self._lock:
            self._nodes.look()
            found: dict[Member, list[tuple[float, ...]]] = {}
            while not found:
                self._nodes.wait_for_one()
                found = self._asked(lambda actor: actor.score.remote(self._current.number, *arguments))
            (first, values), *others = found.items()
            for member, theirs in others:
                apart = mean_difference(
                    [p for each in values for p in each], [p for each in theirs for p in each]
                )
                if apart > LARGEST_MEAN_DIFFERENCE:
                    raise TrainingError(
                        f"the samplers of {first.name} and {member.name} should have the same weights, and their "
                        f"log-probabilities of the same tokens are {apart:.2g} apart on average"
                    )
            return values

    def close(self) -> None:
        """End all samplers."""
        with self._lock:
            self._nodes.close()

    def _asked(self, ask: Callable[[Any], Any]) -> dict[Member, Any]:
        """Answers of the samplers that give one; others are left out. Raises what their code raised where none does."""
        calls = {ask(member.actor): member for member in self._nodes.ready}
        done, late = (
            ray.wait(list(calls), num_returns=len(calls), timeout=self._patience_seconds)
            if calls
            else ([], [])
        )
        for call in late:
            self._nodes.leave_out(calls[call], f"no answer within {self._patience_seconds:g} s")
        answers: dict[Member, Any] = {}
        refused: RayTaskError | None = None
        for call in done:
            try:
                answers[calls[call]] = ray.get(call)
            except RayError as error:
                self._nodes.leave_out(calls[call], error)
                refused = error if isinstance(error, RayTaskError) else refused
        if refused is not None and not answers:
            raise raised_in_an_actor(refused) or TrainingError(cause_of(refused)) from refused
        return answers

    def _start(self, node: Node, placed: dict[str, Any]) -> Any:
        gpus = 1 if node["Resources"].get("GPU", 0) >= 1 else 0
        actor: Any = ray.remote(SamplerActor)
        return actor.options(num_cpus=1 - gpus, num_gpus=gpus, **placed).remote(
            [self._make], torch.get_num_threads()
        )

    @property
    def _current(self) -> StoredWeights:
        assert self._weights is not None, "nothing is asked of samplers between two updates' weights"
        return self._weights

    def _load(self, actor: Any) -> Any:
        return actor.load.remote(self._current.number, self._current.version, *self._current.chunks)

    def _loaded(self, member: Member, loaded: tuple[int, tuple[float, ...]]) -> Any:
        """See a new sampler's weights: another call where they are not the current ones any more."""
        number, scores = loaded
        if number != self._current.number:
            return self._load(member.actor)
        self._refuse_others(scores)
        return None

    def _accept(self, member: Member, loaded: tuple[int, tuple[float, ...]]) -> None:
        try:
            self._refuse_others(loaded[1])
        except TrainingError as error:
            self._nodes.leave_out(member, error)

    def _refuse_others(self, scores: tuple[float, ...]) -> None:
        if self._proof is None or not all(map(math.isfinite, self._proof)):
            self._proof = (
                scores  # of weights that hold NaN nothing can be proven, and nothing is sampled from them
            )
            return
        apart = mean_difference(self._proof, scores)
        if not apart <= LARGEST_MEAN_DIFFERENCE:
            raise TrainingError(
                f"from the same weights it computes log-probabilities that are {apart:.2g} off those of the others"
            )


def _put(make: Make) -> Any:
    try:
        return ray.put(make)
    except (PicklingError, TypeError, AttributeError, ValueError) as error:  # as pickle refuses
        raise ConfigError(
            f"rollouts.ray: this model cannot be sent to the nodes of a cluster: {error}"
        ) from error


def _places(node: Node) -> int:
    return max(1, int(node["Resources"].get("GPU", 0)))
