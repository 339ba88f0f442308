"""Mathematical answers: read whole, compared by value, never executed."""

from rlvr_gym.verifiers.math.verifier import Math

__all__ = ["Math"]
