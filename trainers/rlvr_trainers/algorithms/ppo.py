"""PPO (arXiv 1707.06347) as language models are trained with it (arXiv 2203.02155): a critic says what to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from rlvr_gym.config import Config

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Ppo(Config):
    """Proximal policy optimisation with a critic, generalised advantage estimation and KL in the reward.

    One sample of a prompt is enough: a token's advantage is measured from the critic's values, not from other samples.
    """

    kind: Literal["ppo"] = "ppo"
    """PPO: the algorithm that these settings are of."""
    discount: float = Field(default=1.0, gt=0.0, le=1.0)
    """The discount of a reward per action token after it: gamma."""
    gae_lambda: float = Field(default=0.95, ge=0.0, le=1.0)
    """Reach of advantages: 0 looks one token ahead, 1 is the whole return less the value."""
    whiten: bool = True
    """Scale advantages to mean 0 and standard deviation 1 over the action tokens of a step."""
    clip_low: float | None = Field(default=0.2, gt=0.0)
    """Distance below 1 at which the ratio is clipped; None does not clip there."""
    clip_high: float | None = Field(default=0.2, gt=0.0)
    """Distance above 1 at which the ratio is clipped; None does not clip there."""
    kl_coefficient: float = Field(default=0.05, ge=0.0)
    """The weight of the KL to the reference (k1) that each token's reward is reduced by; 0 is without a reference."""
    entropy_coefficient: float = Field(default=0.0, ge=0.0)
    """The weight of an entropy bonus in the loss."""
    critic: Literal["model", "head"] = "model"
    """The critic: a model of its own, which begins as the policy, or a head on the policy's hidden states."""
    critic_learning_rate: float = Field(default=1e-5, gt=0.0, le=1.0)
    """The critic's learning rate; its other optimizer settings are the policy's."""
    value_clip: float | None = Field(default=0.2, gt=0.0)
    """Hold a token's value within this of its old one, and take the larger of both losses; None is off."""

    least_group: ClassVar[int] = 1

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.actor_critic import ActorCritic

        return ActorCritic(self, around)
