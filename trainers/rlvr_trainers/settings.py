"""Groups of settings, each of one part of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, JsonValue, model_validator

from rlvr_gym.config import Config
from rlvr_gym.generation.base import SamplingParams


class LoraConfig(Config):
    """Train a low-rank adapter (peft) instead of all weights."""

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"


class ModelConfig(Config):
    """The policy.

    `path` is a Hugging Face id, a local folder, or `tiny` for a small transformer created on the spot.
    Weights are kept in float32; `dtype` is what forward passes compute in (updates of a usual size round to
    nothing in bfloat16 weights).
    """

    path: str
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    gradient_checkpointing: bool = False
    lora: LoraConfig | None = None


Advantage = Literal["group_std", "centred", "leave_one_out", "batch_std", "whitened"]
Ratio = Literal["token", "sequence", "sequence_token"]
Surrogate = Literal["ppo", "cispo"]
KlEstimator = Literal["k1", "k2", "k3"]
KlPlace = Literal["loss", "reward", "weighted_loss"]
Aggregation = Literal["sequence_mean", "token_mean", "prompt_mean", "constant"]


class PolicyGradientConfig(Config):
    """Advantage estimator, aggregation, ratio, clipping and regularisation of a policy update.

    The defaults are GRPO's without its KL term. `clip_low` and `clip_high` are distances from 1; None does
    not clip on that side. Combinations whose gradient is not what their names promise are refused.
    """

    advantage: Advantage = "group_std"
    """How rewards become advantages: GRPO, Dr.GRPO, RLOO, GRPO with the batch's std, REINFORCE++ baseline."""
    std_epsilon: float = Field(default=1e-4, gt=0.0)
    """Added to every standard deviation that divides; 1e-4 is TRL's."""
    aggregation: Aggregation = "sequence_mean"
    """How per-token terms become one number: GRPO, DAPO as its code does, DAPO's eq. 8, Dr.GRPO and RLOO.

    Only `constant` divides by nothing that depends on lengths; under the others the expected gradient is not that
    of the expected return.
    """

    ratio: Ratio = "token"
    """Importance ratios per token, per sequence (GSPO), or GSPO-token."""
    surrogate: Surrogate = "ppo"
    clip_low: float | None = Field(default=0.2, gt=0.0)
    clip_high: float | None = Field(default=0.2, gt=0.0)
    dual_clip: float | None = Field(default=None, gt=1.0)
    """Bound on the ratio where the advantage is negative; None is off."""
    cispo_cap: float | None = Field(default=None, gt=0.0)
    """Where CISPO cuts the ratio, itself and not its distance from 1."""

    kl_estimator: KlEstimator = "k3"
    kl_place: KlPlace = "loss"
    """`weighted_loss` multiplies the estimator by the importance ratio (DeepSeek-V3.2)."""
    kl_coefficient: float = Field(default=0.0, ge=0.0)
    entropy_coefficient: float = Field(default=0.0, ge=0.0)
    entropy_top_share: float | None = Field(default=None, gt=0.0, lt=1.0)
    """Share of tokens, those of highest entropy, that keep their policy term; None keeps all."""

    sampler_correction: Literal["none", "token_tis"] = "none"
    """Truncated importance sampling against the mismatch between sampler and trainer."""
    sampler_cap: float = Field(default=2.0, gt=0.0)

    @property
    def needs_reference(self) -> bool:
        """Whether a reference model has a part in the update."""
        return self.kl_coefficient != 0.0

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
        if self.kl_place == "reward" and self.advantage not in ("centred", "leave_one_out"):
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


class RewardConfig(Config):
    """The reward of a verdict: `wrong` at score 0, `right` at score 1, linear between (DAPO: -1 and 1).

    `steps` says what becomes of the steps that a verdict names (`rlvr_gym.verifiers.steps`): nothing, process
    supervision `added` to the outcome's advantages, or process supervision `alone`.
    """

    right: float = 1.0
    wrong: float = 0.0
    steps: Literal["off", "added", "alone"] = "off"

    @model_validator(mode="after")
    def _right_pays_more(self) -> RewardConfig:
        if self.right <= self.wrong:
            raise ValueError(f"right ({self.right}) must be above wrong ({self.wrong})")
        return self

    def of(self, scores: np.ndarray) -> np.ndarray:
        """Rewards of scores in [0, 1]; NaN (unscored) stays NaN."""
        return self.wrong + (self.right - self.wrong) * scores


class RolloutSampling(Config):
    """How the policy samples in training.

    There is no top_p or top_k: the gradient would be that of another distribution than the one sampled from.
    """

    temperature: float = Field(default=1.0, gt=0.0)
    max_tokens: int = Field(default=1024, ge=1)

    @property
    def params(self) -> SamplingParams:
        """The same, as a generator takes it."""
        return SamplingParams(temperature=self.temperature, max_tokens=self.max_tokens)


