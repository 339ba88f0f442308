import itertools
import re
import threading
import time

import pytest

import rlvr_gym as rg
from rlvr_gym.environments.conformance import check_environment, check_verifier
from rlvr_gym.verifiers import AnswerContract, Exact

TASKS = [rg.Task(prompt="1 + 1?", reference="2"), rg.Task(prompt="1 + 2?", reference="3")]


class Whole(rg.Verifier):
    """Right when the completion is the reference; tests break it in one place each."""

    def verify(self, task, completion):
        text = completion.text.strip()
        return rg.Verdict.right(answer=text) if text == task.reference else rg.Verdict.wrong(answer=text)

    def solution(self, task) -> str | None:
        return str(task.reference)


class KnowsNoSolution(Whole):
    def solution(self, task):
        return None


class WrongSolution(Whole):
    def solution(self, task):
        return f"The answer is {task.reference}."


class Substring(Whole):
    def verify(self, task, completion):
        return rg.Verdict.right() if completion.text.strip() in task.reference else rg.Verdict.wrong()


class ReadsThinking(Whole):
    def verify(self, task, completion):
        return rg.Verdict.right() if task.reference in completion.text else rg.Verdict.wrong()


class Counting(Whole):
    def __init__(self):
        self.calls = itertools.count()

    def verify(self, task, completion):
        verdict = super().verify(task, completion)
        return verdict.model_copy(update={"detail": f"call {next(self.calls)}"})


class MainThreadOnly(Whole):
    def verify(self, task, completion):
        if threading.current_thread() is not threading.main_thread():
            return rg.Verdict.wrong("signals work in the main thread only")
        return super().verify(task, completion)


class Recursive(Whole):
    def verify(self, task, completion):
        def depth(text):
            return 1 + depth(text[1:]) if text.startswith("(") else 0

        return (
            super().verify(task, completion) if depth(completion.text) < 5 else rg.Verdict.wrong("too deep")
        )


class Slow(Whole):
    def verify(self, task, completion):
        time.sleep(0.5 if len(completion.text) > 500_000 else 0)
        return super().verify(task, completion)


class Unsure(Whole):
    def verify(self, task, completion):
        if not completion.text.isascii():
            return rg.Verdict.unscored("only ASCII can be judged")
        return super().verify(task, completion)


class Bool(Whole):
    def verify(self, task, completion):
        return completion.text == task.reference


def test_a_verifier_that_keeps_its_contract_passes():
    check_verifier(Whole(), TASKS)
    check_verifier(KnowsNoSolution(), TASKS)


@pytest.mark.parametrize(
    ("verifier", "message"),
    [
        (WrongSolution(), "WrongSolution's own solution of .* gets"),
        (Substring(), "Substring calls '' right"),
        (ReadsThinking(), "ReadsThinking calls '<think>2</think>' right"),
        (Counting(), "in another thread"),
        (MainThreadOnly(), "signals work in the main thread only"),
        (Recursive(), "Recursive raised RecursionError"),
        (Slow(), r"Slow took \d\.\d s over .*aaa"),
        (Unsure(), "Unsure has no score for .*only ASCII"),
        (Bool(), "returned .*, not a Verdict"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_verifier_that_breaks_its_contract_is_told_where(verifier, message):
    with pytest.raises(AssertionError, match=re.compile(message, re.DOTALL)):
        check_verifier(verifier, TASKS, seconds=0.45 if isinstance(verifier, Slow) else 10)


def test_checking_on_no_task_at_all_is_refused():
    with pytest.raises(AssertionError, match="at least one task"):
        check_verifier(Whole(), [])


def environment(verifier=None, kind=rg.Environment, **options):
    return kind(
        rg.TaskSet.from_tasks(TASKS, name="sums"), verifier or Exact(AnswerContract("whole")), **options
    )


class Timed(rg.Environment):
    def _info(self, **more):
        return super()._info(seconds=time.perf_counter(), **more)


class Endless(rg.Environment):
    """Wants one more turn after the solution."""

    def respond(self, task, replies):
        return "and?" if len(replies) < 2 else None


class Paid(rg.Environment):
    """Pays for what could not be judged."""

    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward if info["scored"] else 0.5, terminated, truncated, info


def test_an_environment_that_keeps_its_contract_passes():
    check_environment(environment())
    check_environment(environment(KnowsNoSolution()))


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (environment(kind=Timed), "info are not equivalent"),
        (environment(WrongSolution()), "earns 0.0"),
        (environment(kind=Endless, max_turns=3), "the episode goes on after the solution"),
        (environment(kind=Paid), "an unscored sample is worth 0.5 with scored False; expected 0.0"),
        (environment(Substring()), "Substring calls '' right"),
    ],
    ids=["timed", "wrong solution", "endless", "paid", "substring"],
)
def test_an_environment_that_breaks_its_contract_is_told_where(env, message):
    with pytest.raises(AssertionError, match=message):
        check_environment(env)
