"""Everything a training run can be told. Recipes are YAML of these fields."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import Field, model_validator

from rlvr_gym import registry
from rlvr_gym.config import Config
from rlvr_gym.environments.settings import EnvConfig, TrainedModel
from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import SamplingParams
from rlvr_trainers.algorithms.cispo import Cispo
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.algorithms.dpo import Dpo
from rlvr_trainers.algorithms.grpo import Grpo, TreeGrpo
from rlvr_trainers.algorithms.gspo import Gspo
from rlvr_trainers.algorithms.ppo import Ppo
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.algorithms.reinforce_pp import ReinforcePlusPlus
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.algorithms.rft import Rft
from rlvr_trainers.algorithms.rloo import Rloo
from rlvr_trainers.algorithms.sft import Sft
from rlvr_trainers.fitting import NOTHING_TO_JUDGE_BY, refuse_misfits
from rlvr_trainers.learner_settings import BatchConfig, MeshConfig, ModelConfig, OptimizerConfig
from rlvr_trainers.settings import (
    BufferConfig,
    DataConfig,
    DynamicSamplingConfig,
    EvalConfig,
    GeneratorConfig,
    MonitorConfig,
    OverlongConfig,
    RewardConfig,
    RolloutSampling,
    RolloutsConfig,
    RunConfig,
    WarmupConfig,
)

DATA = "data"
"""The id that stands for an environment where the tasks are those of `data`."""
PAIRED = ("dpo", "reward_model")
"""The algorithms that read pairs where data is named."""
JUDGING = ("reward_model", "process_reward_model")
"""The algorithms that train a model to judge, from data alone."""

AlgorithmConfig = Annotated[
    Grpo
    | Gspo
    | Cispo
    | Rloo
    | ReinforcePlusPlus
    | TreeGrpo
    | Sft
    | Rft
    | Dpo
    | Ppo
    | Distill
    | RewardModelling
    | ProcessRewardModelling,
    Field(discriminator="kind"),
]
"""The settings of one algorithm, told apart by `kind`."""


class TrainConfig(Config):
    """A whole training run."""

    model: ModelConfig
    env: EnvConfig
    algorithm: AlgorithmConfig = Grpo()
    data: DataConfig | None = None
    reward: RewardConfig = RewardConfig()
    sampling: RolloutSampling = RolloutSampling()
    generator: GeneratorConfig = GeneratorConfig()
    rollouts: RolloutsConfig = RolloutsConfig()
    buffer: BufferConfig = BufferConfig()
    batch: BatchConfig = BatchConfig()
    dynamic_sampling: DynamicSamplingConfig | None = None
    overlong: OverlongConfig = OverlongConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    warmup: WarmupConfig | None = None
    eval: EvalConfig | None = None
    mesh: MeshConfig = MeshConfig()
    monitor: MonitorConfig = MonitorConfig()
    run: RunConfig = RunConfig()

    @model_validator(mode="before")
    @classmethod
    def _grpo_unless_named(cls, settings: Any) -> Any:
        """Settings of an algorithm that does not say its kind are GRPO's."""
        algorithm = settings.get("algorithm") if isinstance(settings, dict) else None
        if isinstance(algorithm, dict) and "kind" not in algorithm:
            return {**settings, "algorithm": {"kind": "grpo", **algorithm}}
        return settings

    @model_validator(mode="before")
    @classmethod
    def _data_is_an_environment(cls, settings: Any) -> Any:
        """Settings of a run on data that name no environment stand for the data itself."""
        if not isinstance(settings, dict) or settings.get("env") is not None:
            return settings
        data, algorithm = settings.get("data"), settings.get("algorithm")
        kind = algorithm.get("kind") if isinstance(algorithm, dict) else None
        if data is None and kind == "sft":
            raise ValueError(
                "algorithm.kind=sft needs something to show: conversations (data.path=FILE), or an environment whose "
                "solutions are known (env.id=ENV)"
            )
        if data is None and kind == "dpo":
            raise ValueError(
                "algorithm.kind=dpo needs pairs: of data (data.path=FILE), stored samples (data.runs=[FOLDER]), or "
                "the policy's own samples in an environment (env.id=ENV)"
            )
        if data is None and kind in JUDGING:
            raise ValueError(NOTHING_TO_JUDGE_BY[kind])
        named = data.named if isinstance(data, DataConfig) else _named_data(data)
        return {**settings, "env": {"id": DATA}} if named else settings

    @model_validator(mode="after")
    def _parts_fit_together(self) -> TrainConfig:
        if self.batch.group_size < self.algorithm.least_group:
            raise ValueError(
                f"batch.group_size is {self.batch.group_size}, and algorithm.kind={self.algorithm.kind} compares a "
                f"sample with its group: give at least {self.algorithm.least_group}"
            )
        self._data_has_a_meaning()
        refuse_misfits(self)
        trained_on = self.env.options.get("data") if self.trains_on == self.env.id else None
        if self.eval and trained_on and "data" not in self.eval.env:
            raise ValueError(
                f"env.data={trained_on} is what the model trains on: name other data to hold out with "
                "eval.env.data=..., or leave evaluation out with eval=null"
            )
        return self

    def _data_has_a_meaning(self) -> None:
        """Refuse data where samples are what a step learns from, and settings of samples where data is."""
        kind, data = self.algorithm.kind, self.data
        either = ("path", "runs")
        usable = {"sft": either, "rft": ("runs",), **dict.fromkeys((*PAIRED, *JUDGING), either)}.get(kind, ())
        named = " or ".join(f"data.{name}" for name in usable)
        if data is not None and not usable:
            raise ValueError(
                f"data is for algorithm.kind=sft, rft and dpo, and this is {kind}: leave it out "
                f"({' and '.join(JUDGING)} learn from data too)"
            )
        if data is not None and data.named not in (None, *usable):
            raise ValueError(f"data.{data.named} has no meaning with algorithm.kind={kind}: give {named}")
        if data is not None and data.named is None and self.samples:
            raise ValueError(f"data without {named} has no meaning with algorithm.kind={kind}: leave it out")
        if isinstance(self.algorithm, Sft | Rft | Dpo | RewardModelling | ProcessRewardModelling):
            self._nothing_is_weighed()
        if self.samples:
            return
        given = {
            "dynamic_sampling": self.dynamic_sampling is not None,
            "buffer.max_staleness": self.buffer.max_staleness > 0,
            "warmup": self.warmup is not None,
        }
        if meaningless := [name for name, there in given.items() if there]:
            raise ValueError(
                f"nothing is sampled by algorithm.kind={kind} here, so {', '.join(meaningless)} has no meaning: "
                "leave it out"
            )

    def _nothing_is_weighed(self) -> None:
        """Refuse what changes advantages, which imitation and preferences have none of."""
        if self.overlong.penalty_share is not None or self.overlong.filter:
            raise ValueError(
                f"overlong has no meaning with algorithm.kind={self.algorithm.kind}, which takes no sample as good "
                "that was cut off: leave it out"
            )

    @property
    def samples(self) -> bool:
        """False where data feeds the steps, and nothing is sampled for them."""
        return self.algorithm.kind not in ("sft", *JUDGING) and (self.data is None or self.data.named is None)

    @property
    def trains_on(self) -> str:
        """The name of what the steps learn from: data, or an environment."""
        if self.data is None or self.data.named is None:
            return self.env.id
        return self.data.path or ", ".join(map(str, self.data.runs))

    @property
    def held_out(self) -> EnvConfig | None:
        """The environment that evaluations run on, None without evaluation."""
        if self.eval is None:
            return None
        named = str(self.eval.env.get("id", self.env.id))
        if named == DATA:
            raise ConfigError(
                "eval needs an environment to measure on: name one with eval.env.id=..., or leave it out (eval=null)"
            )
        split = {"split": "test"} if "split" in _options(named) else {}
        # Options of the training environment mean nothing to another one.
        own = self.env.elsewhere() if _same_environment(named, self.env.id) else {}
        return EnvConfig.model_validate({**own, **split, **self.eval.env})

    @property
    def trained_model(self) -> TrainedModel | None:
        """The record in the model's folder of how it was prompted and sampled; None where no environment is named."""
        evaluation = self.eval or EvalConfig()
        if evaluation.env.get("id", self.env.id) == DATA:
            return None
        temperature = self.sampling.temperature if evaluation.temperature is None else evaluation.temperature
        sampling = SamplingParams(temperature=temperature, max_tokens=self.sampling.max_tokens)
        env = self.held_out or EnvConfig.model_validate(self.env.elsewhere())
        return TrainedModel(env=env, sampling=sampling, tasks=evaluation.tasks)


def _named_data(data: object) -> str | None:
    """The data that settings name, before they are checked."""
    named = [name for name in ("path", "runs") if isinstance(data, dict) and data.get(name)]
    return named[0] if named else None


def _same_environment(one: str, other: str) -> bool:
    """Return whether two names mean one environment."""
    try:
        return one == other or registry.find(one) == registry.find(other)
    except ConfigError:
        return False


def _options(named: str) -> Collection[str]:
    """The options of an environment; none of one that only its owner knows, who hands it in."""
    try:
        return registry.options(named)
    except ConfigError:
        return ()
