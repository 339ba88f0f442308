"""rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe."""

from rlvr_gym import verifiers
from rlvr_gym.environment import Card, Environment, TextSpace
from rlvr_gym.errors import (
    ConfigError,
    DataError,
    RlvrError,
    TooManyUnscored,
    TrainingError,
    VerifierFault,
)
from rlvr_gym.evaluation import EvaluationResult, evaluate
from rlvr_gym.generation.base import Generator, Prompt, SamplingParams
from rlvr_gym.registry import discover, make, register, registered
from rlvr_gym.rollouts import Group, Rollout, collect
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.vector import GroupVectorEnv, Step
from rlvr_gym.verdicts import Completion, FinishReason, Outcome, Verdict
from rlvr_gym.verifiers import FunctionVerifier, Verifier

__all__ = [
    "Card",
    "Completion",
    "ConfigError",
    "DataError",
    "Environment",
    "EvaluationResult",
    "FinishReason",
    "FunctionVerifier",
    "Generator",
    "Group",
    "GroupVectorEnv",
    "Message",
    "Outcome",
    "Prompt",
    "RlvrError",
    "Rollout",
    "SamplingParams",
    "Step",
    "Task",
    "TaskSet",
    "TextSpace",
    "TooManyUnscored",
    "TrainingError",
    "Verdict",
    "Verifier",
    "VerifierFault",
    "collect",
    "evaluate",
    "make",
    "register",
    "registered",
    "verifiers",
]

discover()
