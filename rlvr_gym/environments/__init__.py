"""Environments: the contract, many episodes at once, settings, and the checks of a third party's own."""

from rlvr_gym.environments.base import Environment, EnvironmentCard, Info, TextSpace
from rlvr_gym.environments.vector import GroupVectorEnv, TurnResult

__all__ = ["Environment", "EnvironmentCard", "GroupVectorEnv", "Info", "TextSpace", "TurnResult"]
