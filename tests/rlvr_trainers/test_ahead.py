"""Sampling while the learner works: how old samples become, what is dropped, and runs that are repeated bit for bit."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.sampling.ahead import Ahead, RoundsAhead
from rlvr_trainers.sampling.buffer import StepNeeds
from rlvr_trainers.sampling.stream import TaskStream
from rlvr_trainers.sampling.turnstile import NotLoaded
from rlvr_trainers.trainer import Trainer, TrainResult

from rlvr_gym import ConfigError, Environment, FunctionVerifier, Task, TrainingError
from rlvr_gym.clock import PhaseClock
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.speculative import Draft
from rlvr_gym.rollouts import Group
from rlvr_gym.verdicts import WeightsSpan
from tests.rlvr_trainers.test_buffer import GROUP_SIZE, finite, group
from tests.rlvr_trainers.test_ranks import outcomes, start
from tests.rlvr_trainers.test_trainer import SMALL, config, rows, same_weights, without_times

pytestmark = pytest.mark.long

# Rounds and ages, with a scripted policy


class World:
    """Weights of some version, and a play whose samples say under which version they were drawn."""

    def __init__(
        self, *, ahead: int = 2, max_rounds: int | None = None, right: int = 2, updates: int = 1
    ) -> None:
        self.version, self.right, self.slow = 0, right, set[int]()
        self.played: list[int] = []
        self.may_end = threading.Event()
        self.may_end.set()
        rounds = RoundsAhead(TaskStream(finite(100), seed=0), self.play, size=2, ahead=ahead, mesh=Mesh())
        self.source = Ahead(
            rounds,
            StepNeeds(
                groups=2,
                keeps=lambda group: group[0].verdict.correct != group[-1].verdict.correct,
                max_rounds=max_rounds,
                max_unscored=0.5,
            ),
            max_staleness=ahead,
            updates_per_step=updates,
            stop=lambda: None,
        )

    def play(self, tasks: Sequence[Task], number: int) -> list[Group]:
        version = self.version
        self.played.append(number)
        if number in self.slow:
            assert self.may_end.wait(20)
        return [self.sampled(task, version) for task in tasks]

    def sampled(self, task: Task, version: int) -> Group:
        spans = (WeightsSpan(version=version, tokens=2),)
        return tuple(replace(rollout, sampled_under=spans) for rollout in group(task, self.right))

    def step(self) -> list[float]:
        """Take a step's groups and move the weights on; returns the ages."""
        ages = self.source.take(self.version, step=self.version, clock=PhaseClock()).ages
        while self.under_way():
            time.sleep(0.005)
        self.version += 1
        return ages

    def under_way(self) -> bool:
        return any(not one.groups.done() for one in self.source._rounds._under_way)


def test_rounds_that_were_called_off_have_ended_when_a_source_is_closed() -> None:
    world = World()
    world.slow = {2}
    world.may_end.clear()
    world.step()
    threading.Timer(0.3, world.may_end.set).start()
    world.source.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rlvr-round-")]


def test_a_round_that_waits_for_a_slow_answer_keeps_no_source_from_closing() -> None:
    world = World()
    world.slow = {2}
    world.may_end.clear()
    world.step()
    began = time.monotonic()
    world.source.close()
    assert time.monotonic() - began < 10
    world.may_end.set()


def test_samples_are_as_old_as_is_allowed_and_no_older():
    assert [World(ahead=1).step() for _ in range(1)] == [[0, 0]]
    world = World(ahead=2)
    assert [world.step() for _ in range(5)] == [[0, 0], [1, 1], [2, 2], [2, 2], [2, 2]]
    assert world.played == list(range(7))


def test_age_counts_steps_and_not_optimizer_updates():
    world = World(ahead=1, updates=4)
    ages = []
    for _ in range(3):
        ages.append(world.step())
        world.version += 3
    assert ages == [[0, 0], [1, 1], [1, 1]]


def test_a_group_is_as_old_as_its_oldest_token():
    world = World(ahead=2)
    (task,) = finite(1).take(1)
    (first, *others) = world.sampled(task, 7)
    spans = (WeightsSpan(version=5, tokens=1), WeightsSpan(version=7, tokens=1))
    assert world.source._age((replace(first, sampled_under=spans), *others), 7) == 2


def test_samples_that_do_not_say_their_weights_are_refused():
    world = World()
    (task,) = finite(1).take(1)
    with pytest.raises(TrainingError, match="does not say which weights"):
        world.source._age(group(task, 2), 3)


