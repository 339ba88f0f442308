"""Episodes for the tasks of a round, every process playing its share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play import rollout
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.sampling.buffer import Buffer, StepRollouts
from rlvr_trainers.sampling.tree import Forest, grow
from rlvr_trainers.sampling.turnstile import NotLoaded


class UnusableWeights(TrainingError):
    """The sampler cannot work with these weights: they are not worth a checkpoint."""


@final
class Collector:
    """Plays `group_size` episodes of each task; a sample depends on seed, step, round, task and its own index.

    With a `forest`, they are the leaves of its trees, and depend on those that they forked from.
    `on_progress` is told how many of this process's episodes are over, of how many, and how many tokens they have.
    """

    def __init__(
        self,
        env: Environment,
        generator: Generator,
        sampling: SamplingParams,
        *,
        group_size: int,
        seed: int,
        mesh: Mesh,
        on_progress: Callable[[int, int, int], None] | None = None,
        forest: Forest | None = None,
    ) -> None:
        self.env, self.generator = env, generator
        self._on_progress, self._forest = on_progress, forest
        self._sampling, self._group_size, self._seed, self._mesh = sampling, group_size, seed, mesh

    def collect(
        self, tasks: Sequence[Task], round_number: int, *, step: int, clock: PhaseClock
    ) -> list[Group]:
        """One judged group per task, on all processes; `clock` is charged with "generate" and "verify"."""
        mine = self._mesh.share(tasks)
        seed = derive_seed(self._seed, "rollouts", step, round_number)

        def play() -> list[Group]:
            with usable_weights(step):
                return self._play(mine, seed, clock)

        try:
            return self._mesh.gather(self._mesh.together(play))
        except UnusableWeights as error:
            if error.__cause__ is None:  # another process's: here the same weights can be sampled from
                raise TrainingError(str(error)) from error
            raise

    def _play(self, tasks: Sequence[Task], seed: int, clock: PhaseClock) -> list[Group]:
        if self._forest is None:
            return rollout(self.env, self.generator, tasks, self._sampling, group_size=self._group_size, seed=seed,
                           clock=clock, on_progress=self._on_progress)  # fmt: skip
        return grow(self.env, self.generator, tasks, self._sampling, forest=self._forest, seed=seed,
                    clock=clock, on_progress=self._on_progress)  # fmt: skip


@final
class InTurn:
    """The `Source` of a learner that waits for samples of its latest weights."""

    def __init__(self, buffer: Buffer, collector: Collector) -> None:
        self.max_rounds = buffer.max_rounds
        self.buffer, self.collector = buffer, collector

    def take(self, version: int, *, step: int, clock: PhaseClock) -> StepRollouts:
        """Sample the groups of the next step, as `Source.take` says."""
        return self.buffer.take(version, partial(self.collector.collect, step=step, clock=clock))

    @property
    def state(self) -> dict[str, Any]:
        """The state of the buffer."""
        return self.buffer.state

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self.buffer.state = state

    def close(self) -> None:
        """Nothing is under way between steps."""


@contextmanager
def usable_weights(step: int) -> Iterator[None]:
    """Raise `UnusableWeights`, with advice, for what goes wrong in sampling after `step`."""
    try:
        yield
    except NotLoaded:
        raise  # nothing was sampled from them
    except TrainingError as error:
        raise UnusableWeights(
            f"after step {step}: {error}. These weights are not kept; a lower optimizer.learning_rate "
            "usually helps, in a new run.dir"
        ) from error
