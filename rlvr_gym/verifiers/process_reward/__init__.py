"""Process reward models: a probability for each step of an answer, and what these make of the whole."""

from rlvr_gym.verifiers.process_reward.aggregates import Aggregate, aggregated
from rlvr_gym.verifiers.process_reward.verifier import STEP_HEAD, ProcessRewardModel

__all__ = ["STEP_HEAD", "Aggregate", "ProcessRewardModel", "aggregated"]
