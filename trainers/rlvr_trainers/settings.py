"""Groups of settings, each of one part of a training run."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, JsonValue, field_validator, model_validator

from rlvr_gym.config import Config
from rlvr_gym.generation.base import SamplingParams


class RewardConfig(Config):
    """The reward of a rollout: `wrong` at score 0, `right` at score 1, linear between (DAPO: -1 and 1).

    What an environment gives to single turns is added to the score. `steps` says what becomes of rewarded turns and of
    the steps that a verdict names (`rlvr_gym.verifiers.steps`) besides: nothing, process supervision `added` to the
    outcome's advantages, or process supervision `alone`.
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
    """The policy's sampling in training.

    There is no top_p or top_k: the gradient would be that of another distribution than the one sampled from.
    """

    temperature: float = Field(default=1.0, gt=0.0)
    """Divides the logits before sampling."""
    max_tokens: int = Field(default=1024, ge=1)
    """Largest number of tokens of a completion."""
    earlier_thinking: Literal["keep", "drop"] = Field(default="keep", exclude=True)
    """Thinking of earlier turns in later prompts: it is kept and learned from. `drop` is refused, and says why."""

    @field_validator("earlier_thinking")
    @classmethod
    def _earlier_thinking_is_kept(cls, value: str) -> str:
        if value == "drop":
            raise ValueError(
                "drop is not offered: prompts would no longer begin with what was sampled, so every turn would be a "
                "branch of its own, computed anew from its first token and learned from as a row of its own. Kept "
                "thinking costs room in the context alone: leave this out, and lower max_tokens where room is short"
            )
        return value

    @property
    def params(self) -> SamplingParams:
        """The same, as a generator takes it."""
        return SamplingParams(temperature=self.temperature, max_tokens=self.max_tokens)