def test_rounds_are_handed_out_in_order_however_long_each_takes():
    world = World(ahead=3)
    world.slow = {0}
    world.may_end.clear()
    threading.Timer(0.2, world.may_end.set).start()
    ids = [[g[0].task.id for g in world.source._rounds.next()] for _ in range(3)]
    stream = TaskStream(finite(100), seed=0)
    assert ids == [[task.id for task in stream.draw(2)] for _ in range(3)]


def test_surplus_that_has_become_too_old_is_dropped_and_counted():
    world = World(ahead=1, max_rounds=5)
    world.source._surplus = [world.sampled(task, 0) for task in finite(3).take(3)]
    world.version = 2
    taken = world.source.take(2, step=2, clock=PhaseClock())
    assert (taken.stale, len(taken.groups), taken.rounds) == (3, 2, 1)
    metrics = taken.metrics()
    assert metrics["groups/stale"] == 3
    assert metrics["staleness/dropped_length"] == metrics["staleness/kept_length"] == 2.0


def test_dynamic_sampling_goes_on_until_it_has_enough_and_keeps_what_is_left_over():
    world = World(ahead=1, max_rounds=5)
    world.source._surplus = [world.sampled(task, 0) for task in finite(1).take(1)]
    taken = world.source.take(0, step=0, clock=PhaseClock())
    assert (len(taken.groups), taken.rounds) == (2, 1)
    assert len(world.source._surplus) == 1
    starving = World(ahead=1, max_rounds=3, right=GROUP_SIZE)
    with pytest.raises(TrainingError, match="found 0 of 2 informative groups in 6 prompts over 3 rounds"):
        starving.source.take(0, step=0, clock=PhaseClock())


def test_a_state_goes_back_to_the_oldest_round_that_was_not_handed_out():
    world = World(ahead=2)
    first = [world.source.take(0, step=0, clock=PhaseClock()).groups for _ in range(3)]
    assert len(first) == 3
    state = world.source.state
    after = [world.source.take(0, step=0, clock=PhaseClock()).groups for _ in range(2)]
    other = World(ahead=2)
    other.source.state = state
    assert [other.source.take(0, step=0, clock=PhaseClock()).groups for _ in range(2)] == after
    assert min(other.played) == 3


def test_what_goes_wrong_in_a_round_is_an_error_of_the_step_that_waits_for_it():
    world = World()

    def broken(tasks: Sequence[Task], number: int) -> list[Group]:
        raise TrainingError("logits hold NaN")

    world.source._rounds._play = broken
    with pytest.raises(TrainingError, match="after step 4: logits hold NaN"):
        world.source.take(4, step=4, clock=PhaseClock())


# Whole runs of a tiny model


def run(folder: Path, *more: str, env: Environment | None = None) -> TrainResult:
    return Trainer(config("grpo", folder, "buffer.max_staleness=2", *more), env=env).run()


def jittery(seed: int) -> Environment:
    """The environment of these runs, with verdicts that take their time, a different one for every seed."""
    env = config("grpo", Path("unused")).env.make()
    rng, judge = random.Random(seed), env.verifier

    def slowly(task: Task, completion: object) -> object:
        time.sleep(rng.choice([0.0, 0.0, 0.01, 0.2]))
        return judge.verify(task, completion)  # type: ignore[arg-type]

    env.verifier = FunctionVerifier(slowly)  # type: ignore[arg-type]
    return env


def test_a_schedule_replays_to_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    run(tmp_path / "a", "run.steps=6", "eval=null", env=jittery(1))
    replay = f"buffer.replay={tmp_path / 'a'}"
    run(tmp_path / "b", "run.steps=6", "eval=null", replay, env=jittery(2))
    assert same_weights(tmp_path / "a" / "model", tmp_path / "b" / "model")
    assert without_times(rows(tmp_path / "a")) == without_times(rows(tmp_path / "b"))
    assert max(row["staleness/max"] for row in rows(tmp_path / "a")[1:]) == 2


def test_another_schedule_gives_other_weights(tmp_path: Path) -> None:
    run(tmp_path / "a", "run.steps=4", "eval=null")
    file = tmp_path / "a" / "schedule-0.jsonl"
    text = file.read_text()
    assert '"round": 4, "call": 0, "version": 4' in text, "of two minibatches a step"
    file.write_text(
        text.replace('"round": 4, "call": 0, "version": 4', '"round": 4, "call": 0, "version": 2')
    )
    run(tmp_path / "b", "run.steps=5", "eval=null", f"buffer.replay={tmp_path / 'a'}")
    run(tmp_path / "c", "run.steps=5", "eval=null")
    assert not same_weights(tmp_path / "b" / "model", tmp_path / "c" / "model")


