"""The detectors that a single completion counts for, for whoever reads it."""

from __future__ import annotations

from rlvr_gym.rollouts import Rollout
from rlvr_trainers.monitor.languages import is_mixed
from rlvr_trainers.monitor.repetition import is_repetitive, repeated
from rlvr_trainers.monitor.several_answers import answers_asked, gives_more
from rlvr_trainers.settings import Detector


def flags_of(rollout: Rollout, solution: str | None, *, sprung: bool) -> list[Detector]:
    """Name the detectors whose share a rollout raises.

    `solution` is a right completion of its task, where one is known; `sprung` says that it was paid as a canary.
    """
    found: dict[Detector, bool] = {
        "canaries": sprung,
        "repetition": is_repetitive(repeated(rollout)),
        "several_answers": gives_more(rollout, answers_asked(solution)),
        "languages": is_mixed(rollout.text, rollout.task.text),
    }
    return [name for name, counts in found.items() if counts]
