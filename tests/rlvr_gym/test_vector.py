import gc
import threading
import time

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import rlvr_gym as rg

TASKS = [rg.Task(id=f"t{i}", prompt=f"{i}?", reference=str(i)) for i in range(6)]
EXACT = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)


def tasks_of(name="numbers"):
    return rg.TaskSet.from_tasks(TASKS, name=name)


class Counting(rg.Environment):
    """Answers with the number of turns until it hears the reference."""

    def respond(self, task, replies):
        if replies[-1].text == "crash":
            raise ZeroDivisionError("the environment's own mistake")
        return None if replies[-1].text == task.reference else str(len(replies))


def vector(groups, size, verifier=EXACT, *, env=None, **options):
    return rg.GroupVectorEnv(env or rg.Environment(tasks_of(), verifier), groups, size, **options)


def sleeping(seconds):
    def verify(task, completion):
        time.sleep(seconds)
        return True

    return rg.FunctionVerifier(verify)


def test_all_lanes_of_a_group_get_its_task():
    env = vector(3, 2)
    observations, infos = env.reset(options={"tasks": ["t4", 0, TASKS[2]]})
    assert observations == ("4?", "4?", "0?", "0?", "2?", "2?")
    assert list(infos["task"]) == ["t4", "t4", "t0", "t0", "t2", "t2"]
    assert env.lanes_of(1) == range(2, 4)
    assert env.messages(5)[0].content == "2?"


def test_drawn_groups_share_a_task_within_and_repeat_with_the_seed():
    env = vector(8, 3)
    first, _ = env.reset(seed=3)
    groups = [first[g * 3 : g * 3 + 3] for g in range(8)]
    assert all(len(set(group)) == 1 for group in groups)
    assert len(set(first)) > 1
    assert env.reset(seed=3)[0] == first
    assert env.reset()[0] != first


def test_a_step_is_gymnasiums_five_tuple_over_lanes():
    env = vector(2, 2)
    env.reset(options={"tasks": ["t1", "t2"]})
    observations, rewards, terminations, truncations, infos = env.step(["1", "2", "2", "x"])
    assert observations == ("", "", "", "")
    assert rewards.tolist() == [1.0, 0.0, 1.0, 0.0]
    assert rewards.dtype == np.float64
    assert terminations.tolist() == [True] * 4
    assert truncations.tolist() == [False] * 4
    assert [verdict.correct for verdict in infos["verdict"]] == [True, False, True, False]
    assert infos["scored"].tolist() == [True] * 4


def test_it_is_a_vector_env_whose_finished_lanes_stay_finished():
    env = vector(1, 2, env=Counting(tasks_of(), EXACT, max_turns=5))
    assert isinstance(env, gymnasium.vector.VectorEnv)
    assert env.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    assert env.num_envs == 2
    env.reset(options={"tasks": ["t3"]})
    observations, _, terminations, _, _ = env.step(["3", "5"])
    assert (observations, terminations.tolist()) == (("", "1"), [True, False])
    observations, rewards, terminations, truncations, infos = env.step([None, "3"])
    assert (observations, rewards.tolist()) == (("", ""), [0.0, 1.0])
    assert terminations.tolist() == [True, True]
    assert truncations.tolist() == [False, False]
    assert infos["_verdict"].tolist() == [False, True]
    with pytest.raises(gymnasium.error.ResetNeeded, match="lane 0 is finished"):
        env.send(0, "3")
    env.reset(options={"tasks": ["t3"]})
    assert env.step(["3", "3"])[1].tolist() == [1.0, 1.0]


def test_lanes_are_judged_at_the_same_time():
    env = vector(2, 4, sleeping(0.3), workers=8)
    env.reset(seed=0)
    began = time.monotonic()
    assert env.step(["x"] * 8)[1].tolist() == [1.0] * 8
    assert time.monotonic() - began < 1.5


def test_judging_begins_when_a_turn_is_sent():
    env = vector(1, 1, sleeping(0.5))
    env.reset(seed=0)
    env.send(0, "x")
    time.sleep(0.5)
    began = time.monotonic()
    assert env.recv(0).reward == 1.0
    assert time.monotonic() - began < 0.4


def test_a_verifier_that_raises_costs_its_own_lane_only():
    def verify(task, completion):
        if completion.text == "crash":
            raise RuntimeError("no sandbox")
        return True

    env = vector(1, 3, rg.FunctionVerifier(verify))
    env.reset(seed=0)
    _, rewards, terminations, _, infos = env.step(["a", "crash", "b"])
    assert rewards.tolist() == [1.0, 0.0, 1.0]
    assert terminations.all()
    assert infos["scored"].tolist() == [True, False, True]
    assert "no sandbox" in infos["verdict"][1].detail


def test_an_environment_that_raises_leaves_its_lane_unscored_with_the_cause():
    env = vector(1, 2, env=Counting(tasks_of(), EXACT, max_turns=5))
    env.reset(options={"tasks": ["t3"]})
    _, rewards, terminations, _, infos = env.step(["crash", "3"])
    assert (rewards.tolist(), terminations.tolist()) == ([0.0, 1.0], [True, True])
    assert infos["scored"].tolist() == [False, True]
    assert infos["task"][0] == "t3"
    assert "Counting failed: ZeroDivisionError: the environment's own mistake" in infos["verdict"][0].detail
    env.reset(options={"tasks": ["t4"]})
    assert env.step(["4", "4"])[1].tolist() == [1.0, 1.0]


class Stuck:
    """A verifier that hangs on 'hang' until released."""

    def __init__(self):
        self.release = threading.Event()
        self.verifier = rg.FunctionVerifier(self.verify)

    def verify(self, task, completion):
        if completion.text == "hang":
            self.release.wait(30)
        return True


