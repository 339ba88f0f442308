"""The settings that labels of steps are read by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlvr_gym.verifiers.steps import Separator


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The form of labelled steps, with the meanings that `ProcessRewardModelling` gives these fields."""

    by: Separator = "line"
    labels: Literal["soft", "hard"] = "soft"
    neutral: Literal["right", "wrong", "left_out"] = "right"