def test_the_sampler_has_weights_of_its_own_and_evaluation_the_latest(tmp_path: Path) -> None:
    trainer = Trainer(config("grpo", tmp_path, "buffer.max_staleness=1", "run.steps=3", "eval.tasks=8"))
    assert isinstance(trainer.generator, TransformersGenerator)
    assert trainer.generator.model is not trainer.models.policy.model
    trainer.run()
    assert trainer.generator.weights_version == trainer.learner.updates
    trained, sampled = trainer.models.policy.model.state_dict(), trainer.generator.model.state_dict()
    assert all((trained[name] == sampled[name]).all() for name in trained)


def test_lora_minibatches_and_dynamic_sampling_go_together_with_it(tmp_path: Path) -> None:
    more = ["model.lora.rank=4", "dynamic_sampling.max_rounds=40", "run.steps=3", "eval.tasks=8"]
    assert run(tmp_path, *more, "algorithm.sampler_correction=token_mask").finished
    assert "sampler/mismatch_stale" in rows(tmp_path)[-1]


def test_a_sampler_that_loses_weights_stops_the_run_with_a_clear_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = Policy.generator_apart

    def forgetful(policy: Policy, draft: Draft | None) -> TransformersGenerator:
        generator = apart(policy, draft)
        update = generator.update_weights

        def lose(weights: object, version: int) -> None:
            update(weights if version < 4 else generator.model.named_parameters(), version)  # type: ignore[arg-type]

        generator.update_weights = lose  # type: ignore[method-assign]
        return generator

    monkeypatch.setattr(Policy, "generator_apart", forgetful)
    with pytest.raises(NotLoaded, match="the sampler does not have the weights that were trained"):
        run(tmp_path, "run.steps=6", "eval=null", "optimizer.learning_rate=0.05")


def test_a_killed_run_goes_on_from_its_checkpoint_and_replays_as_a_whole(tmp_path: Path) -> None:
    settings = config("grpo", tmp_path / "a", "buffer.max_staleness=2", "run.steps=200", "eval=null")
    more = ["buffer.max_staleness=2", "run.steps=200", "eval=null", f"run.dir={tmp_path / 'a'}"]
    command = [str(Path(sys.executable).with_name("rlvr")), "train", "grpo", *SMALL, *more]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: others round differently
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=one_thread)
    while len(rows(tmp_path / "a")) < 8:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    steps = max(int(path.name[5:]) for path in (tmp_path / "a" / "checkpoints").glob("step-*"))
    assert steps >= 4
    ends = f"run.steps={steps + 3}"
    shorter = settings.model_copy(update={"run": settings.run.model_copy(update={"steps": steps + 3})})
    assert Trainer(shorter).run().finished
    run(tmp_path / "b", ends, "eval=null", f"buffer.replay={tmp_path / 'a'}")
    assert same_weights(tmp_path / "a" / "model", tmp_path / "b" / "model")


def test_two_processes_sample_ahead_and_hold_the_same_step(tmp_path: Path) -> None:
    ended = outcomes(start("grpo", tmp_path, "buffer.max_staleness=2", "run.steps=4", "eval=null"))
    assert [status for status, _ in ended] == [0, 0], ended
    assert [row["staleness/max"] for row in rows(tmp_path)[1:]] == [0, 1, 2, 2]
    assert (tmp_path / "schedule-1.jsonl").exists()
    load_model(tmp_path / "model", "float32")


def test_a_judge_that_takes_long_does_not_stop_the_learner(tmp_path: Path) -> None:
    def seconds_per_step(staleness: int) -> float:
        env = config("grpo", Path("unused")).env.make()
        judge = env.verifier

        def slowly(task: Task, completion: object) -> object:
            time.sleep(0.1)
            return judge.verify(task, completion)  # type: ignore[arg-type]

        env.verifier = FunctionVerifier(slowly)  # type: ignore[arg-type]
        more = [f"buffer.max_staleness={staleness}", "run.steps=8", "eval=null"]
        trainer = Trainer(config("grpo", tmp_path / str(staleness), *more), env=env)
        began = time.monotonic()
        trainer.run()
        return (time.monotonic() - began) / 8

    # 64 verdicts of 0.1 s by 8 threads take 0.8 s.
    assert seconds_per_step(2) <= 0.7 * seconds_per_step(0)


def test_replaying_needs_a_schedule_and_the_staleness_of_its_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"set buffer\.max_staleness as it was there"):
        config("grpo", tmp_path, f"buffer.replay={tmp_path}")
    with pytest.raises(ConfigError, match=r"there is no .*schedule-0\.jsonl"):
        run(tmp_path / "new", f"buffer.replay={tmp_path}")
