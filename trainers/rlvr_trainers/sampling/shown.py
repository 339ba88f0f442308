"""Steps that are fed by data: nothing is sampled for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.rollouts import Group
from rlvr_gym.tasks import Task
from rlvr_trainers.sampling.buffer import StepRollouts
from rlvr_trainers.sampling.stream import TaskStream

Show = Callable[[Sequence[Task]], list[Group]]
"""Tasks -> what the data holds of each."""


@final
class Shown:
    """The `Source` of a learner that is shown `wanted` rows of data a step, in the order of the stream.

    With `judged` the rows are samples with verdicts on them, else demonstrations. A step that ends one pass over the
    data goes on with the next.
    """

    def __init__(self, stream: TaskStream, show: Show, *, wanted: int, judged: bool) -> None:
        self.max_rounds: int | None = None
        self._stream, self._show, self._wanted, self._judged = stream, show, wanted, judged

    def take(self, version: int, *, step: int, clock: PhaseClock) -> StepRollouts:
        """The next rows, whatever weights they meet."""
        groups = self._show([task for _ in range(self._wanted) for task in self._stream.draw(1)])
        everything = groups if self._judged else []
        return StepRollouts(
            groups=groups, everything=everything, rounds=1, stale=0, demonstrated=not self._judged
        )

    @property
    def state(self) -> dict[str, Any]:
        """The position in the data."""
        return {"stream": self._stream.state}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._stream.state = state["stream"]

    def close(self) -> None:
        """Nothing is under way between steps."""
