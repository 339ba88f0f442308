import json
import math
import subprocess
import sys
import textwrap
import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env

import rlvr_gym as rg
from rlvr_gym.environments.base import TextSpace

TASKS = [rg.Task(id=f"t{i}", prompt=f"What is {i} + {i}?", reference=str(2 * i)) for i in range(5)]
EXACT = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)


def single_turn(verifier=EXACT):
    return rg.Environment(rg.TaskSet.from_tasks(TASKS, name="doubling"), verifier)


class Echo(rg.Environment):
    """Repeats what it hears until it hears 'stop'."""

    def respond(self, task, replies):
        return None if replies[-1].text == "stop" else f"{len(replies)}: {replies[-1].text}"


def multi_turn(max_turns=3, verifier=EXACT):
    return Echo(rg.TaskSet.from_tasks(TASKS, name="echo"), verifier, max_turns=max_turns)


def test_an_episode_is_a_prompt_an_answer_and_a_verdict():
    env = single_turn()
    observation, info = env.reset(options={"task": "t2"})
    assert observation == "What is 2 + 2?"
    assert info == {
        "task": "t2",
        "turn": 0,
        "messages": (rg.Message(role="user", content="What is 2 + 2?"),),
    }
    observation, reward, terminated, truncated, info = env.step("4")
    assert (observation, reward, terminated, truncated) == ("", 1.0, True, False)
    assert info == {"task": "t2", "turn": 1, "scored": True, "verdict": rg.Verdict.right()}


def test_a_task_is_picked_by_id_by_index_or_as_it_is():
    env = single_turn()
    for choice in ("t3", 3, TASKS[3], rg.Task(id="t3", prompt="What is 3 + 3?")):
        assert env.reset(options={"task": choice})[0] == "What is 3 + 3?"
    with pytest.raises(KeyError, match="no task 't9' in 'doubling'"):
        env.reset(options={"task": "t9"})
    with pytest.raises(rg.ConfigError, match="unknown reset options \\['tasks'\\]; possible: 'task'"):
        env.reset(options={"tasks": [1]})


def test_equal_seeds_draw_equal_tasks():
    env = single_turn()
    first = [env.reset(seed=1)[0], *(env.reset()[0] for _ in range(20))]
    second = [env.reset(seed=1)[0], *(env.reset()[0] for _ in range(20))]
    assert first == second
    assert len(set(first)) == 5


def test_a_wrong_answer_is_worth_nothing_and_is_scored():
    env = single_turn()
    env.reset(options={"task": "t2"})
    _, reward, terminated, _, info = env.step("5")
    assert (reward, terminated, info["scored"]) == (0.0, True, True)


def test_what_cannot_be_judged_is_worth_zero_is_not_scored_and_is_never_nan():
    def broken(task, completion):
        raise ConnectionError("no sandbox")

    env = single_turn(rg.FunctionVerifier(broken))
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step("4")
    assert reward == 0.0
    assert not math.isnan(reward)
    assert (terminated, truncated, info["scored"]) == (True, False, False)
    assert info["verdict"].outcome is rg.Outcome.UNSCORED
    assert "ConnectionError: no sandbox" in info["verdict"].detail


def test_stepping_without_an_episode_asks_for_a_reset():
    env = single_turn()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("4")
    env.reset(seed=0)
    env.step("4")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("4")
    with pytest.raises(gymnasium.error.ResetNeeded):
        _ = env.messages


def test_an_environment_speaks_between_turns_and_judges_the_last_one():
    env = multi_turn()
    env.reset(options={"task": "t0"})
    said = (rg.Message(role="user", content="1: a"),)
    info = {"task": "t0", "turn": 1, "scored": True, "messages": said}
    assert env.step("a") == ("1: a", 0.0, False, False, info)
    assert env.step("b")[0] == "2: b"
    observation, reward, terminated, truncated, info = env.step("0")
    assert (observation, reward, terminated, truncated) == ("", 1.0, False, True)
    assert info["turn"] == 3


def test_an_episode_that_the_environment_ends_is_terminated_not_truncated():
    env = multi_turn()
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step("stop")
    assert (reward, terminated, truncated) == (0.0, True, False)
    assert info["verdict"].outcome is rg.Outcome.INCORRECT


def test_no_turns_at_all_are_refused():
    with pytest.raises(rg.ConfigError, match="max_turns must be at least 1, not 0"):
        multi_turn(max_turns=0)


def test_lanes_do_not_share_episodes():
    env = multi_turn()
    one, two = env.clone(), env.clone()
    one.reset(options={"task": "t1"})
    two.reset(options={"task": "t2"})
    one.step("x")
    assert one.messages == TASKS[1].prompt
    assert two.messages == TASKS[2].prompt
    assert env.task is None
    assert two.step("y")[0] == "1: y"
    assert one.step("y")[0] == "2: y"


@pytest.mark.parametrize("make", [single_turn, multi_turn])
def test_gymnasiums_checker_finds_nothing(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(), skip_render_check=True)


@pytest.mark.parametrize("make", [single_turn, multi_turn])
def test_info_is_the_same_every_time(make):
    def episode():
        env = make()
        return env.reset(seed=11), env.step("x"), env.reset(), env.step("stop")

    assert episode() == episode()


def test_the_text_space_holds_strings_and_samples_printable_ones():
    space = TextSpace(seed=1)
    samples = [space.sample() for _ in range(200)]
    assert all(space.contains(text) and len(text) <= 32 and text.isascii() for text in samples)
    assert "½ π\n" in space
    assert b"x" not in space
    assert 5 not in space
    assert samples == [s for space in [TextSpace(seed=1)] for s in (space.sample() for _ in range(200))]


def test_text_spaces_are_equal_and_batch():
    assert TextSpace() == TextSpace()
    assert TextSpace() != gymnasium.spaces.Text(5)
    batched = gymnasium.vector.utils.batch_space(TextSpace(), 3)
    assert ("a", "b", "c") in batched


def test_a_new_environment_takes_ten_lines(tmp_path):
    (tmp_path / "capitals.jsonl").write_text(
        json.dumps({"question": "Capital of France?", "answer": "Paris"}) + "\n"
    )
    program = textwrap.dedent(
        """
        import rlvr_gym as rg
        from rlvr_gym.verifiers import AnswerContract, Exact

        def to_task(row):
            return rg.Task(prompt=row["question"] + " End with 'Answer: ...'.", reference=row["answer"])

        @rg.register("demo/Capitals-v0")
        def capitals(data: str = "capitals.jsonl"):
            tasks = rg.TaskSet.from_path(data, to_task, name="capitals", split="test")
            return rg.Environment(tasks, Exact(AnswerContract("line"), ignore_case=True))
        """
    )
    assert len(program.split("\n\n", 1)[1].strip().splitlines()) <= 10
    use = textwrap.dedent(
        """
        import gymnasium
        env = rg.make("capitals")
        print(env.reset(seed=0)[0], env.step("It is Paris.\\nAnswer: paris")[1])
        env = gymnasium.make("demo/Capitals-v0", data="capitals.jsonl")
        env.reset(seed=0)
        print(env.step("Answer: Lyon")[1])
        """
    )
    (tmp_path / "capitals.py").write_text(program + use)
    out = subprocess.run(
        [sys.executable, "-W", "error", "capitals.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout == "Capital of France? End with 'Answer: ...'. 1.0\n0.0\n"
