"""An algorithm at work: what feeds it, and the learner whose weights it changes; that of the run, and its warm-up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.algorithms.base import Algorithm, LearnsValues, Surroundings
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.algorithms.ppo import Ppo
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.algorithms.sft import Sft
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.data.demonstrations import Demonstrations
from rlvr_trainers.data.held_out_pairs import HeldOutPairs
from rlvr_trainers.data.steps.demonstrations import StepDemonstrations
from rlvr_trainers.data.steps.held_out import HeldOutSteps
from rlvr_trainers.learner.critic import Critic
from rlvr_trainers.learner.distillation.student import Student
from rlvr_trainers.learner.distillation.teacher import load_teacher, refuse_another_tokenizer
from rlvr_trainers.learner.learner import Learner, State, UpdatePlan
from rlvr_trainers.learner.models import Models, Role
from rlvr_trainers.learner.multi_token.model import MultiTokenPolicy
from rlvr_trainers.learner.policy import LoadedModel, Policy
from rlvr_trainers.learner.rewards.model import RewardModelInTraining
from rlvr_trainers.learner.shards import save_shards
from rlvr_trainers.learner_settings import BatchConfig, OptimizerConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.monitor import JudgedCanaries
from rlvr_trainers.run.figures import explained_variance
from rlvr_trainers.run.preflight import held_out_answers, refuse_samples_beyond_the_teacher
from rlvr_trainers.run.sources import RunParts, make_source, solutions_source
from rlvr_trainers.sampling.buffer import Source, StepRollouts

_CRITIC, _CRITIC_WEIGHTS = "critic", "critic_weights"
"""Folders within that of the optimizer's parts: those of the critic's optimizer, and of its weights."""


@final
@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps of one algorithm."""

    algorithm: Algorithm
    source: Source
    learner: Learner[CreditedBatch]
    seed: int
    """Names the order of minibatches."""
    critic: Learner[CreditedBatch] | None = None
    """Trains the critic, where the algorithm has one."""
    held_out: HeldOutPairs | HeldOutSteps | None = None
    """Measures a reward model, or a process reward model."""

    def begin(self) -> None:
        """Let the critic begin from the policy as it is now."""
        if self.critic is not None:
            self._critic_model.begin()

    def update(self, credited: CreditedBatch, clock: PhaseClock, number: int) -> Metrics:
        """Take the optimizer steps of step `number`: the policy's, then the critic's; returns their figures."""
        seed = derive_seed(self.seed, "minibatches", number)
        metrics = self.learner.update(credited, clock, seed=seed)
        if self.held_out is not None and self.held_out.due(number + 1):
            with clock.phase("score"):
                metrics |= self.held_out.metrics(lambda tokens: self.learner.logprobs(Role.REWARD, tokens)[0])
        if self.critic is None:
            return metrics
        of_critic = self.critic.update(credited, clock, seed=seed)
        told = {name: of_critic[name] for name in ("loss", "grad_norm", "learning_rate") if name in of_critic}
        return {
            **metrics,
            **{f"critic/{name}": value for name, value in told.items()},
            **explained_variance(credited),
        }

    def tensors(self) -> State:
        """The part of a checkpoint that goes beside the policy's weights, as tensors."""
        tensors = self.learner.tensors()
        tensors |= {name: part.state() for name, part in self.learner.models.beside.items()}
        if self.critic is not None:
            weights = {} if self.learner.mesh.sharded else self._critic_model.state()
            tensors["critic"] = {**self.critic.tensors(), "weights": weights}
        return tensors

    def save_shards(self, folder: Path) -> None:
        """Write what `tensors` leaves out of a sharded run's state, every process its part."""
        self.learner.save_shards(folder)
        if self.critic is not None:
            self.critic.save_shards(folder / _CRITIC)
            save_shards(self._critic_model.state(), folder / _CRITIC_WEIGHTS)

    def restore(self, tensors: State, updates: int, shards: Path | None) -> None:
        """Go on from a checkpoint, whose `shards` are where `save_shards` wrote them, if it did."""
        self.learner.restore(tensors, updates, shards=shards)
        for name, part in self.learner.models.beside.items():
            part.restore(tensors[name])
        if self.critic is None:
            return
        if shards is None:
            self._critic_model.restore(tensors["critic"]["weights"])
        else:
            self._critic_model.restore_shards(shards / _CRITIC_WEIGHTS)
        self.critic.restore(tensors["critic"], updates, shards=shards and shards / _CRITIC)

    @property
    def _critic_model(self) -> Critic:
        critic = self.learner.models.critic
        assert critic is not None
        return critic


@final
@dataclass(frozen=True, kw_only=True)
class StepDone:
    """A step that was taken: what it learned from, what that earned, and the figures of its updates."""

    taken: StepRollouts
    tokens: TokenBatch
    credited: CreditedBatch
    metrics: Metrics
    canaries: JudgedCanaries | None
    """None where nothing was sampled."""


def teacher_of(
    config: TrainConfig, given: LoadedModel | None = None, *, mesh: Mesh | None = None
) -> Policy | None:
    """The teacher that `config` names, or the one `given`; None where the algorithm has none."""
    if isinstance(config.algorithm, Distill):
        source, seed = config.algorithm.teacher, config.run.seed
        return load_teacher(source, config.model, seed=seed, loaded=given, mesh=mesh)
    if given is not None:
        raise ConfigError(
            f"a teacher is for algorithm.kind=distill, and this is {config.algorithm.kind}: leave it out"
        )
    return None


