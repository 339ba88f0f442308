"""PPO (arXiv 1707.06347) as for language models (arXiv 2203.02155), and REINFORCE++ (arXiv 2501.03262)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from rlvr_gym.config import Config

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings


class Ppo(Config):
    """Proximal policy optimisation with a critic, generalised advantage estimation and KL in the reward.

    One sample of a prompt is enough: a token's advantage is measured from the critic's values, not from other samples.
    Without a critic it is REINFORCE++: the return itself, whitened over the action tokens of the step.
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
    critic: Literal["model", "head", "none"] = "model"
    """The critic: a model of its own, which begins as the policy; a head on the policy's hidden states; or none, which
    expects nothing."""
    critic_learning_rate: float = Field(default=1e-5, gt=0.0, le=1.0)
    """The critic's learning rate; its other optimizer settings are the policy's."""
    value_clip: float | None = Field(default=0.2, gt=0.0)
    """Hold a token's value within this of its old one, and take the larger of both losses; None is off."""

    least_group: ClassVar[int] = 1

    @model_validator(mode="after")
    def _returns_are_whole(self) -> Ppo:
        if self.critic == "none" and not (self.gae_lambda == 1 and self.whiten):
            raise ValueError(
                "critic=none expects nothing, so advantages are whole returns, measured from their mean: it needs "
                "gae_lambda=1 and whiten=true"
            )
        return self

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.actor_critic import ActorCritic

        return ActorCritic(self, around)
