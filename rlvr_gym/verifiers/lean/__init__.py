"""Lean 4: problems, what checks them, and what a proof may not say."""

from rlvr_gym.verifiers.lean.command import LeanCommand
from rlvr_gym.verifiers.lean.verifier import Lean, LeanProblem

__all__ = ["Lean", "LeanCommand", "LeanProblem"]
