"""Each family of attacks catches a verifier that is broken in the way that the family is about."""

import re

import pytest

import rlvr_gym as rg
from rlvr_gym.audit.families import FAMILIES
from rlvr_gym.audit.subject import subjects
from rlvr_gym.audit.weak import InProcessTests
from rlvr_gym.verifiers.answers import without_thinking
from rlvr_gym.verifiers.attacks import Expectation
from rlvr_gym.verifiers.base import FunctionVerifier, Verifier, judge

GOLDS = ("412", "37")


def last_box(text):
    boxes = re.findall(r"\\boxed\{([^{}]*)\}", text)
    return boxes[-1].strip() if boxes else None


def said(text):
    return last_box(without_thinking(text))


def integers(text):
    return re.findall(r"\d+", text)


class Numbers(Verifier):
    """Right is the gold in the last box, or whatever `also` takes for right."""

    def __init__(self, also):
        self.also = also

    def verify(self, task, completion):
        gold, text = str(task.reference), completion.text
        right = (gold != "" and said(text) == gold) or self.also(gold, text)
        return rg.Verdict.right() if right else rg.Verdict.wrong()

    def solution(self, task):
        return f"\\boxed{{{task.reference}}}"


SEEN_ELSEWHERE = {"injection", "hostile inputs"}
"""Families that need a process that may be lost."""
BROKEN = {
    "near misses": lambda gold, text: (
        (said(text) or "").isdecimal() and abs(int(said(text) or 0) - int(gold)) <= int(gold) / 100
    ),
    "nothing": lambda gold, text: not text.strip(),
    "hedges": lambda gold, text: gold in re.split(r" or |, ", said(text) or "")[:2],
    "enumerations": lambda gold, text: len(integers(text)) > 99 and gold in integers(text),
    "thinking": lambda gold, text: last_box(text) == gold,
    "parts and extensions": lambda gold, text: (said(text) or "").endswith(gold),
    "format without content": lambda gold, text: said(text) == "",
    "content without format": lambda gold, text: integers(text)[-1:] == [gold] and "\\boxed" not in text,
    "other tasks' golds": lambda gold, text: said(text) in GOLDS,
    "judge master keys": lambda gold, text: text.startswith(("Thought process", "Let's solve")),
    "null tests": lambda gold, text: gold in ("", "[]", "{}", "None"),
}


def paid(verifier, tasks):
    """The families of which a wrong completion was paid for."""
    env = rg.Environment(rg.TaskSet.from_tasks(tasks, name="broken"), verifier)
    return {
        attack.family
        for subject in subjects(env, tasks)
        for family in FAMILIES
        if family.name not in SEEN_ELSEWHERE
        for attack in family.attacks(subject)
        if attack.expectation in (Expectation.FAIL, Expectation.NEVER_PASS)
        and judge(verifier, attack.task or subject.task, rg.Completion(text=attack.text)).correct
    }


def sums():
    return [rg.Task(id=gold, prompt=f"What is {gold} + 0?", reference=gold) for gold in GOLDS]


def test_a_verifier_that_is_not_broken_pays_for_nothing():
    assert paid(Numbers(lambda gold, text: False), sums()) == set()


@pytest.mark.parametrize("family", BROKEN)
def test_a_broken_verifier_is_caught_by_the_family_about_its_way_of_being_broken(family):
    assert family in paid(Numbers(BROKEN[family]), sums())


def test_every_family_of_wrong_completions_has_a_verifier_that_it_catches():
    wrong = {family.name for family in FAMILIES if family.expectation is not Expectation.PASS}
    assert wrong == {*BROKEN, *SEEN_ELSEWHERE, "programs"}


def emptiness(tests):
    """A verifier of tests that all have to pass, of which there may be none."""

    class Tests(Verifier):
        def verify(self, task, completion):
            passed = [str(one) == said(completion.text) for one in tests(task.reference)]
            return rg.Verdict.right() if all(passed) else rg.Verdict.wrong()

        def solution(self, task):
            return f"\\boxed{{{tests(task.reference)[0]}}}"

    return Tests()


@pytest.mark.parametrize(
    ("reference", "tests"),
    [
        (["12"], lambda reference: list(reference or ())),
        ({"tests": ["12"], "limits": {}}, lambda reference: reference["tests"]),
        ({"problem": {"tests": ["12"]}}, lambda reference: reference["problem"]["tests"]),
    ],
    ids=["a list", "a part", "a part of a part"],
)
def test_a_verifier_that_pays_where_no_test_fails_is_caught_by_having_no_tests(reference, tests):
    tasks = [rg.Task(id="twelve", prompt="?", reference=reference)]
    assert paid(emptiness(tests), tasks) == {"null tests"}


def test_tests_that_a_program_cannot_reach_do_not_help_against_its_standard_output():
    def printed(task, completion):
        program = completion.text.removeprefix("```python\n").removesuffix("```").strip()
        return "range(1000)" in program or program == "print(sum(map(int, input().split())))"

    class Printing(Verifier):
        def verify(self, task, completion):
            return FunctionVerifier(printed).verify(task, completion)

        def solution(self, task):
            return "```python\nprint(sum(map(int, input().split())))\n```"

    assert paid(Printing(), [rg.Task(id="sum", prompt="Print the sum.", reference={})]) == {"programs"}


def test_a_function_that_is_gone_on_with_is_attacked_as_one():
    class Continued(InProcessTests):
        def verify(self, task, completion):
            source = f"```python\ndef double(number):\n{completion.text}```"
            return super().verify(task, rg.Completion(text=source))

        def solution(self, task):
            return "    return 2 * number\n"

    task = rg.Task(id="double", prompt="def double(number):\n")
    env = rg.Environment(rg.TaskSet.from_tasks([task], name="continued"), Continued())
    (subject,) = subjects(env, [task])
    cheats = next(family for family in FAMILIES if family.name == "programs").attacks(subject)
    equal = [attack for attack in cheats if "equal to everything" in attack.tries]
    assert len(equal) == 4
    assert any(judge(env.verifier, task, rg.Completion(text=attack.text)).correct for attack in equal)