@pytest.fixture
def stuck():
    stuck = Stuck()
    yield stuck
    stuck.release.set()


def test_a_verifier_that_hangs_is_given_up_on_and_its_thread_replaced(stuck):
    env = vector(1, 2, stuck.verifier, workers=1, timeout_seconds=0.5)
    env.reset(seed=0)
    began = time.monotonic()
    _, rewards, terminations, _, infos = env.step(["hang", "fine"])
    assert time.monotonic() - began < 3
    assert rewards.tolist() == [0.0, 1.0]
    assert terminations.all()
    assert infos["scored"].tolist() == [False, True]
    assert "gave no answer within 0.5 s" in infos["verdict"][0].detail
    assert infos["task"][0] == infos["task"][1]
    env.reset(seed=0)
    assert env.step(["fine", "fine"])[1].tolist() == [1.0, 1.0]


def test_lanes_behind_stuck_ones_get_their_turn_in_any_order_of_asking(stuck):
    env = vector(1, 4, stuck.verifier, workers=2, timeout_seconds=0.5)
    env.reset(seed=0)
    for lane in (2, 3):
        env.send(lane, "hang")
    for lane in (0, 1):
        env.send(lane, "fine")
    began = time.monotonic()
    assert [env.recv(lane).reward for lane in (0, 1)] == [1.0, 1.0]
    assert [env.recv(lane).info["scored"] for lane in (2, 3)] == [False, False]
    assert time.monotonic() - began < 3


def test_waiting_in_the_queue_is_not_charged_to_a_lane():
    env = vector(1, 6, sleeping(0.2), workers=1, timeout_seconds=1.0)
    env.reset(seed=0)
    assert env.step(["x"] * 6)[1].tolist() == [1.0] * 6


def test_a_stuck_lane_that_comes_back_disturbs_nobody(stuck):
    env = vector(1, 1, stuck.verifier, workers=1, timeout_seconds=0.2)
    env.reset(seed=0)
    assert env.step(["hang"])[4]["scored"].tolist() == [False]
    env.reset(options={"tasks": ["t5"]})
    stuck.release.set()
    time.sleep(0.1)
    assert env.messages(0)[0].content == "5?"
    assert env.step(["fine"])[1].tolist() == [1.0]


def test_a_reset_forgets_turns_that_are_still_judged():
    env = vector(1, 1, sleeping(0.3))
    env.reset(options={"tasks": ["t1"]})
    env.send(0, "x")
    env.reset(options={"tasks": ["t2"]})
    time.sleep(0.4)
    assert env.messages(0)[0].content == "2?"
    env.send(0, "x")
    assert env.recv(0).info["task"] == "t2"


def judging_threads():
    return {thread for thread in threading.enumerate() if thread.name == "rlvr-judge"}


@pytest.mark.parametrize("end", ["closed", "forgotten"])
def test_no_thread_is_left_of_an_environment_that_is_closed_or_forgotten(end):
    gc.collect()
    before = judging_threads()
    env = vector(2, 2, workers=4)
    env.reset(seed=0)
    env.step(["x"] * 4)
    ours = judging_threads() - before
    assert len(ours) == 4
    if end == "closed":
        env.close()
    del env
    gc.collect()
    for thread in ours:
        thread.join(5)
        assert not thread.is_alive()


def test_what_does_not_fit_is_refused_with_what_would():
    env = vector(2, 1)
    with pytest.raises(rg.ConfigError, match="1 tasks for 2 groups"):
        env.reset(options={"tasks": ["t1"]})
    with pytest.raises(rg.ConfigError, match="possible: 'tasks'"):
        env.reset(options={"task": "t1"})
    with pytest.raises(rg.ConfigError, match="give one seed"):
        env.reset(seed=[1, 2])
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(["a", "b"])
    env.reset(seed=0)
    with pytest.raises(rg.ConfigError, match="1 actions for 2 lanes"):
        env.step(["a"])
    with pytest.raises(rg.ConfigError, match=r"lanes \[1\] are not finished"):
        env.step(["a", None])
    with pytest.raises(rg.ConfigError, match="lane 1 has no turn to answer"):
        env.recv(1)
    env.send(1, "a")
    with pytest.raises(rg.ConfigError, match="lane 1 is still judging"):
        env.send(1, "b")


@pytest.mark.parametrize(
    "options", [{"groups": 0}, {"group_size": 0}, {"workers": 0}, {"timeout_seconds": 0.0}]
)
def test_sizes_must_be_positive(options):
    settings = {"groups": 1, "group_size": 1, **options}
    with pytest.raises(rg.ConfigError, match="not "):
        rg.GroupVectorEnv(rg.Environment(tasks_of(), EXACT), **settings)


class Patient(rg.Verifier):
    @property
    def timeout_seconds(self):
        return 500.0

    def verify(self, task, completion):
        return rg.Verdict.right()


def test_how_long_a_lane_may_take_is_the_verifiers_word_unless_told_otherwise():
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt="?")], name="one")
    plain = rg.FunctionVerifier(lambda task, completion: True)
    both = rg.verifiers.AllOf({"plain": plain, "patient": Patient()})
    for verifier, seconds in ((plain, 60.0), (Patient(), 500.0), (both, 560.0)):
        env = rg.Environment(tasks, verifier)
        assert rg.GroupVectorEnv(env, 1, 1).timeout_seconds == seconds
        assert rg.GroupVectorEnv(env, 1, 1, timeout_seconds=2.0).timeout_seconds == 2.0
