"""The training loop: sample -> verify -> advantage -> loss -> step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import final

import torch

from rlvr_gym.clock import PhaseClock
from rlvr_gym.errors import TrainingError
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.registry import short_name
from rlvr_gym.rollouts import Group, collect
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_gym.vector import GroupVectorEnv
from rlvr_trainers.checkpoints import Checkpoints, State
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.detectors.canaries import Canary
from rlvr_trainers.detectors.held_out import Reading
from rlvr_trainers.disk import writing
from rlvr_trainers.display import Display
from rlvr_trainers.environments import environments
from rlvr_trainers.groups import Drawn, GroupSource, TaskStream
from rlvr_trainers.interrupts import Interrupts
from rlvr_trainers.learner import Learner, Lesson
from rlvr_trainers.monitor import Monitor
from rlvr_trainers.policy import Policy
from rlvr_trainers.ranks import Ranks
from rlvr_trainers.records import RunRecords, group_metrics, sample_rows
from rlvr_trainers.room import refuse_prompts_without_room
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
        self.config = config
        self.env, self.held_out = environments(config)
        self.ranks = Ranks()
        self.display = display if display and self.ranks.first else Display()
        folder = config.run.dir or Path("runs") / f"{name}-{short_name(config.env.id)}"
        self.records = RunRecords(
            folder, config, name=name, tasks=self.env.tasks.fingerprint, ranks=self.ranks
        )
        self.checkpoints = Checkpoints(folder, keep=config.run.keep)
        self.resumed_from = self.ranks.together(lambda: self.records.resumable(self.checkpoints.steps()))
        self.resumed_from = self.ranks.agreed(self.resumed_from)

        checkpoint = None if self.resumed_from is None else self.checkpoints.path(self.resumed_from)
        self.policy = Policy(config.model, seed=config.run.seed, checkpoint=checkpoint)
        self.generator = self.policy.generator()
        self._refuse_prompts_without_room()
        self.learner = Learner(self.policy, config, self.ranks)
        self.source = GroupSource(
            TaskStream(self.env.tasks, seed=derive_seed(config.run.seed, "tasks")),
            self._play,
            wanted=config.batch.prompts,
            max_rounds=config.dynamic_sampling.max_rounds if config.dynamic_sampling else None,
            max_unscored=config.run.max_unscored,
        )
        self.monitor = Monitor(config.monitor, self.env, seed=derive_seed(config.run.seed, "monitor"))
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
        with Interrupts(patient=self.ranks.world > 1) as interrupts:
            try:
                self._begin(interrupts)
                self.display.start("training", self.config.run.steps, done=self.step)
                while self.step < self.config.run.steps:
                    if self.ranks.any(interrupts.requested):
                        raise KeyboardInterrupt
                    self.display.trained(self.step + 1, self._train_step(interrupts))
                self._finish()
                finished = True
            except KeyboardInterrupt:
                self._save_if_whole()
            except BaseException as error:
                self._save_after(error)
                raise
            finally:
                self.display.stop()
                self.records.close()
                self.ranks.leave()
        return TrainResult(
            run_dir=self.records.folder,
            step=self.step,
            finished=finished,
            before=self.before,
            after=self.after,
            best=self.best,
        )

    def _begin(self, interrupts: Interrupts) -> None:
        """Everything that comes before the first step: warm-up, reference, first evaluation, checkpoint 0.

        Of a resumed run, the reference, and the evaluation where that of its latest step was broken off.
        """
        self.ranks.together(lambda: self.records.open(resumed_from=self.resumed_from))
        if self.resumed_from is not None:
            self.display.say(f"resuming {self.records.folder} after step {self.step}")
            self.learner.reference = self._reference()
        else:
            torch.manual_seed(derive_seed(self.config.run.seed, "torch"))
            with interrupts.at_once():
                if self.config.warmup:
                    warm_up(self.policy, self.env, self.config, self.display, self.ranks)
                self.learner.reference = self._reference()
            if self.ranks.first:
                self.checkpoints.clear()
        self._whole_at = self.learner.updates
        if self.resumed_from is None or self._evaluation_missing():
            with interrupts.at_once():
                metrics = self._evaluate()
            if self.step == 0:
                self.before = self.after
            self.records.complete(self.step, metrics)
        if self.resumed_from is None:
            self._save()

    def _train_step(self, interrupts: Interrupts) -> Metrics:
        """One rollout step and the optimizer steps over it."""
        self._clock = PhaseClock()
        began_with = self.source.state
        try:
            with interrupts.at_once():
                drawn = self.source.draw(self.learner.updates)
                canaries, paid = self._judge_canaries(drawn)
                lesson = self.learner.prepare(drawn.groups, self._clock)
            seed = derive_seed(self.config.run.seed, "minibatches", self.step)
            metrics = self.learner.update(lesson.batch, self._clock, seed=seed)
        except BaseException:
            self.source.state = began_with
            raise
        with self._clock.phase("monitor"):
            metrics |= self.monitor.observe(drawn.sampled, len(canaries), paid)
        metrics |= group_metrics(drawn, lesson.rewards, self.config.reward) | self._speed(drawn, lesson)
        samples = sample_rows(lesson, self.config.run.samples_per_step, self.env.expected)
        self.step += 1
        self._whole_at = self.learner.updates
        try:
            if self._evaluation_missing():
                with interrupts.at_once():
                    metrics |= self._evaluate()
        finally:
            self.records.log(self.step, metrics, samples)
        if self._due(self.config.run.checkpoint_every) or (self.best and self.best.step == self.step):
            self._save()
        for warning in self.monitor.warnings():
            self.display.say(f"step {self.step}: {warning}")
        self.monitor.refuse_to_go_on()
        return metrics

    def _judge_canaries(self, drawn: Drawn) -> tuple[list[Canary], list[Canary]]:
        """Canaries among what was sampled, and those of them that were paid; each rank judges its share."""
        with self._clock.phase("monitor"):
            canaries = self.monitor.canaries(drawn.sampled, self.step)
            mine = self.ranks.share(canaries)
            return canaries, self.ranks.gather(self.ranks.together(lambda: self.monitor.sprung(mine)))

    def _play(self, tasks: Sequence[Task], round_number: int) -> list[Group]:
        """Sample and judge one group per task; with several ranks, each plays its share."""
        mine = self.ranks.share(tasks)
        seed = derive_seed(self.config.run.seed, "rollouts", self.step, round_number)
        return self.ranks.gather(self.ranks.together(lambda: self._collect(mine, seed)))

    def _collect(self, tasks: Sequence[Task], seed: int) -> list[Group]:
        if not tasks:
            return []
        vector = GroupVectorEnv(self.env, len(tasks), self.config.batch.group_size)
        try:
            sampling = self.config.sampling.params
            with self._sampling():
                return collect(vector, self.generator, tasks, sampling, seed=seed, clock=self._clock)
        finally:
            vector.close()

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        """Around what the sampler does: weights that it cannot use are not worth a checkpoint."""
        try:
            yield
        except TrainingError as error:
            self._whole_at = None
            raise TrainingError(
                f"after step {self.step}: {error}. These weights are not kept; a lower optimizer.learning_rate "
                f"(now {self.config.optimizer.learning_rate:g}) usually helps, in a new run.dir"
            ) from error

    def _evaluation_missing(self) -> bool:
        """Whether this step is one to evaluate after, and that has not been done."""
        settings = self.config.eval
        if settings is None or not self._due(settings.every):
            return False
        return self.after is None or self.after.step != self.step

    def _evaluate(self) -> Metrics:
        """Held-out pass@1; randomness of its own, so that training goes on as if it had not happened.

        Every rank evaluates all of it, and the first one's figures count.
        """
        if self.config.eval is None or self.held_out is None:
            return {}
        score, reading, metrics = self.ranks.agreed(self.ranks.together(self._score_held_out))
        metrics |= self.monitor.evaluated(reading)
        self.after = score
        if self.best is None or score.value > self.best.value:
            self.best = score
        return metrics

    def _score_held_out(self) -> tuple[Score, Reading, Metrics]:
        settings, held_out = self.config.eval, self.held_out
        assert settings is not None
        assert held_out is not None
        temperature = (
            self.config.sampling.temperature if settings.temperature is None else settings.temperature
        )
        clock = PhaseClock()
        with clock.phase("evaluate"), self._sampling():
            result = evaluate(
                held_out,
                self.generator,
                n=settings.n,
                k=(1,),
                sampling=SamplingParams(temperature=temperature, max_tokens=self.config.sampling.max_tokens),
                limit=settings.tasks,
                seed=derive_seed(self.config.run.seed, "evaluation"),
                max_unscored_share=self.config.run.max_unscored,
            )
        pass_at_1, mean = result.pass_at_k[1], result.best_at_k[1]
        score = Score(step=self.step, value=pass_at_1.value, low=pass_at_1.low, high=pass_at_1.high)
        reading = Reading(value=mean.value, low=mean.low, high=mean.high)
        return (
            score,
            reading,
            {
                "eval/pass@1": score.value,
                "eval/pass@1/low": score.low,
                "eval/pass@1/high": score.high,
                "eval/score": reading.value,
                "eval/truncation": result.truncation_rate,
                "seconds/evaluate": clock.seconds["evaluate"],
            },
        )

    def _speed(self, drawn: Drawn, lesson: Lesson) -> Metrics:
        """Seconds of each phase, and sampled tokens per second through it."""
        sampled = sum(rollout.length for group in drawn.everything for rollout in group)
        trained = int(lesson.batch.mask_BT.sum())
        batch = lesson.batch
        passes = (batch.old_logprobs_BT is not None) + (batch.ref_logprobs_BT is not None)
        tokens = {
            "generate": sampled,
            "verify": sampled,
            "score": trained * passes,
            "update": trained * self.config.batch.epochs,
        }
        seconds = {phase: self._clock.seconds[phase] for phase in tokens}
        return {
            **{f"seconds/{phase}": value for phase, value in seconds.items()},
            "seconds/monitor": self._clock.seconds["monitor"],
            **{f"tokens_per_second/{phase}": n / max(seconds[phase], 1e-9) for phase, n in tokens.items()},
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
                with writing("the reference model", self.records.folder):
                    torch.save(self.policy.model.state_dict(), stored)
            return self.policy.frozen_copy()
        reference = Policy(self.config.model, seed=self.config.run.seed).frozen_copy()
        if self.config.warmup:
            try:
                reference.model.load_state_dict(torch.load(stored, weights_only=True))
            except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
                raise TrainingError(
                    f"cannot read {stored}, the model that KL is measured to, which this run began with: {error}; "
                    "a new run in another run.dir makes its own"
                ) from error
        return reference

    def _finish(self) -> None:
        if self.ranks.first:
            with writing("the finished model", self.records.folder / "model"):
                self.policy.save_merged(self.records.folder / "model")
                self.config.trained_model.write(self.records.folder / "model")

    def _save_after(self, error: BaseException) -> None:
        """Keep what is whole although the run failed; a failure to do that is told as well."""
        try:
            self._save_if_whole()
        except TrainingError as another:
            raise TrainingError(f"{error}\nand {another}") from error
        if steps := self.checkpoints.steps():
            self.display.say(f"the latest checkpoint is {self.checkpoints.path(steps[-1])}")

    def _save_if_whole(self) -> None:
        """Save unless the weights are those of a half-done step, which is done again from the last checkpoint.

        Waits for no other rank: the others may be anywhere, or gone.
        """
        if self._whole_at == self.learner.updates:
            self._write_checkpoint()

    def _save(self) -> None:
        whole_at, self._whole_at = self._whole_at, None  # what cannot be written now is not tried again
        self.ranks.together(self._write_checkpoint)
        self._whole_at = whole_at

    def _write_checkpoint(self) -> None:
        if self.ranks.first and self.step not in self.checkpoints.steps():
            tensors = {**self.learner.tensors(), "torch_rng": torch.get_rng_state()}
            self.checkpoints.save(self.step, self._save_model, tensors, self._state())

    def _save_model(self, folder: Path) -> None:
        self.policy.save(folder)
        self.config.trained_model.write(folder)

    def _refuse_prompts_without_room(self) -> None:
        max_tokens = self.config.sampling.max_tokens
        refuse_prompts_without_room(self.env.tasks, self.generator, max_tokens=max_tokens)
        if self.held_out and self.config.eval:
            refuse_prompts_without_room(
                self.held_out.tasks, self.generator, max_tokens=max_tokens, limit=self.config.eval.tasks
            )

    def _state(self) -> State:
        scores = {"before": self.before, "after": self.after, "best": self.best}
        return {
            "step": self.step,
            "updates": self.learner.updates,
            "source": self.source.state,
            "monitor": self.monitor.state,
            **{name: dataclasses.asdict(score) if score else None for name, score in scores.items()},
        }

    def _restore(self, tensors: State, state: State) -> None:
        torch.set_rng_state(tensors["torch_rng"])
        self.learner.restore(tensors, state["updates"])
        self.step, self.source.state = state["step"], state["source"]
        self.monitor.state = state["monitor"]
        scores = (Score(**state[name]) if state[name] else None for name in ("before", "after", "best"))
        self.before, self.after, self.best = scores
