"""rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe."""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

from rlvr_gym import verifiers
from rlvr_gym.environments.base import Environment, EnvironmentCard, Response, TextSpace
from rlvr_gym.environments.vector import GroupVectorEnv, TurnResult
from rlvr_gym.errors import (
    ConfigError,
    DataError,
    RlvrError,
    TooManyUnscored,
    TrainingError,
    VerifierFault,
)
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.play import rollout
from rlvr_gym.registry import discover, list_environments, make, register
from rlvr_gym.rollouts import Group, Rollout, TurnReward
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Completion, FinishReason, Outcome, Verdict
from rlvr_gym.verifiers import FunctionVerifier, Verifier

if TYPE_CHECKING:
    from rlvr_gym.evaluation import EvaluationResult, evaluate
    from rlvr_gym.generation.loading import load_model
    from rlvr_gym.generation.transformers import TransformersGenerator

    __version__: str

__all__ = [
    "Completion",
    "ConfigError",
    "DataError",
    "Environment",
    "EnvironmentCard",
    "EvaluationResult",
    "FinishReason",
    "FunctionVerifier",
    "GenerationRequest",
    "Generator",
    "Group",
    "GroupVectorEnv",
    "Message",
    "Outcome",
    "Response",
    "RlvrError",
    "Rollout",
    "SamplingParams",
    "Task",
    "TaskSet",
    "TextSpace",
    "TooManyUnscored",
    "TrainingError",
    "TransformersGenerator",
    "TurnResult",
    "TurnReward",
    "Verdict",
    "Verifier",
    "VerifierFault",
    "__version__",
    "evaluate",
    "list_environments",
    "load_model",
    "make",
    "register",
    "rollout",
    "verifiers",
]


_LATE = {
    "EvaluationResult": "rlvr_gym.evaluation",
    "TransformersGenerator": "rlvr_gym.generation.transformers",
    "evaluate": "rlvr_gym.evaluation",
    "load_model": "rlvr_gym.generation.loading",
}


def __getattr__(name: str) -> object:
    """Import what takes long when it is first used, so that `import rlvr_gym` need not wait for it."""
    if name == "__version__":
        return version("rlvr-gym")
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


discover()
