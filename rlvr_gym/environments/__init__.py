"""Environments: the contract, many episodes at once, settings, and the checks of a third party's own."""

from rlvr_gym.environments.base import Environment, EnvironmentCard, Info, TextSpace
from rlvr_gym.environments.tooling import EpisodeLimits
from rlvr_gym.environments.turns import TurnResult
from rlvr_gym.environments.vector import GroupVectorEnv

__all__ = [
    "Environment",
    "EnvironmentCard",
    "EpisodeLimits",
    "GroupVectorEnv",
    "Info",
    "TextSpace",
    "TurnResult",
]
