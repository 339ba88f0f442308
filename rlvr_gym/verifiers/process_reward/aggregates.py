"""From the probabilities of steps to one number for the answer that they make up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from rlvr_gym.errors import ConfigError

Aggregate = Literal["product", "minimum", "last"]


def aggregated(probabilities: Sequence[float], how: Aggregate) -> float:
    """The score of an answer whose steps are right with these probabilities.

    `product` is the probability that all are right, each given those before it (arXiv 2305.20050). It falls with every
    step, so of two answers whose steps are equally sure the shorter one has more. `minimum` is the least sure step's:
    more steps have more chances of a low one, which favours short answers too, but less. `last` is the last step's,
    which has read all others and is the only one that does not depend on how many there are. Raises ConfigError where
    there is no step.
    """
    if not probabilities:
        raise ConfigError("an answer without steps has no score")
    match how:
        case "product":
            return math.prod(probabilities)
        case "minimum":
            return min(probabilities)
        case "last":
            return probabilities[-1]


def refuse_another_way(how: str) -> None:
    """Raise ConfigError for an aggregate that there is none of."""
    if how not in get_args(Aggregate):
        raise ConfigError(f"aggregate must be one of {', '.join(get_args(Aggregate))}, not {how!r}")
