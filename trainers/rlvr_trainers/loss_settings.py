"""Settings of a policy update: estimator, aggregation, ratio, clipping, regularisation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from rlvr_gym.config import Config

Advantage = Literal["group_std", "centred", "leave_one_out", "batch_std", "whitened", "max_at_k"]
Ratio = Literal["token", "sequence", "sequence_token"]
Surrogate = Literal["ppo", "cispo"]
KlEstimator = Literal["k1", "k2", "k3"]
KlPlace = Literal["loss", "reward", "weighted_loss"]
SamplerCorrection = Literal["none", "token_tis", "token_mask", "sequence_mask", "probability_mask"]
Aggregation = Literal["sequence_mean", "token_mean", "prompt_mean", "constant"]
Divergence = Literal["reverse_kl", "forward_kl", "jsd"]


class PolicyGradientConfig(Config):
    """Advantage estimator, aggregation, ratio, clipping and regularisation of a policy update.

    The defaults are GRPO's without its KL term. `clip_low` and `clip_high` are distances from 1; None does
    not clip on that side. Combinations whose gradient is not what their names promise are refused.
    """

    advantage: Advantage = "group_std"
    """Computes advantages from rewards: GRPO, Dr.GRPO, RLOO, GRPO with the batch's std, REINFORCE++ baseline.

    `max_at_k` (PKPO, arXiv 2505.15201) is what a sample adds to the best of `at_k` samples of its prompt. With a
    right and a wrong reward that trains pass@k.
    """
    at_k: int | None = Field(default=None, ge=1)
    """The k of `advantage=max_at_k`, at most the samples of a prompt."""
    std_epsilon: float = Field(default=1e-4, gt=0.0)
    """Added to every standard deviation that divides; 1e-4 is TRL's."""
    aggregation: Aggregation = "sequence_mean"
    """Reduces per-token terms to one number: GRPO, DAPO as its code does, DAPO's eq. 8, Dr.GRPO and RLOO.

    Only `constant` divides by nothing that depends on lengths; under the others the expected gradient is not that
    of the expected return.
    """

    prefix_weighting: bool = False
    """Divide a token's whole term by the number of its group's samples that are the same up to and with it (arXiv
    2509.21154), so that a step which many samples share counts once and not once for each. Denominators stay."""

    ratio: Ratio = "token"
    """Importance ratios per token, per sequence (GSPO), or GSPO-token."""
    surrogate: Surrogate = "ppo"
    """The clipped objective: PPO's, or CISPO's clipped weights."""
    clip_low: float | None = Field(default=0.2, gt=0.0)
    """Distance below 1 at which the ratio is clipped; None does not clip there."""
    clip_high: float | None = Field(default=0.2, gt=0.0)
    """Distance above 1 at which the ratio is clipped; None does not clip there."""
    dual_clip: float | None = Field(default=None, gt=1.0)
    """Bound on the ratio where the advantage is negative; None is off."""
    cispo_cap: float | None = Field(default=None, gt=0.0)
    """Value at which CISPO cuts the ratio: the ratio itself, not its distance from 1."""

    kl_estimator: KlEstimator = "k3"
    """The estimate of the KL to the reference model."""
    kl_place: KlPlace = "loss"
    """`weighted_loss` multiplies the estimator by the importance ratio (DeepSeek-V3.2)."""
    kl_coefficient: float = Field(default=0.0, ge=0.0)
    """The weight of that KL; 0 is without it, and without a reference model."""
    entropy_coefficient: float = Field(default=0.0, ge=0.0)
    """The weight of an entropy bonus in the loss."""
    entropy_top_share: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Share of tokens, those of highest entropy, that keep their policy term; None keeps all."""

    old_policy: Literal["trainer", "sampler"] = "trainer"
    """Whose log-probabilities importance ratios start from: the trainer's own as a step begins, or the sampler's."""
    sampler_correction: SamplerCorrection = "none"
    """Makes up for tokens that the trainer finds more or less likely than the sampler did. It has no gradient.

    rho is the trainer's probability over the sampler's. `token_tis` weighs a token by rho, at most `sampler_cap`.
    `token_mask` leaves out tokens whose rho is below `sampler_low` or above `sampler_cap` (IcePop); `sequence_mask`
    leaves out sequences whose geometric mean of rho is. `probability_mask` leaves out tokens whose two probabilities
    are further apart than `sampler_gap`. What is left out stays in the denominators.
    """
    sampler_cap: float = Field(default=2.0, gt=0.0)
    """The highest rho that counts in full."""
    sampler_low: float = Field(default=0.5, ge=0.0)
    """The lowest rho that the two masks of ratios let through."""
    sampler_gap: float = Field(default=0.2, gt=0.0, le=1.0)
    """Largest difference of a token's two probabilities under `probability_mask`."""

    @property
    def needs_reference(self) -> bool:
        """True when the update uses a reference model."""
        return self.kl_coefficient != 0.0

    @model_validator(mode="after")
    def _k_is_given_where_it_has_a_meaning(self) -> PolicyGradientConfig:
        if self.advantage == "max_at_k" and self.at_k is None:
            raise ValueError("advantage=max_at_k needs at_k, how many samples the best is of (4, say)")
        if self.advantage != "max_at_k" and self.at_k is not None:
            raise ValueError(
                f"at_k has no meaning with advantage={self.advantage}: leave it out, or set advantage=max_at_k"
            )
        return self

    @model_validator(mode="after")
    def _surrogate_is_whole(self) -> PolicyGradientConfig:
        if self.surrogate == "ppo":
            if self.cispo_cap is not None:
                raise ValueError(
                    "cispo_cap has no meaning with surrogate=ppo: leave it out, or set surrogate=cispo"
                )
            return self
        if self.cispo_cap is None:
            raise ValueError("surrogate=cispo needs cispo_cap, the value its ratio is cut at (2.0, say)")
        if self.ratio != "token":
            raise ValueError(f"surrogate=cispo weighs single tokens: ratio={self.ratio} must be ratio=token")
        if self.dual_clip is not None:
            raise ValueError(
                "surrogate=cispo already cuts the ratio for every advantage: leave dual_clip out"
            )
        return self

    @model_validator(mode="after")
    def _sampler_is_corrected_once(self) -> PolicyGradientConfig:
        if self.old_policy == "sampler" and self.sampler_correction != "none":
            raise ValueError(
                "old_policy=sampler starts the importance ratio from the sampler, which sampler_correction="
                f"{self.sampler_correction} would correct for a second time: use one of the two"
            )
        if self.sampler_low >= self.sampler_cap:
            raise ValueError(
                f"sampler_low ({self.sampler_low}) must be below sampler_cap ({self.sampler_cap})"
            )
        return self

    @model_validator(mode="after")
    def _kl_has_the_gradient_of_a_kl(self) -> PolicyGradientConfig:
        if not self.needs_reference:
            return self
        if self.kl_place == "loss" and self.kl_estimator == "k1":
            raise ValueError(
                "kl_estimator=k1 in the loss has an expected gradient of zero: use k2 (reverse KL) or k3 "
                "(forward KL) there, or kl_place=reward"
            )
        if self.kl_place == "reward" and self.kl_estimator != "k1":
            raise ValueError(
                f"kl_place=reward with kl_estimator={self.kl_estimator} is not the gradient of any KL: use k1"
            )
        if self.kl_place == "reward" and self.advantage not in (
            "centred",
            "leave_one_out",
            "max_at_k",
        ):
            raise ValueError(
                f"kl_place=reward with advantage={self.advantage} would divide the penalty by the spread of "
                "the rewards, so that kl_coefficient means nothing: use advantage=leave_one_out or centred, "
                "or kl_place=loss"
            )
        if self.kl_place == "weighted_loss" and self.kl_estimator != "k3":
            raise ValueError(
                f"kl_place=weighted_loss is ratio x k3: kl_estimator={self.kl_estimator} must be k3"
            )
        return self


class PreferenceConfig(Config):
    """The loss of preferences: a function of each pair's margin."""

    beta: float = Field(default=0.1, gt=0.0)
    """The strength of the tie to the reference; IPO's tau."""
    loss: Literal["sigmoid", "ipo"] = "sigmoid"
    """The loss of a pair's margin h: DPO's -log sigmoid(beta h), or IPO's (h - 1 / (2 beta)) ** 2."""
    length_normalised: bool = False
    """Take a sequence's log-ratio to the reference as the mean over its tokens, not as their sum."""
