"""Verifiers: what decides whether a completion is right."""

from rlvr_gym.verifiers.answers import Answer, AnswerContract, Malformed, Marker
from rlvr_gym.verifiers.base import FunctionVerifier, Verifier, judge

__all__ = [
    "Answer",
    "AnswerContract",
    "FunctionVerifier",
    "Malformed",
    "Marker",
    "Verifier",
    "judge",
]