class BatchConfig(Config):
    """One rollout step: `prompts` groups of `group_size` samples, then `epochs` x `minibatches` optimizer
    steps over them, each a plain sum over microbatches of at most `microbatch_tokens` padded tokens.
    """

    prompts: int = Field(default=32, ge=1)
    group_size: int = Field(default=16, ge=1)
    minibatches: int = Field(default=1, ge=1)
    epochs: int = Field(default=1, ge=1)
    microbatch_tokens: int = Field(default=16384, ge=1)

    @model_validator(mode="after")
    def _minibatches_divide(self) -> BatchConfig:
        if self.prompts % self.minibatches:
            fits = [d for d in range(1, self.prompts + 1) if self.prompts % d == 0]
            raise ValueError(
                f"{self.prompts} prompts do not divide into {self.minibatches} minibatches; "
                f"possible: {', '.join(map(str, fits))}"
            )
        return self

    @property
    def updates(self) -> int:
        """Optimizer steps per rollout step."""
        return self.epochs * self.minibatches


class DynamicSamplingConfig(Config):
    """DAPO's dynamic sampling: groups whose outcomes are all equal are replaced by new prompts."""

    max_rounds: int = Field(default=10, ge=1)


class OverlongConfig(Config):
    """What happens to completions that run long.

    `penalty_share` switches on DAPO's soft punishment over that last share of the token budget (the paper's
    L_cache / L_max is 4096 / 20480 = 0.2); None is off. `filter` keeps truncated samples in their group's
    statistics and takes them out of the loss.
    """

    penalty_share: float | None = Field(default=None, gt=0.0, lt=1.0)
    filter: bool = False

    def cache_tokens(self, max_tokens: int) -> int | None:
        """L_cache for a budget of `max_tokens`: at least one token, None when there is no punishment."""
        return None if self.penalty_share is None else max(1, round(self.penalty_share * max_tokens))


class OptimizerConfig(Config):
    """AdamW, with linear warm-up over `warmup_steps` optimizer steps and then `schedule`."""

    learning_rate: float = Field(default=1e-6, gt=0, le=1)
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    warmup_steps: int = Field(default=0, ge=0)
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    max_grad_norm: float = Field(default=1.0, gt=0)


class WarmupConfig(Config):
    """A supervised stage before reinforcement learning, on the verifier's own solutions.

    `label_noise` is the share of tasks whose label is another task's solution instead.
    """

    steps: int = Field(ge=1)
    batch_size: int = Field(default=256, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    label_noise: float = Field(default=0.0, ge=0.0, lt=1.0)


class EvalConfig(Config):
    """Held-out evaluation, before the first step, every `every` steps and after the last.

    `env` is laid over the training environment, with `split: test` unless it says otherwise; where the training
    data is a file, it must name another (`eval.env.data=...`). `temperature` defaults to the training one. A run
    whose held-out prompts stand among the training prompts is refused unless `allow_overlap` is set.
    """

    env: dict[str, JsonValue] = Field(default_factory=dict)
    every: int = Field(default=10, ge=1)
    tasks: int = Field(default=200, ge=1)
    n: int = Field(default=1, ge=1)
    temperature: float | None = Field(default=None, ge=0.0)
    allow_overlap: bool = False


class RunConfig(Config):
    """Where a run lives and when it stops.

    `dir` defaults to `runs/<recipe>-<environment>`. The last `keep` checkpoints stay, and the best one.
    The run stops with an error when more than `max_unscored` of a step's samples could not be judged, or
    when the sampler's log-probabilities differ from the trainer's by more than `max_mismatch` on average.
    """

    dir: Path | None = None
    steps: int = Field(default=100, ge=1)
    seed: int = 0
    checkpoint_every: int = Field(default=25, ge=1)
    keep: int = Field(default=2, ge=1)
    samples_per_step: int = Field(default=8, ge=0)
    max_unscored: float = Field(default=0.1, ge=0.0, le=1.0)
    max_mismatch: float = Field(default=0.1, gt=0.0)
    trackers: tuple[Literal["wandb", "trackio"], ...] = ()


Detector = Literal[
    "canaries", "held_out", "hidden_tests", "format", "length", "repetition", "several_answers", "languages"
]


class MonitorConfig(Config):
    """Detectors of reward hacking. They watch every step, and no reward and no loss depends on them.

    A figure beyond its limit, `patience` steps in a row (at once for canaries and held-out scores), is an alarm: a
    warning, or the end of the run for the detectors named in `stop`. A limit of None only logs. `canary_share` is
    the share of paid completions whose judging is tried a second time.
    """

    canary_share: float = Field(default=0.1, ge=0.0, le=1.0)
    patience: int = Field(default=3, ge=1)
    stop: tuple[Detector, ...] = ()
    max_canary_rate: float | None = Field(default=0.0, ge=0.0, le=1.0)
    max_held_out_gap: float | None = Field(default=0.1, ge=0.0, le=1.0)
    max_hidden_gap: float | None = Field(default=0.2, ge=0.0, le=1.0)
    min_format_correlation: float | None = Field(default=-0.2, ge=-1.0, le=1.0)
    max_length_correlation: float | None = Field(default=0.7, ge=-1.0, le=1.0)
    max_repetition: float | None = Field(default=0.2, ge=0.0, le=1.0)
    max_several_answers: float | None = Field(default=0.2, ge=0.0, le=1.0)
    max_language_mixing: float | None = Field(default=0.2, ge=0.0, le=1.0)
