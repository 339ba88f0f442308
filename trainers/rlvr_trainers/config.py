"""Everything a training run can be told. Recipes are YAML of these fields."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, JsonValue, model_validator

from rlvr_gym import registry
from rlvr_gym.config import Config
from rlvr_gym.environments.settings import EnvConfig, TrainedModel
from rlvr_gym.generation.base import SamplingParams
from rlvr_trainers.algorithm import AlgorithmConfig


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

    path: str = Field(min_length=1)
    dtype: Literal["float32", "bfloat16"] = "float32"
    device: str = "auto"
    """Where the model is: `auto` takes a GPU where there is one, else the CPU."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass: less memory, more time."""
    lora: LoraConfig | None = None


class RewardConfig(Config):
    """The reward of a verdict: `wrong` at score 0, `right` at score 1, linear between (DAPO: -1 and 1).

    `steps` says what becomes of the steps that a verdict names (`rlvr_gym.verifiers.steps`): nothing, process
    supervision `added` to the outcome's advantages, or process supervision `alone`.
    """

    right: float = 1.0
    """The reward of a verdict with score 1."""
    wrong: float = 0.0
    """The reward of a verdict with score 0."""
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
    """What logits are divided by before sampling."""
    max_tokens: int = Field(default=1024, ge=1)
    """How many tokens a completion has at most."""

    @property
    def params(self) -> SamplingParams:
        """The same, as a generator takes it."""
        return SamplingParams(temperature=self.temperature, max_tokens=self.max_tokens)


class BatchConfig(Config):
    """One rollout step: `prompts` groups of `group_size` samples, then `epochs` x `minibatches` optimizer
    steps over them, each a plain sum over microbatches of at most `microbatch_tokens` padded tokens.
    """

    prompts: int = Field(default=32, ge=1, le=1_000_000)
    """Different prompts in a rollout step."""
    group_size: int = Field(default=16, ge=1, le=1_000_000)
    """Samples of each prompt, which are compared with one another."""
    minibatches: int = Field(default=1, ge=1)
    """Optimizer steps in one pass over a rollout step."""
    epochs: int = Field(default=1, ge=1)
    """Passes over the samples of a rollout step."""
    microbatch_tokens: int = Field(default=16384, ge=1)
    """Padded tokens of one forward and backward pass at most: lower it where memory runs out."""

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
    """Rounds of new prompts after which a step that is still short of groups ends the run."""


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
    """AdamW's learning rate after its warm-up."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's decay rates of the first and second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled weight decay."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimizer steps over which the learning rate rises linearly."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """What the learning rate does after its warm-up, to the last step."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The norm that gradients are clipped to."""