class GeneratorConfig(Config):
    """The engine that samples: `transformers` on the very weights that are trained, `vllm` in this process, or the
    `vllm_servers` at `urls`, which new weights are sent to after every step.

    Every update of vLLM's weights is proven before anything is sampled. On a GPU both kinds are experimental: tests run
    on a CPU.
    """

    engine: Literal["transformers", "vllm", "vllm_servers"] = "transformers"
    """The engine that samples: the model in training itself (transformers), or vLLM."""
    urls: tuple[str, ...] = ()
    """The servers' addresses: http://localhost:8000 and so on."""
    weights_folder: Path = Path("/dev/shm")
    """The folder of new weights for the servers: they must see it under the same path."""
    draft: str | None = None
    """A smaller model with the same tokenizer, a folder or a hub id, that drafts tokens for the one that is trained
    (speculative decoding): samples follow the same distribution. `mtp` is the module that recipe `mtp` keeps beside the
    model, which drafts one token at a time. For engine=transformers."""
    draft_tokens: int = Field(default=4, ge=1)
    """Number of tokens that are drafted at a time."""

    @model_validator(mode="after")
    def _drafts_have_our_engine(self) -> GeneratorConfig:
        if self.draft is not None and self.engine != "transformers":
            raise ValueError(
                f"draft={self.draft} is for engine=transformers, not for {self.engine}: leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _servers_have_urls(self) -> GeneratorConfig:
        if bool(self.urls) != (self.engine == "vllm_servers"):
            raise ValueError(
                "engine=vllm_servers needs urls=[http://localhost:8000,...], and no other engine does"
            )
        return self


class RolloutsConfig(Config):
    """The place of sampling and judging: this process, or the nodes of a Ray cluster.

    A round is divided into requests that do not depend on the nodes, so the samples do not either.
    """

    ray: str | None = None
    """The cluster: HOST:PORT of its head node, or `auto` for the one on this machine, else a new one; null is none."""
    requests: int = Field(default=16, ge=1)
    """Largest number of requests that a round is divided into: two for each sampler keep all of them busy."""
    patience_seconds: float = Field(default=300.0, gt=0.0)
    """Time without a node that samples after which the run ends; without one that judges, a sample is unscored."""


class DynamicSamplingConfig(Config):
    """DAPO's dynamic sampling: groups whose outcomes are all equal are replaced by new prompts."""

    max_rounds: int = Field(default=10, ge=1)
    """Rounds of new prompts after which a step that is still short of groups ends the run."""


class OverlongConfig(Config):
    """Penalties and filters for completions that run long.

    `penalty_share` switches on DAPO's soft punishment over that last share of the token budget (the paper's
    L_cache / L_max is 4096 / 20480 = 0.2); None is off. `filter` keeps truncated samples in their group's
    statistics and takes them out of the loss.
    """

    penalty_share: float | None = Field(default=None, gt=0.0, lt=1.0)
    filter: bool = False

    def cache_tokens(self, max_tokens: int) -> int | None:
        """L_cache for a budget of `max_tokens`: at least one token, None when there is no punishment."""
        return None if self.penalty_share is None else max(1, round(self.penalty_share * max_tokens))


class DataConfig(Config):
    """The data of a run that learns from data: conversations for SFT, pairs for DPO, stored evaluations for SFT, DPO
    and rejection sampling.

    Without any, SFT shows the environment's own solutions.
    """

    path: str | None = None
    """The conversations or pairs: a file (.jsonl, .jsonl.gz, .parquet), a folder in the hub's format, or a hub id."""
    split: str = "train"
    """The split, of a folder or of the hub."""
    runs: tuple[Path, ...] = ()
    """Folders that `rlvr eval` wrote: their samples are imitated, selected from or paired, and nothing is sampled."""
    epochs: int | None = Field(default=None, ge=1)
    """Passes over all rows, in place of run.steps."""
    max_tokens: int | None = Field(default=None, ge=2)
    """The longest row, prompt included, in tokens; null is the model's context."""
    too_long: Literal["refuse", "leave_out"] = "refuse"
    """The fate of longer rows, which are counted in either case."""

    @field_validator("runs", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_two(self) -> DataConfig:
        if self.path is not None and self.runs:
            raise ValueError("path and runs are two kinds of data: give one of them")
        return self

    @property
    def named(self) -> Literal["path", "runs"] | None:
        """The setting that names the data; None where there is none but the environment's solutions."""
        if self.path is not None:
            return "path"
        return "runs" if self.runs else None


class WarmupConfig(Config):
    """A supervised stage before the first step, SFT on the environment's own solutions.

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

    `env` is laid over the training environment, unless it names another one, with `split: test` unless it says
    otherwise; where the training data is a file, it must name another (`eval.env.data=...`). `temperature` defaults to
    the training one. A run whose held-out prompts stand among the training prompts is refused unless `allow_overlap`
    is set.
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


class BufferConfig(Config):
    """The age limit of a step's samples.

    Above 0, sampling goes on in the background while the learner works, on weights of its own.
    """

    max_staleness: int = Field(default=0, ge=0, le=64)
    """By how many steps the weights may have moved on since a group's oldest token was sampled; 0: not at all."""
    replay: Path | None = None
    """The folder of a run with these settings: every sample meets the weights that it met there."""

    @model_validator(mode="after")
    def _only_what_is_asynchronous_is_replayed(self) -> BufferConfig:
        if self.replay is not None and self.max_staleness == 0:
            raise ValueError(
                "buffer.replay follows the schedule of an asynchronous run: set buffer.max_staleness as it was there"
            )
        return self


class RunConfig(Config):
    """The folder of a run, and its limits.

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
    "canaries",
    "held_out",
    "hidden_tests",
    "format",
    "length",
    "repetition",
    "several_answers",
    "languages",
    "tools",
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
    """Largest excess of the reward's rise over the held-out score's."""
    max_hidden_gap: float | None = Field(default=0.2, ge=0.0, le=1.0)
    """Largest gap of the pass rate on hidden tests below that on shown ones."""
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
    max_tools_lost: float | None = Field(default=0.5, ge=0.0, le=1.0)
    """The largest fall of the share of episodes that call a tool, below the highest of the run."""
