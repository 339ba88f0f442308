"""rlvr-gym: rewards you can trust, gradients you can check, error bars you can believe."""

import importlib
import sys
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvr_gym import export, verifiers
    from rlvr_gym.agents.commands import AgentCommand
    from rlvr_gym.agents.environment import AgentEnvironment
    from rlvr_gym.environments.base import Environment, EnvironmentCard, Response, TextSpace
    from rlvr_gym.environments.tooling import EpisodeLimits
    from rlvr_gym.environments.turns import TurnResult
    from rlvr_gym.environments.vector import GroupVectorEnv
    from rlvr_gym.errors import (
        ConfigError,
        DataError,
        RlvrError,
        TooManyUnscored,
        TrainingError,
        VerifierFault,
    )
    from rlvr_gym.evaluation import EvaluationResult, evaluate
    from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
    from rlvr_gym.generation.loading import load_model
    from rlvr_gym.generation.transformers import TransformersGenerator
    from rlvr_gym.neighbours import from_openenv, from_verifiers
    from rlvr_gym.play import rollout
    from rlvr_gym.registry import list_environments, make, register
    from rlvr_gym.rollouts import Group, Rollout, TurnReward
    from rlvr_gym.tasks import Message, Task, TaskSet
    from rlvr_gym.tools import State, Tool, ToolCall, tool
    from rlvr_gym.verdicts import Completion, FinishReason, Outcome, Verdict
    from rlvr_gym.verifiers import FunctionVerifier, Verifier

    __version__: str

__all__ = [
    "AgentCommand",
    "AgentEnvironment",
    "Completion",
    "ConfigError",
    "DataError",
    "Environment",
    "EnvironmentCard",
    "EpisodeLimits",
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
    "State",
    "Task",
    "TaskSet",
    "TextSpace",
    "TooManyUnscored",
    "Tool",
    "ToolCall",
    "TrainingError",
    "TransformersGenerator",
    "TurnResult",
    "TurnReward",
    "Verdict",
    "Verifier",
    "VerifierFault",
    "__version__",
    "evaluate",
    "export",
    "from_openenv",
    "from_verifiers",
    "list_environments",
    "load_model",
    "make",
    "register",
    "rollout",
    "tool",
    "verifiers",
]


_MODULES = {
    "agents.commands": ("AgentCommand",),
    "agents.environment": ("AgentEnvironment",),
    "environments.base": ("Environment", "EnvironmentCard", "Response", "TextSpace"),
    "environments.tooling": ("EpisodeLimits",),
    "environments.turns": ("TurnResult",),
    "environments.vector": ("GroupVectorEnv",),
    "errors": (
        "ConfigError",
        "DataError",
        "RlvrError",
        "TooManyUnscored",
        "TrainingError",
        "VerifierFault",
    ),
    "evaluation": ("EvaluationResult", "evaluate"),
    "generation.base": ("GenerationRequest", "Generator", "SamplingParams"),
    "generation.loading": ("load_model",),
    "generation.transformers": ("TransformersGenerator",),
    "neighbours": ("from_openenv", "from_verifiers"),
    "play": ("rollout",),
    "registry": ("list_environments", "make", "register"),
    "rollouts": ("Group", "Rollout", "TurnReward"),
    "tasks": ("Message", "Task", "TaskSet"),
    "tools": ("State", "Tool", "ToolCall", "tool"),
    "verdicts": ("Completion", "FinishReason", "Outcome", "Verdict"),
    "verifiers": ("FunctionVerifier", "Verifier"),
}
_HOMES = {name: f"rlvr_gym.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a name's module when the name is first used, so that nobody waits for what they do not need."""
    if name == "__version__":
        return version("rlvr-gym")
    if name in ("export", "verifiers"):
        return importlib.import_module(f"rlvr_gym.{name}")
    if name in _HOMES:
        found = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# Gymnasium finds environments by id once this package is imported. The `rlvr` command looks them up by itself, if at
# all: `rlvr --help` need not wait for them.
if PurePath(*sys.argv[:1]).stem != "rlvr":
    importlib.import_module("rlvr_gym.registry").discover_once()