class WarmupConfig(Config):
    """A supervised stage before reinforcement learning, on the verifier's own solutions.

    `label_noise` is the share of tasks whose label is another task's solution instead.
    """

    steps: int = Field(ge=1)
    """Supervised optimizer steps."""
    batch_size: int = Field(default=256, ge=1)
    """Tasks in each of them."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """The learning rate of this stage."""
    label_noise: float = Field(default=0.0, ge=0.0, lt=1.0)


class EvalConfig(Config):
    """Held-out evaluation, before the first step, every `every` steps and after the last.

    `env` is laid over the training environment, with `split: test` unless it says otherwise; where the training
    data is a file, it must name another (`eval.env.data=...`). `temperature` defaults to the training one. A run
    whose held-out prompts stand among the training prompts is refused unless `allow_overlap` is set.
    """

    env: dict[str, JsonValue] = Field(default_factory=dict)
    every: int = Field(default=10, ge=1)
    """Steps between evaluations."""
    tasks: int = Field(default=200, ge=1)
    """Held-out tasks of each evaluation."""
    n: int = Field(default=1, ge=1)
    """Samples of each of its tasks."""
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
    """Rollout steps of the whole run."""
    seed: int = 0
    """Names all random streams of the run."""
    checkpoint_every: int = Field(default=25, ge=1)
    """Steps between checkpoints."""
    keep: int = Field(default=2, ge=1)
    samples_per_step: int = Field(default=8, ge=0)
    """Completions of each step that are written to samples.jsonl."""
    max_unscored: float = Field(default=0.1, ge=0.0, le=1.0)
    max_mismatch: float = Field(default=0.1, gt=0.0)
    trackers: tuple[Literal["wandb", "trackio"], ...] = ()
    """Services that the metrics go to as well."""


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
    """The largest share of canaries that are paid for two different answers at once."""
    max_held_out_gap: float | None = Field(default=0.1, ge=0.0, le=1.0)
    """How much less the held-out score may rise than the reward has."""
    max_hidden_gap: float | None = Field(default=0.2, ge=0.0, le=1.0)
    """How much lower the pass rate on hidden tests may be than on shown ones."""
    min_format_correlation: float | None = Field(default=-0.2, ge=-1.0, le=1.0)
    """The least correlation between a right format and a right answer."""
    max_length_correlation: float | None = Field(default=0.7, ge=-1.0, le=1.0)
    """The largest correlation between length and score within a task."""
    max_repetition: float | None = Field(default=0.2, ge=0.0, le=1.0)
    """The largest share of completions that mostly repeat themselves."""
    max_several_answers: float | None = Field(default=0.2, ge=0.0, le=1.0)
    """The largest share of completions that give more answers than they are asked for."""
    max_language_mixing: float | None = Field(default=0.2, ge=0.0, le=1.0)
    """The largest share of completions partly in a script that their prompt is not in."""


class TrainConfig(Config):
    """A whole training run."""

    model: ModelConfig
    env: EnvConfig
    algorithm: AlgorithmConfig = AlgorithmConfig()
    reward: RewardConfig = RewardConfig()
    sampling: RolloutSampling = RolloutSampling()
    batch: BatchConfig = BatchConfig()
    dynamic_sampling: DynamicSamplingConfig | None = None
    overlong: OverlongConfig = OverlongConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    warmup: WarmupConfig | None = None
    eval: EvalConfig | None = None
    monitor: MonitorConfig = MonitorConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> TrainConfig:
        if self.batch.group_size == 1:
            raise ValueError(
                "batch.group_size is 1, and every advantage estimator here compares a sample with its group: "
                "give at least 2"
            )
        if self.reward.steps != "off":
            self._steps_have_a_meaning()
        if self.eval and self.env.options.get("data") and "data" not in self.eval.env:
            raise ValueError(
                f"env.data={self.env.options['data']} is what the model trains on: name other data to hold out with "
                "eval.env.data=..., or leave evaluation out with eval=null"
            )
        return self

    def _steps_have_a_meaning(self) -> None:
        asked, algorithm = f"reward.steps={self.reward.steps}", self.algorithm
        if algorithm.advantage not in ("group_std", "centred"):
            raise ValueError(
                f"{asked} normalises rewards within the group: algorithm.advantage={algorithm.advantage} must be "
                "group_std or centred"
            )
        if algorithm.ratio == "sequence":
            raise ValueError(
                f"{asked} tells tokens apart, and algorithm.ratio=sequence does not: use token or sequence_token"
            )
        if self.reward.steps == "alone" and (
            self.overlong.penalty_share is not None or algorithm.kl_place == "reward"
        ):
            raise ValueError(
                f"{asked} leaves out the outcome's reward, and with it overlong.penalty_share and "
                "algorithm.kl_place=reward, which are added to that: use reward.steps=added"
            )

    @property
    def held_out(self) -> EnvConfig | None:
        """The environment that evaluations run on, None without evaluation."""
        if self.eval is None:
            return None
        named = str(self.eval.env.get("id", self.env.id))
        split = {"split": "test"} if "split" in registry.options(named) else {}
        return EnvConfig.model_validate({**self.env.elsewhere(), **split, **self.eval.env})

    @property
    def trained_model(self) -> TrainedModel:
        """What the model's folder says of how it was prompted and sampled."""
        evaluation = self.eval or EvalConfig()
        temperature = self.sampling.temperature if evaluation.temperature is None else evaluation.temperature
        sampling = SamplingParams(temperature=temperature, max_tokens=self.sampling.max_tokens)
        env = self.held_out or EnvConfig.model_validate(self.env.elsewhere())
        return TrainedModel(env=env, sampling=sampling, tasks=evaluation.tasks)
