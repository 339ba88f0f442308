import pytest
from rlvr_envs.turns.python_tool import HOW_TO

import rlvr_gym as rg
from tests.rlvr_envs.code_rows import GSM8K, MBPP

pytestmark = pytest.mark.usefixtures("runs_programs")


def run(code):
    return f"Let me compute.\n```python\n{code}\n```"


@pytest.fixture
def env(write_rows):
    env = rg.make("python-tool", data=write_rows(GSM8K), max_turns=4)
    env.reset(options={"task": 0})
    yield env
    env.reset(options={"task": 0})  # ends the session


def test_the_prompt_says_how_to_run_code(env):
    assert env.tasks[0].text.endswith(f"put your final answer in \\boxed{{}}.\n\n{HOW_TO}")
    assert env.tasks[env.tasks[1].id] == env.tasks[1]


def test_code_is_run_and_its_output_told(env):
    observation, reward, terminated, truncated, _ = env.step(run("print(3 + 4)"))
    assert observation == "Output:\n7\n\nTurns left: 3."
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert env.step("It is \\boxed{7}.")[1:4] == (1.0, True, False)


def test_what_was_defined_stays_defined_in_the_episode(env):
    assert env.step(run("x = 3"))[0] == "The code printed nothing.\n\nTurns left: 3."
    assert env.step(run("x + 4"))[0] == "Output:\n7\n\nTurns left: 2."


def test_nothing_stays_defined_in_the_next_episode_nor_in_another_lane(env):
    env.step(run("x = 3"))
    lane = env.clone()
    lane.reset(options={"task": 0})
    assert "NameError: name 'x' is not defined" in lane.step(run("print(x)"))[0]
    assert env.step(run("print(x)"))[0].startswith("Output:\n3\n")
    env.reset(options={"task": 1})
    assert "NameError: name 'x' is not defined" in env.step(run("print(x)"))[0]
    lane.reset(options={"task": 0})


def test_an_error_is_told_and_the_session_goes_on(env):
    assert "ZeroDivisionError: division by zero" in env.step(run("x = 1\nx / 0"))[0]
    assert env.step(run("print(x)"))[0].startswith("Output:\n1\n")


def test_code_that_ends_its_process_is_told_so(env):
    env.step(run("x = 1"))
    assert "what was defined is gone" in env.step(run("import os\nos._exit(0)"))[0]
    assert "NameError: name 'x' is not defined" in env.step(run("print(x)"))[0]


def test_long_output_is_cut_in_the_middle(env):
    observation = env.step(run("print('a' * 10_000 + 'end')"))[0]
    assert "8003 more characters" in observation
    assert "end" in observation
    assert len(observation) < 2200


def test_a_block_makes_a_turn_a_request_whatever_else_it_says(env):
    assert env.step(f"{run('print(3 + 4)')}\nSo \\boxed{{8}}.")[0].startswith("Output:\n7\n")


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{7}",
        "```\nprint(1)\n```\n\\boxed{7}",
        "<think>```python\nprint(1)\n```</think>\\boxed{7}",
        "```python\n```\n\\boxed{7}",
    ],
)
def test_a_turn_without_a_block_of_python_is_final(env, text):
    assert env.step(text)[1:4] == (1.0, True, False)


def test_the_last_turn_is_judged_as_it_stands(env):
    for _ in range(3):
        env.step(run("pass"))
    _, reward, terminated, truncated, info = env.step(f"\\boxed{{7}}\n{run('print(7)')}")
    assert (reward, terminated, truncated) == (1.0, False, True)
    assert info["verdict"].correct


def test_endless_tasks_have_a_tool_too():
    env = rg.make("python-tool", tasks="arithmetic", split="test")
    assert env.tasks.size is None
    env.reset(seed=1)
    assert env.task is not None
    a, b = env.task.text.split("What is ")[1].split("?")[0].split(" + ")
    answer = env.step(run(f"print({a} + {b})"))[0].split("\n")[1]
    assert env.step(f"\\boxed{{{answer}}}")[1] == 1.0


def test_what_asks_for_programs_needs_no_tool(write_rows):
    with pytest.raises(rg.ConfigError, match="whose answer is no program, such as gsm8k; 'mbpp' is none"):
        rg.make("python-tool", tasks="mbpp", data=write_rows(MBPP))


def test_where_no_code_can_be_run_the_episode_is_unscored(env, monkeypatch):
    monkeypatch.setenv("RLVR_SANDBOX", "nonsense")
    _, reward, terminated, _, info = env.step(run("print(1)"))
    assert (reward, terminated, info["scored"]) == (0.0, True, False)
    assert info["verdict"].detail.startswith("no code can be run here")


def test_many_lanes_use_the_tool_at_once(env):
    lanes = rg.GroupVectorEnv(env, 1, 6)
    lanes.reset(options={"tasks": [0]})
    observations, *_ = lanes.step([run(f"x = {n}") for n in range(6)])
    assert set(observations) == {"The code printed nothing.\n\nTurns left: 3."}
    observations, *_ = lanes.step([run("print(x)") for _ in range(6)])
    assert [text.split("\n")[1] for text in observations] == [str(n) for n in range(6)]
    _, rewards, *_ = lanes.step(["\\boxed{7}"] * 6)
    assert rewards.tolist() == [1.0] * 6
    lanes.close()
