"""The two ways our procedural environments put a question."""

from __future__ import annotations

from rlvr_gym import ConfigError
from rlvr_gym.verifiers import AnswerContract, Marker


def answer_contract(style: str, *, words: Marker = Marker.BOXED) -> AnswerContract:
    """Choose the place of the answer.

    `words` is a question in natural language, answered in the given marker; `symbols` is a terse line of
    printable ASCII for tiny character-level models, whose whole completion is the answer.
    """
    match style:
        case "words":
            return AnswerContract(words)
        case "symbols":
            return AnswerContract(Marker.WHOLE)
        case _:
            raise ConfigError(f"style must be 'words' or 'symbols', not '{style}'")


def in_range(name: str, value: int, low: int, high: int) -> None:
    """Refuse an option outside of its range."""
    if not low <= value <= high:
        raise ConfigError(f"{name} must be from {low} to {high}, not {value}")
