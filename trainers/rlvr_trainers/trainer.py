"""The training loop: sample -> verify -> advantage -> loss -> step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environment import Environment
from rlvr_gym.errors import ConfigError, RlvrError
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.registry import short_name
from rlvr_gym.rollouts import Group, collect
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_gym.vector import GroupVectorEnv
from rlvr_trainers.checkpoints import Checkpoints, State
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.display import Display
from rlvr_trainers.groups import Drawn, GroupSource, TaskStream
from rlvr_trainers.interrupts import Interrupts
from rlvr_trainers.learner import Learner, Lesson
from rlvr_trainers.policy import Policy
from rlvr_trainers.ranks import Ranks
from rlvr_trainers.records import RunRecords, group_metrics, sample_rows
from rlvr_trainers.supervised import warm_up
from rlvr_trainers.tracking import Metrics


@dataclass(frozen=True, kw_only=True)
class Score:
    """Held-out pass@1 with its 95 % interval."""

    step: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a run ended."""

    run_dir: Path
    step: int
    finished: bool
    """False when it was asked to stop before its last step."""
    before: Score | None
    after: Score | None
    best: Score | None


@final
class Trainer:
    """One training run: a policy, an environment, and the directory where everything about it is kept.

    Building it validates settings and environments and loads the model, from the latest checkpoint where the
    run directory has one; `run` trains to the last step.
    """

    def __init__(self, config: TrainConfig, *, name: str = "train", display: Display | None = None) -> None:
        self.config, self.display = config, display or Display()
        self.env, self.held_out = _environments(config)
        self.ranks = Ranks()
        folder = config.run.dir or Path("runs") / f"{name}-{short_name(config.env.id)}"
        self.records = RunRecords(folder, config, name=name, ranks=self.ranks)
        self.checkpoints = Checkpoints(folder, keep=config.run.keep)
        self.resumed_from = max(self.checkpoints.steps(), default=None)

        checkpoint = None if self.resumed_from is None else self.checkpoints.path(self.resumed_from)
        self.policy = Policy(config.model, seed=config.run.seed, checkpoint=checkpoint)
        self.generator = self.policy.generator()
        self.learner = Learner(self.policy, config, self.ranks)
        self.source = GroupSource(
            TaskStream(self.env.tasks, seed=derive_seed(config.run.seed, "tasks")),
            self._play,
            wanted=config.batch.prompts,
            max_rounds=config.dynamic_sampling.max_rounds if config.dynamic_sampling else None,
            max_unscored=config.run.max_unscored,
        )
        self.step = 0
        """Finished rollout steps."""
        self.before: Score | None = None
        self.after: Score | None = None
        self.best: Score | None = None
        self._clock = PhaseClock()
        self._whole_at: int | None = None
        """`learner.updates` when the weights were last those of a whole number of steps."""
        if self.resumed_from is not None:
            self._restore(*self.checkpoints.load(self.resumed_from))

    def run(self) -> TrainResult:
        """Train to the last step, or until SIGINT or SIGTERM asks for a stop; a stop leaves a checkpoint."""
        finished = False
        with Interrupts() as interrupts:
            try:
                self._begin(interrupts)
                self.display.start("training", self.config.run.steps, done=self.step)
                while self.step < self.config.run.steps:
                    self.display.trained(self.step + 1, self._train_step(interrupts))
                    interrupts.check()
                self._finish()
                finished = True
            except KeyboardInterrupt:
                self._save_if_whole()
            except RlvrError:
                self._save_if_whole()
                raise
            finally:
                self.display.stop()
                self.records.close()
        return TrainResult(
            run_dir=self.records.folder,
            step=self.step,
            finished=finished,
            before=self.before,
            after=self.after,
            best=self.best,
        )

    def _begin(self, interrupts: Interrupts) -> None:
        """Everything that comes before the first step: warm-up, reference, first evaluation, checkpoint 0."""
        self.records.open(resumed_from=self.resumed_from)
        if self.resumed_from is not None:
            self.display.say(f"resuming {self.records.folder} after step {self.step}")
            self.learner.reference = self._reference()
        else:
            with interrupts.at_once():
                if self.config.warmup:
                    warm_up(self.policy, self.env, self.config, self.display)
                self.learner.reference = self._reference()
                metrics = self._evaluate()
            self.before = self.after
            self.records.log(0, metrics, [])
            self._save()
        self._whole_at = self.learner.updates

    def _train_step(self, interrupts: Interrupts) -> Metrics:
        """One rollout step and the optimizer steps over it."""
        self._clock = PhaseClock()
        began_with = self.source.state
        try:
            with interrupts.at_once():
                drawn = self.source.draw(self.learner.updates)
                lesson = self.learner.prepare(drawn.groups, self._clock)
            seed = derive_seed(self.config.run.seed, "minibatches", self.step)
            metrics = self.learner.update(lesson.batch, self._clock, seed=seed)
        except (KeyboardInterrupt, RlvrError):
            self.source.state = began_with
            raise
        self.step += 1
        self._whole_at = self.learner.updates
        metrics |= group_metrics(drawn, lesson.rewards, self.config.reward) | self._speed(drawn, lesson)
        if self.config.eval and self._due(self.config.eval.every):
            metrics |= self._evaluate()
        samples = sample_rows(lesson, self.config.run.samples_per_step)
        self.records.log(self.step, metrics, samples)
        if self._due(self.config.run.checkpoint_every) or (self.best and self.best.step == self.step):
            self._save()
        return metrics

    def _play(self, tasks: Sequence[Task], round_number: int) -> list[Group]:
        """Sample and judge one group per task; with several ranks, each plays its share."""
        mine = self.ranks.share(tasks)
        groups: list[Group] = []
        if mine:
            vector = GroupVectorEnv(self.env, len(mine), self.config.batch.group_size)
            seed = derive_seed(self.config.run.seed, "rollouts", self.step, round_number)
            sampling = self.config.sampling.params
            groups = collect(vector, self.generator, mine, sampling, seed=seed, clock=self._clock)
            vector.close()
        return self.ranks.gather(groups)

    def _evaluate(self) -> Metrics:
        """Held-out pass@1; randomness of its own, so that training goes on as if it had not happened."""
        settings = self.config.eval
        if settings is None or self.held_out is None:
            return {}
        temperature = (
            self.config.sampling.temperature if settings.temperature is None else settings.temperature
        )
        clock = PhaseClock()
        with clock.phase("evaluate"):
            result = evaluate(
                self.held_out,
                self.generator,
                n=settings.n,
                k=(1,),
                sampling=SamplingParams(temperature=temperature, max_tokens=self.config.sampling.max_tokens),
                limit=settings.tasks,
                seed=derive_seed(self.config.run.seed, "evaluation"),
            )
        pass_at_1 = result.pass_at_k[1]
        self.after = Score(step=self.step, value=pass_at_1.value, low=pass_at_1.low, high=pass_at_1.high)
        if self.best is None or self.after.value > self.best.value:
            self.best = self.after
        return {
            "eval/pass@1": self.after.value,
            "eval/pass@1/low": self.after.low,
            "eval/pass@1/high": self.after.high,
            "eval/truncation": result.truncation_rate,
            "seconds/evaluate": clock.seconds["evaluate"],
        }

    def _speed(self, drawn: Drawn, lesson: Lesson) -> Metrics:
        """Seconds of each phase, and tokens per second of those that handle tokens."""
        seconds = {phase: self._clock.seconds[phase] for phase in ("generate", "verify", "score", "update")}
        sampled = sum(rollout.length for group in drawn.everything for rollout in group)
        trained = int(lesson.batch.mask_BT.sum()) * self.config.batch.epochs
        rates = {"generate": sampled, "update": trained}
        return {
            **{f"seconds/{phase}": value for phase, value in seconds.items()},
            **{f"tokens_per_second/{phase}": n / max(seconds[phase], 1e-9) for phase, n in rates.items()},
            "memory/peak_mb": self.policy.peak_memory_bytes() / 1e6,
        }

    def _due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.run.steps

    def _reference(self) -> Policy | None:
        """The model that KL is measured to: the policy as reinforcement learning found it.

        After a warm-up that is no model anyone else has, so its weights are kept in the run directory.
        """
        if not self.config.algorithm.needs_reference:
            return None
        stored = self.records.folder / "reference.pt"
        if self.resumed_from is None:
            if self.config.warmup and self.ranks.first:
                torch.save(self.policy.model.state_dict(), stored)
            return self.policy.frozen_copy()
        reference = Policy(self.config.model, seed=self.config.run.seed).frozen_copy()
        if self.config.warmup:
            reference.model.load_state_dict(torch.load(stored, weights_only=True))
        return reference

    def _finish(self) -> None:
        if self.ranks.first:
            self.policy.save_merged(self.records.folder / "model")

    def _save_if_whole(self) -> None:
        """Save unless the weights are those of a half-done step, which is done again from the last checkpoint."""
        if self._whole_at == self.learner.updates:
            self._save()

    def _save(self) -> None:
        if self.ranks.first and self.step not in self.checkpoints.steps():
            tensors = {**self.learner.tensors(), "torch_rng": torch.get_rng_state()}
            self.checkpoints.save(self.step, self.policy.save, tensors, self._state())
        self.ranks.wait()

    def _state(self) -> State:
        scores = {"before": self.before, "after": self.after, "best": self.best}
        return {
            "step": self.step,
            "updates": self.learner.updates,
            "source": self.source.state,
            **{name: dataclasses.asdict(score) if score else None for name, score in scores.items()},
        }

    def _restore(self, tensors: State, state: State) -> None:
        torch.set_rng_state(tensors["torch_rng"])
        self.learner.restore(tensors, state["updates"])
        self.step, self.source.state = state["step"], state["source"]
        scores = (Score(**state[name]) if state[name] else None for name in ("before", "after", "best"))
        self.before, self.after, self.best = scores


def _environments(config: TrainConfig) -> tuple[Environment, Environment | None]:
    """The training environment and the held-out one, with what is wrong between them found before any work."""
    env = config.env.make()
    held_out = config.held_out.make() if config.held_out else None
    if held_out is not None and held_out.tasks.fingerprint == env.tasks.fingerprint:
        raise ConfigError(
            "eval.env holds the very tasks that the model trains on: name other data or another split"
        )
    return env, held_out
