"""The training loop: sample -> verify -> advantage -> loss -> step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.errors import TrainingError
from rlvr_gym.play import rollout
from rlvr_gym.registry import short_name
from rlvr_gym.rollouts import Group
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_trainers.checkpoints import Checkpoints, State
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.detectors.canaries import Canary
from rlvr_trainers.detectors.held_out import Reading
from rlvr_trainers.disk import writing
from rlvr_trainers.display import Display
from rlvr_trainers.environments import Score, environments, score_held_out
from rlvr_trainers.groups import Drawn, GroupSource, Solved, TaskStream
from rlvr_trainers.interrupts import Interrupts
from rlvr_trainers.learner import Learner
from rlvr_trainers.monitor import Monitor
from rlvr_trainers.policy import Policy
from rlvr_trainers.ranks import Ranks
from rlvr_trainers.records import RunRecords, group_metrics, sample_rows, speed_metrics
from rlvr_trainers.room import refuse_prompts_without_room
from rlvr_trainers.supervised import warm_up
from rlvr_trainers.tracking import Metrics


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a run ended."""

    run_dir: Path
    step: int
    finished: bool
    """False when it was asked to stop before its last step."""
    solved: bool
    """Whether it ended because nearly all that it could sample was right, perhaps before `run.steps`."""
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
        self.empty_steps = 0
        """Those of them without one token to learn from."""
        self.before: Score | None = None
        self.after: Score | None = None
        self.best: Score | None = None
        self.solved: str | None = None
        """What was found when dynamic sampling starved because nearly all was right."""
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
                self._train(interrupts)
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
            solved=self.solved is not None,
            before=self.before,
            after=self.after,
            best=self.best,
        )

    def _begin(self, interrupts: Interrupts) -> None:
        """Everything that comes before the first step: warm-up, reference, first evaluation, checkpoint 0.

        Of a resumed run, the reference, and the evaluation where that of its latest step was broken off.
        """
        self.ranks.together(lambda: self.records.open(resumed_from=self.resumed_from))
        if self.ranks.first:
            self.checkpoints.clear_away()
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

    def _train(self, interrupts: Interrupts) -> None:
        """Take steps to the last one, or until there is nothing left to learn."""
        self.display.start("training", self.config.run.steps, done=self.step)
        while self.step < self.config.run.steps and self.solved is None:
            if self.ranks.any(interrupts.requested):
                raise KeyboardInterrupt
            try:
                metrics = self._train_step(interrupts)
            except Solved as solved:
                self._end_solved(solved, interrupts)
            else:
                self.display.trained(self.step, metrics)
        if self.solved is not None:
            self.display.say(f"solved at step {self.step}: {self.solved}")

    def _end_solved(self, solved: Solved, interrupts: Interrupts) -> None:
        """Do what a last step would have done: evaluate, keep a checkpoint, and say what the monitor saw."""
        if self._evaluation_missing(last=True):
            with interrupts.at_once():
                metrics = self._evaluate()
            self.records.complete(self.step, metrics)
        self.solved = solved.figures
        self._save(anew=True)
        self._tell_what_the_monitor_saw()

    def _train_step(self, interrupts: Interrupts) -> Metrics:
        """One rollout step and the optimizer steps over it."""
        self._clock = PhaseClock(self.display.phase)
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
        metrics |= group_metrics(drawn, lesson.rewards, self.config.reward)
        metrics |= speed_metrics(self._clock, drawn, lesson, epochs=self.config.batch.epochs)
        metrics["memory/peak_mb"] = self.policy.peak_memory_bytes() / 1e6
        if lesson.why_empty:
            self.empty_steps += 1
            metrics["steps/empty"] = float(self.empty_steps)
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
        if lesson.why_empty:
            self.display.say(
                f"step {self.step} taught nothing: {lesson.why_empty}; so far {self.empty_steps}"
            )
        self._tell_what_the_monitor_saw()
        return metrics

    def _tell_what_the_monitor_saw(self) -> None:
        for warning in self.monitor.warnings():
            self.display.say(f"step {self.step}: {warning}")
        self.monitor.refuse_to_go_on()

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
                return rollout(
                    vector, self.generator, tasks, sampling, seed=seed, clock=self._clock,
                    on_progress=self.display.samples,
                )  # fmt: skip
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

    def _evaluation_missing(self, *, last: bool = False) -> bool:
        """Whether this step is one to evaluate after (the `last` one is), and that has not been done."""
        settings = self.config.eval
        if settings is None or not (last or self._due(settings.every)):
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
        assert self.held_out is not None
        with self._sampling():
            return score_held_out(
                self.held_out,
                self.generator,
                self.config,
                step=self.step,
                on_progress=self.display.evaluating,
            )

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
                self.policy.keep_reference(stored)
            return self.policy.frozen_copy()
        reference = Policy(self.config.model, seed=self.config.run.seed).frozen_copy()
        if self.config.warmup:
            reference.load_reference(stored)
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

    def _save(self, *, anew: bool = False) -> None:
        whole_at, self._whole_at = self._whole_at, None  # what cannot be written now is not tried again
        self.ranks.together(lambda: self._write_checkpoint(anew=anew))
        self._whole_at = whole_at

    def _write_checkpoint(self, *, anew: bool = False) -> None:
        """Save this step, `anew` also where it has a checkpoint already."""
        if self.ranks.first and (anew or self.step not in self.checkpoints.steps()):
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
            "empty_steps": self.empty_steps,
            "updates": self.learner.updates,
            "source": self.source.state,
            "monitor": self.monitor.state,
            "solved": self.solved and {"figures": self.solved, "max_rounds": self.source.max_rounds},
            **{name: dataclasses.asdict(score) if score else None for name, score in scores.items()},
        }

    def _restore(self, tensors: State, state: State) -> None:
        torch.set_rng_state(tensors["torch_rng"])
        self.learner.restore(tensors, state["updates"])
        self.step, self.source.state = state["step"], state["source"]
        self.empty_steps = state.get("empty_steps", 0)
        self.monitor.state = state["monitor"]
        scores = (Score(**state[name]) if state[name] else None for name in ("before", "after", "best"))
        self.before, self.after, self.best = scores
        solved = state.get("solved")
        if solved and solved["max_rounds"] == self.source.max_rounds:  # others may find what these did not
            self.solved = solved["figures"]
