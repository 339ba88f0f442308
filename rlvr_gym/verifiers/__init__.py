"""Verifiers: what decides whether a completion is right."""

from rlvr_gym.verifiers.base import FunctionVerifier, Verifier, judge

__all__ = ["FunctionVerifier", "Verifier", "judge"]
