"""Process reward models: a probability for each step of an answer, and what these make of the whole."""

from typing import TYPE_CHECKING

from rlvr_gym.verifiers.process_reward.aggregates import Aggregate, aggregated

if TYPE_CHECKING:
    from rlvr_gym.verifiers.process_reward.verifier import STEP_HEAD, ProcessRewardModel

__all__ = ["STEP_HEAD", "Aggregate", "ProcessRewardModel", "aggregated"]


def __getattr__(name: str) -> object:
    """Import the verifier when it is first used, so that `import rlvr_gym` stays fast."""
    if name in ("STEP_HEAD", "ProcessRewardModel"):
        from rlvr_gym.verifiers.process_reward import verifier

        return getattr(verifier, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
