"""Sampling until the interval is tight enough, without letting the stopping rule choose the estimate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from rlvr_gym.evaluation.statistics.tallies import Estimate
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task

FIRST_ROUND = 32
GROWTH = 1.5


def rounds(tasks: Sequence[Task], seed: int) -> Iterator[list[Task]]:
    """The tasks in an order drawn by `seed`, in rounds after each of which one may stop.

    In an order that is drawn, because task sets are often sorted, by subject or difficulty, and any beginning
    of such a set is another kind of set. The first round has 32 tasks, and each adds half as many as there were:
    few looks, whose places do not depend on what was seen.
    """
    order = sorted(tasks, key=lambda task: derive_seed("round", seed, task.id))
    done, upto = 0, FIRST_ROUND
    while done < len(order):
        yield order[done:upto]
        done, upto = upto, round(upto * GROWTH)


def widest_half_width(estimates: Iterable[Estimate]) -> float:
    """Half the width of the widest interval; infinite where an estimate has none, as no problem supports it."""
    widths = [estimate.half_width for estimate in estimates]
    return max(math.inf if math.isnan(width) else width for width in widths)
