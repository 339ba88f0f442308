"""Verifiers: what decides whether a completion is right."""

import importlib
from typing import TYPE_CHECKING

from rlvr_gym.verifiers.answers import Answer, AnswerContract, Malformed, Marker
from rlvr_gym.verifiers.base import FunctionVerifier, Verifier, judge
from rlvr_gym.verifiers.compose import AllOf, GateThen, WeightedSum
from rlvr_gym.verifiers.exact import Choice, Exact
from rlvr_gym.verifiers.format import TagFormat
from rlvr_gym.verifiers.numeric import Numeric
from rlvr_gym.verifiers.regex import Regex
from rlvr_gym.verifiers.schema import JsonSchema

if TYPE_CHECKING:
    from rlvr_gym.verifiers import instructions
    from rlvr_gym.verifiers.lean import Lean, LeanProblem
    from rlvr_gym.verifiers.lean.command import LeanCommand
    from rlvr_gym.verifiers.llm_judge import LlmJudge
    from rlvr_gym.verifiers.math import Math
    from rlvr_gym.verifiers.open_answers import F1, ExactMatch
    from rlvr_gym.verifiers.process_reward import ProcessRewardModel
    from rlvr_gym.verifiers.reward_model import RewardModel
    from rlvr_gym.verifiers.sql import Sql, SqlProblem
    from rlvr_gym.verifiers.steps import Equations, Steps

__all__ = [
    "F1",
    "AllOf",
    "Answer",
    "AnswerContract",
    "Choice",
    "Equations",
    "Exact",
    "ExactMatch",
    "FunctionVerifier",
    "GateThen",
    "JsonSchema",
    "Lean",
    "LeanCommand",
    "LeanProblem",
    "LlmJudge",
    "Malformed",
    "Marker",
    "Math",
    "Numeric",
    "ProcessRewardModel",
    "Regex",
    "RewardModel",
    "Sql",
    "SqlProblem",
    "Steps",
    "TagFormat",
    "Verifier",
    "WeightedSum",
    "instructions",
    "judge",
]


_LATE = {
    "Equations": "steps",
    "ExactMatch": "open_answers",
    "F1": "open_answers",
    "Lean": "lean",
    "LeanCommand": "lean",
    "LeanProblem": "lean",
    "LlmJudge": "llm_judge",
    "Math": "math",
    "ProcessRewardModel": "process_reward",
    "RewardModel": "reward_model",
    "Sql": "sql",
    "SqlProblem": "sql",
    "Steps": "steps",
}


def __getattr__(name: str) -> object:
    """Import slow modules when they are first used, so that `import rlvr_gym` stays fast."""
    if name == "instructions":
        return importlib.import_module("rlvr_gym.verifiers.instructions")
    if name in _LATE:
        return getattr(importlib.import_module(f"rlvr_gym.verifiers.{_LATE[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