def training_stage(parts: RunParts, models: Models) -> Stage:
    """The stage that the run is about.

    Raises ConfigError for a teacher that has other tokens than the policy, or cannot read as many.
    """
    config = parts.config
    if models.teacher is not None:
        refuse_another_tokenizer(models.policy, models.teacher)
        refuse_samples_beyond_the_teacher(config, parts.env, parts.sampler.generator, models.teacher.context)
    algorithm = config.algorithm.build(_surroundings(config, models))
    plan = UpdatePlan(
        batch=config.batch,
        optimizer=config.optimizer,
        total_updates=config.run.steps * config.batch.updates,
        temperature=algorithm.temperature,
        max_mismatch=config.run.max_mismatch,
    )
    return Stage(
        algorithm=algorithm,
        source=make_source(parts, models.policy, algorithm.teaches),
        learner=_learner(models, algorithm, plan, parts.mesh, _trained_role(config, models)),
        seed=config.run.seed,
        critic=_critic_learner(config, models, algorithm, parts.mesh),
        held_out=_held_out(config, models, parts.env),
    )


def _held_out(config: TrainConfig, models: Models, env: Environment) -> HeldOutPairs | HeldOutSteps | None:
    """The data that a model which judges is measured on, where the settings name any."""
    tasks, policy, algorithm = held_out_answers(config, env), models.policy, config.algorithm
    if tasks is None or not isinstance(algorithm, RewardModelling | ProcessRewardModelling):
        return None
    when = {"every": algorithm.measure_every, "steps": config.run.steps}
    if isinstance(algorithm, ProcessRewardModelling):
        shows = StepDemonstrations(policy.tokenizer, policy.turn_frame)
        return HeldOutSteps(tasks, shows, context=policy.context, **when)
    shows = Demonstrations(policy.tokenizer, policy.turn_frame)
    return HeldOutPairs(tasks, shows, context=policy.context, **when)


def _trained_role(config: TrainConfig, models: Models) -> Role:
    """The role of the model that the policy's weights are trained in."""
    algorithm = config.algorithm
    if isinstance(algorithm, RewardModelling):
        models.reward = RewardModelInTraining(models.policy)
        return Role.REWARD
    if isinstance(algorithm, ProcessRewardModelling):
        models.reward = RewardModelInTraining(models.policy, steps=algorithm.steps)
        return Role.REWARD
    if isinstance(algorithm, Sft) and algorithm.multi_token_weight:
        seed = derive_seed(config.run.seed, "multi token")
        models.multi_token = MultiTokenPolicy(models.policy, seed=seed)
        return Role.MULTI_TOKEN
    if not isinstance(algorithm, Distill) or algorithm.vocabulary != "full":
        return Role.POLICY
    assert models.teacher is not None
    models.student = Student(models.policy, models.teacher, kind=algorithm.divergence, beta=algorithm.beta)
    return Role.STUDENT


def _critic_learner(
    config: TrainConfig, models: Models, algorithm: Algorithm, mesh: Mesh
) -> Learner[CreditedBatch] | None:
    """Make the critic, where the algorithm has one, and what trains it."""
    if not (isinstance(algorithm, LearnsValues) and isinstance(config.algorithm, Ppo)):
        return None
    if config.algorithm.critic == "none":
        return None
    models.critic = Critic(models.policy, own_model=config.algorithm.critic == "model")
    rate = {"learning_rate": config.algorithm.critic_learning_rate}
    return Learner[CreditedBatch](
        models,
        algorithm.value_objective,
        plan=UpdatePlan(
            batch=config.batch,
            optimizer=config.optimizer.model_copy(update=rate),
            total_updates=config.run.steps * config.batch.updates,
            temperature=1.0,
            max_mismatch=config.run.max_mismatch,
            rate_setting="algorithm.critic_learning_rate",
        ),
        mesh=mesh,
        role=Role.CRITIC,
    )


def warm_up_stage(config: TrainConfig, models: Models, env: Environment, mesh: Mesh) -> Stage:
    """The stage before: SFT on the environment's own solutions, as `config.warmup` has it."""
    settings = config.warmup
    assert settings is not None
    algorithm = Sft().build(_surroundings(config, models))
    batch = BatchConfig(
        prompts=settings.batch_size,
        group_size=1,
        microbatch_tokens=config.batch.microbatch_tokens,
        save_compute=config.batch.save_compute,
    )
    plan = UpdatePlan(
        batch=batch,
        optimizer=OptimizerConfig(
            kind=config.optimizer.kind,
            learning_rate=settings.learning_rate,
            max_grad_norm=config.optimizer.max_grad_norm,
        ),
        total_updates=settings.steps,
        temperature=algorithm.temperature,
        max_mismatch=config.run.max_mismatch,
        rate_setting="warmup.learning_rate",
    )
    return Stage(
        algorithm=algorithm,
        source=solutions_source(env, models.policy, settings, seed=config.run.seed),
        learner=_learner(models, algorithm, plan, mesh),
        seed=config.run.seed,
    )


def _surroundings(config: TrainConfig, models: Models) -> Surroundings:
    return Surroundings(
        reward=config.reward,
        overlong=config.overlong,
        max_tokens=config.sampling.max_tokens,
        updates_per_step=config.batch.updates,
        decode=models.policy.text,
        temperature=config.sampling.temperature,
        seed=config.run.seed,
    )


def _learner(
    models: Models, algorithm: Algorithm, plan: UpdatePlan, mesh: Mesh, role: Role = Role.POLICY
) -> Learner[CreditedBatch]:
    learner = Learner[CreditedBatch](
        models,
        lambda minibatch: algorithm.objective(minibatch, learner.logprobs),
        plan=plan,
        mesh=mesh,
        role=role,
    )
    return learner
