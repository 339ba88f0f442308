"""Answers to open questions, of which several ways to write them are gold: exact match and F1 of normal forms."""

from rlvr_gym.verifiers.open_answers.normal import normal
from rlvr_gym.verifiers.open_answers.verifiers import F1, ExactMatch, golden_answers

__all__ = ["F1", "ExactMatch", "golden_answers", "normal"]
