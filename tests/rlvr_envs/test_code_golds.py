"""The published data through the real sandbox: what is right passes, what is broken does not."""

import contextlib
import subprocess
import sys

import pytest

import rlvr_gym as rg
from rlvr_gym.evaluation import judge_all
from tests.rlvr_envs.code_rows import judged_by

pytestmark = pytest.mark.usefixtures("runs_programs")

BROKEN = {
    "nothing": "    return None\n",
    "a constant": "    return 1\n",
    "an object equal to everything": (
        "    class Equal:\n"
        "        def __eq__(self, other): return True\n"
        "        def __ne__(self, other): return False\n"
        "        def __bool__(self): return True\n"
        "        def __abs__(self): return self\n"
        "        def __lt__(self, other): return True\n"
        "        __le__ = __gt__ = __ge__ = __contains__ = __lt__\n"
        "        def __sub__(self, other): return self\n"
        "        __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__\n"
        "    return Equal()\n"
    ),
}


def outcomes(env, texts):
    """The ids of the tasks, by what became of their texts; `texts` has one for each task."""
    pairs = [(task, rg.Completion(text=text)) for task, text in zip(env.tasks, texts, strict=True)]
    found = {}
    for (task, _), verdict in zip(pairs, judge_all(env, pairs), strict=True):
        found.setdefault(verdict.outcome.value, []).append((task.id, verdict.detail))
    return found


def all_right(env):
    found = outcomes(env, map(env.solution, env.tasks))
    assert len(found.pop("correct")) == env.tasks.size
    assert not found


@pytest.mark.parametrize("style", ["chat", "continue"])
def test_all_canonical_solutions_of_humaneval_pass(real_data, style):
    env = rg.make("humaneval", data=str(real_data / "humaneval" / "HumanEval.jsonl.gz"), style=style)
    assert env.tasks.size == 164
    all_right(env)


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_every_function_of_humaneval_with_its_body_replaced_fails(real_data, body):
    env = rg.make("humaneval", data=str(real_data / "humaneval" / "HumanEval.jsonl.gz"), style="continue")
    assert outcomes(env, [body] * 164).keys() == {"incorrect"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("split", "size"),
    [("prompt", 10), ("validation", 90), pytest.param("train", 374, marks=pytest.mark.slow), ("test", 500)],
)
def test_all_canonical_solutions_of_mbpp_pass(real_data, split, size):
    env = rg.make("mbpp", data=str(real_data / "mbpp" / "mbpp.jsonl"), split=split)
    assert env.tasks.size == size
    all_right(env)


def test_no_published_task_is_refused_when_its_solution_is_run_at_loading(real_data):
    published = [("humaneval", "HumanEval.jsonl.gz", "test", 164), ("mbpp", "mbpp.jsonl", "validation", 90)]
    for name, file, split, size in published:
        assert rg.make(name, data=str(real_data / name / file), split=split).tasks.size == size


def test_every_function_of_mbpp_that_returns_nothing_fails(real_data):
    env = rg.make("mbpp", data=str(real_data / "mbpp" / "mbpp.jsonl"), split="validation")

    def emptied(task):
        functions = [f"def {name}(*given):\n    return None" for name in judged_by(task).names]
        return "\n".join(["```python", *functions, "```"])

    found = outcomes(env, map(emptied, env.tasks))
    assert not found.keys() & {"correct", "unscored"}, found


def test_humaneval_has_the_same_verdicts_three_times_over_on_a_busy_machine(real_data):
    env = rg.make("humaneval", data=str(real_data / "humaneval" / "HumanEval.jsonl.gz"))
    with contextlib.ExitStack() as ending:
        for _ in range(2):
            busy = ending.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            ending.callback(busy.kill)
        for _ in range(3):
            all_right(env)
