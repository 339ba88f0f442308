"""The training loop: take -> score -> credit -> update -> publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import TrainingError
from rlvr_gym.registry import short_name
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.models import Models
from rlvr_trainers.learner.policy import LoadedModel, Policy
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.monitor import Monitor
from rlvr_trainers.run.checkpoints import Checkpoints, State
from rlvr_trainers.run.display import Display
from rlvr_trainers.run.figures import Drafts, group_metrics, sample_rows, speed_metrics, why_empty
from rlvr_trainers.run.held_out import HeldOut, Score
from rlvr_trainers.run.interrupts import Interrupts
from rlvr_trainers.run.preflight import (
    environments,
    refuse_prompts_without_room,
    refuse_shards_of,
    with_steps_of_epochs,
)
from rlvr_trainers.run.records import RunRecords
from rlvr_trainers.run.saving import Saver
from rlvr_trainers.run.sources import RunParts, sampler_for
from rlvr_trainers.run.stage import Stage, StepDone, teacher_of, training_stage, warm_up_stage
from rlvr_trainers.sampling.starvation import Solved


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """The end of a run."""

    run_dir: Path
    step: int
    finished: bool
    """False when it was asked to stop before its last step."""
    solved: bool
    """True when it ended because nearly all that it could sample was right, perhaps before `run.steps`."""
    before: Score | None
    after: Score | None
    best: Score | None


@final
class Trainer:
    """One training run: models, an environment, an algorithm, and the directory where everything about it is kept.

    Building it validates settings and environments and loads the model, from the latest checkpoint where the
    run directory has one; `run` trains to the last step.

    Args:
        config: all settings.
        name: of the recipe; the run directory is called after it.
        display: shows the run to a person; None is silent.
        env: takes the place of the environment that `config.env` names.
        held_out: takes the place of the one that `config.eval` names.
        model: a model with its tokenizer, in place of `config.model.path`; its weights are trained where they are.
        teacher: the same in place of `config.algorithm.teacher`; it stays as it is.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        name: str = "train",
        display: Display | None = None,
        env: Environment | None = None,
        held_out: Environment | None = None,
        model: LoadedModel | None = None,
        teacher: LoadedModel | None = None,
    ) -> None:
        self.env, held_out = environments(config, env, held_out)
        self.config = config = with_steps_of_epochs(config, self.env)
        refuse_shards_of(model, config)
        self.mesh = Mesh(shard=config.mesh.shard)
        self.display = display if display and self.mesh.first else Display()
        folder = config.run.dir or Path("runs") / f"{name}-{short_name(config.env.id)}"
        tasks, taught_by = self.env.tasks.fingerprint, teacher_of(config, teacher, mesh=self.mesh)
        self.records = RunRecords(folder, config, name=name, tasks=tasks, teacher=taught_by, mesh=self.mesh)
        checkpoints = Checkpoints(folder, keep=config.run.keep, mesh=self.mesh)
        self.resumed_from = self._latest(checkpoints)

        self.models = self._loaded(model, taught_by, checkpoints)
        sampler = sampler_for(config, self.models.policy, self.env)
        self.models.shard()
        self.generator, self.weights = sampler.generator, sampler.weights
        self.display.watch(self.generator)
        refuse_prompts_without_room(config, self.env, held_out, self.generator)
        parts = RunParts(config=config, env=self.env, sampler=sampler, folder=folder, mesh=self.mesh,
                         on_progress=self.display.samples)  # fmt: skip
        self.stage = stage = training_stage(parts, self.models)
        self.algorithm, self.learner, self.source = stage.algorithm, stage.learner, stage.source
        seed = derive_seed(config.run.seed, "monitor")
        self.monitor = Monitor(config.monitor, self.env, seed=seed, mesh=self.mesh)
        self.held_out = HeldOut(held_out, sampler.turnstile or self.generator, config, self.mesh,
                                on_progress=self.display.evaluating)  # fmt: skip
        self.saver = Saver(checkpoints, stage, self.mesh, config.trained_model, lambda: self._state)
        self._given = model is not None
        self.step = 0
        """Finished rollout steps."""
        self.empty_steps = 0
        """Finished steps that had not one token to learn from."""
        self.solved: str | None = None
        """The figures of a run that ended because nearly all was right; None for any other."""
        if self.resumed_from is not None:
            self._restore(checkpoints, self.resumed_from)

    def run(self) -> TrainResult:
        """Train to the last step, or until SIGINT or SIGTERM asks for a stop; a stop leaves a checkpoint."""
        finished = False
        with Interrupts(patient=self.mesh.world > 1) as interrupts:
            try:
                self._begin(interrupts)
                self._train(interrupts)
                self.saver.finish(self.records.folder / "model")
                finished = True
            except KeyboardInterrupt:
                self.saver.save_if_whole()
            except BaseException as error:
                if latest := self.saver.save_after(error):
                    self.display.say(f"the latest checkpoint is {latest}")
                raise
            finally:
                self.source.close()
                self.display.stop()
                self.records.close()
                self.mesh.leave()
        return TrainResult(
            run_dir=self.records.folder,
            step=self.step,
            finished=finished,
            solved=self.solved is not None,
            before=self.held_out.before,
            after=self.held_out.after,
            best=self.held_out.best,
        )

    def _train(self, interrupts: Interrupts) -> None:
        """Take steps to the last one, or until there is nothing left to learn."""
        self.display.start("training", self.config.run.steps, done=self.step)
        while self.step < self.config.run.steps and self.solved is None:
            if self.mesh.any(interrupts.requested):
                raise KeyboardInterrupt
            try:
                metrics = self._train_step(interrupts)
            except Solved as solved:
                self._end_solved(solved, interrupts)
            else:
                self.display.trained(self.step, metrics)
        if self.solved is not None:
            self.display.say(f"solved at step {self.step}: {self.solved}")

    def _learn(self, stage: Stage, number: int, clock: PhaseClock, interrupts: Interrupts) -> StepDone:
        """One step of a stage: take -> score -> credit -> update. A stop breaks off all but the update."""
        learner, version = stage.learner, stage.learner.updates
        began_with = stage.source.state
        try:
            with interrupts.at_once():
                taken = stage.source.take(version, step=number, clock=clock)
                rollouts = taken.rollouts
                with clock.phase("monitor"):
                    canaries = self.monitor.judge_canaries(taken.sampled, number) if taken.sampled else None
                tokens = stage.algorithm.tokens(rollouts, taken.group_ids)
                tokens = tokens.with_stale([r.oldest_weights not in (None, version) for r in rollouts])
                with clock.phase("score"):
                    scored = stage.algorithm.score(tokens, learner.logprobs)
                credited = stage.algorithm.credit(rollouts, scored)
            metrics = stage.update(credited, clock, number)
        except BaseException:
            stage.source.state = began_with
            raise
        return StepDone(taken=taken, tokens=tokens, credited=credited, metrics=metrics, canaries=canaries)

    def _train_step(self, interrupts: Interrupts) -> Metrics:
        """One rollout step and the optimizer steps over it."""
        clock = PhaseClock(self.display.phase)
        drafts = Drafts(self.generator)
        done = self._learn(self.stage, self.step, clock, interrupts)
        metrics, rollouts, canaries = done.metrics, done.taken.rollouts, done.canaries
        self.weights.publish(self.learner.updates)
        with clock.phase("monitor"):
            if canaries is not None:
                metrics |= self.monitor.observe(done.taken.sampled, canaries)
        metrics |= group_metrics(done.taken, done.credited, self.config.reward)
        metrics |= speed_metrics(clock, done.taken, done.credited, epochs=self.config.batch.epochs)
        metrics |= drafts.metrics()
        metrics["memory/peak_mb"] = self.models.policy.peak_memory_bytes() / 1e6
        samples = sample_rows(
            rollouts,
            done.credited,
            self.config.run.samples_per_step,
            self.env.expected,
            lambda rollout: self.monitor.flags(rollout, canaries) if canaries is not None else (),
        )
        return self._end_step(metrics, samples, why_empty(rollouts, done.tokens), interrupts)

    def _end_step(
        self,
        metrics: Metrics,
        samples: Sequence[dict[str, Any]],
        taught_nothing: str | None,
        interrupts: Interrupts,
    ) -> Metrics:
        """Count a step, evaluate and save where that is due, and say what there is to say."""
        if taught_nothing:
            self.empty_steps += 1
            metrics["steps/empty"] = float(self.empty_steps)
        self.step += 1
        self.saver.whole()
        try:
            if self.held_out.due(self.step):
                with interrupts.at_once():
                    metrics |= self._evaluate()
        finally:
            self.records.log(self.step, metrics, samples)
        run, best = self.config.run, self.held_out.best
        at_best = best is not None and best.step == self.step
        if at_best or self.step % run.checkpoint_every == 0 or self.step == run.steps:
            self.saver.save()
        if taught_nothing:
            self.display.say(f"step {self.step} taught nothing: {taught_nothing}; so far {self.empty_steps}")
        self._tell_what_the_monitor_saw()
        return metrics

    def _end_solved(self, solved: Solved, interrupts: Interrupts) -> None:
        """Do what a last step would have done: evaluate, keep a checkpoint, and say what the monitor saw."""
        if self.held_out.due(self.step, last=True):
            with interrupts.at_once():
                metrics = self._evaluate()
            self.records.complete(self.step, metrics)
        self.solved = solved.figures
        self.saver.save(anew=True)
        self._tell_what_the_monitor_saw()

    def _begin(self, interrupts: Interrupts) -> None:
        """Everything that comes before the first step: warm-up, reference, first evaluation, checkpoint 0.

        Of a resumed run, the reference, and the evaluation where that of its latest step was broken off.
        """
        fresh = self.resumed_from is None
        self.mesh.together(lambda: self.records.open(resumed_from=self.resumed_from))
        if self.mesh.first:
            self.saver.checkpoints.clear_away()
        if fresh:
            torch.manual_seed(derive_seed(self.config.run.seed, "torch"))
            if self.config.warmup:
                self._warm_up(self.config.warmup.steps, interrupts)
            self.stage.begin()
            with interrupts.at_once():
                self._take_reference()
            if self.mesh.first:
                self.saver.checkpoints.clear()
        else:
            self.display.say(f"resuming {self.records.folder} after step {self.step}")
            self._take_reference()
        self.weights.publish(self.learner.updates)
        self.saver.whole()
        if self.held_out.due(self.step, last=fresh):
            with interrupts.at_once():
                metrics = self._evaluate()
            self.records.complete(self.step, metrics)
        elif fresh:
            self.records.complete(self.step, {})
        if fresh:
            self.saver.save()

    def _warm_up(self, steps: int, interrupts: Interrupts) -> None:
        """Take the steps of the stage before the first step. Interrupted, it starts again."""
        stage = warm_up_stage(self.config, self.models, self.env, self.mesh)
        self.display.start("warm-up", steps)
        for step in range(1, steps + 1):
            try:
                metrics = self._learn(stage, step, PhaseClock(), interrupts).metrics
            except TrainingError as error:
                raise TrainingError(f"warm-up step {step}: {error}") from error
            self.display.advance(step, f"loss {metrics['loss']:.3f}")
        self.display.stop()

    def _take_reference(self) -> None:
        """Take the model that KL is measured to: the policy as reinforcement learning found it.

        After a warm-up, and of a model that was given as an object, nobody else has it: its weights are kept in the run
        directory.
        """
        if not self.algorithm.needs_reference:
            return
        stored = self.records.folder / "reference.pt" if self.config.warmup or self._given else None
        if self.resumed_from is None:
            self.models.freeze_reference(keep_at=stored)
        else:
            self.models.reload_reference(self.config.model, seed=self.config.run.seed, kept_at=stored)

    def _evaluate(self) -> Metrics:
        """Held-out pass@1; randomness of its own, so that training goes on as if it had not happened."""
        reading, metrics = self.held_out.evaluate(self.step)
        return metrics | self.monitor.evaluated(reading)

    def _tell_what_the_monitor_saw(self) -> None:
        for warning in self.monitor.warnings():
            self.display.say(f"step {self.step}: {warning}")
        self.monitor.refuse_to_go_on()

    @property
    def _state(self) -> State:
        return {
            "step": self.step,
            "empty_steps": self.empty_steps,
            "updates": self.learner.updates,
            "source": self.source.state,
            "monitor": self.monitor.state,
            "solved": self.solved and {"figures": self.solved, "max_rounds": self.source.max_rounds},
            **self.held_out.state,
        }

    def _latest(self, checkpoints: Checkpoints) -> int | None:
        """The step of the checkpoint to go on from, the same for all processes; None begins anew."""
        return self.mesh.agreed(self.mesh.together(lambda: self.records.resumable(checkpoints.steps())))

    def _loaded(self, model: LoadedModel | None, teacher: Policy | None, checkpoints: Checkpoints) -> Models:
        checkpoint = None if self.resumed_from is None else checkpoints.path(self.resumed_from)
        seed = self.config.run.seed
        policy = Policy(self.config.model, seed=seed, checkpoint=checkpoint, loaded=model, mesh=self.mesh)
        return Models(policy, teacher=teacher)

    def _restore(self, checkpoints: Checkpoints, step: int) -> None:
        tensors, state = checkpoints.load(step)
        torch.set_rng_state(tensors["torch_rng"])
        self.stage.restore(tensors, state["updates"], checkpoints.shards(step))
        self.step, self.source.state = state["step"], state["source"]
        self.empty_steps = state["empty_steps"]
        self.monitor.state, self.held_out.state = state["monitor"], state
        solved = state["solved"]
        if solved and solved["max_rounds"] == self.source.max_rounds:  # others may find what these did not
            self.solved = solved["figures"]
