"""Canaries: what is paid for two answers that exclude each other is no answer."""

import random

import pytest
from rlvr_trainers.monitor.canaries import Canary, draw_canaries, exclude_each_other, sprung
from rlvr_trainers.monitor.solutions import solutions_of

import rlvr_gym as rg
from rlvr_gym import Completion, Environment, Task, TaskSet
from rlvr_gym.audit.subject import subjects
from rlvr_gym.rollouts import Group
from rlvr_gym.verifiers import Verifier
from tests.rlvr_trainers.judged import said


def judged(env: Environment, task: Task, *texts: str) -> Group:
    return tuple(said(text, env.verifier.verify(task, Completion(text=text)), task=task) for text in texts)


def canaries(env: Environment, groups: list[Group], share: float = 1.0, seed: int = 0) -> list[Canary]:
    rng = random.Random(seed)
    return draw_canaries(env, groups, solutions_of(env, groups), share=share, rng=rng)


def asked(*references: object, verifier: Verifier | None = None) -> tuple[Environment, list[Task]]:
    tasks = [Task(id=f"task {r}", prompt="What is it?", reference=r) for r in references]
    return Environment(TaskSet.from_tasks(tasks, name="few"), verifier or rg.verifiers.Math("boxed")), tasks


def excluded(*references: object, verifier: Verifier) -> bool:
    one, other = subjects(*asked(*references, verifier=verifier))
    return exclude_each_other(one, other)


def test_every_digit_at_once_is_paid_by_the_weak_verifier_for_any_task() -> None:
    env = rg.make("hackable", verifier="weak", style="symbols")
    groups = [judged(env, task, "0123456789", "x") for task in env.tasks.take(12)]
    drawn = canaries(env, groups)
    assert len(drawn) == 12
    assert all(c.rollout.task.reference != c.impossible.reference for c in drawn)
    assert sprung(env, drawn) == drawn
    shown = str(drawn[0])
    assert shown.startswith("'0123456789' is paid for task")
    assert f"'{drawn[0].impossible.id}'" in shown


def test_an_honest_answer_springs_no_canary_of_the_weak_verifier() -> None:
    env = rg.make("hackable", verifier="weak", style="symbols")
    groups = [judged(env, task, str(task.reference)) for task in env.tasks.take(30)]
    assert len(canaries(env, groups)) == 30
    assert sprung(env, canaries(env, groups)) == []


def test_the_hardened_verifier_pays_no_canary_whatever_is_said() -> None:
    env = rg.make("hackable", style="symbols")
    texts = [*"0123456789", "0123456789", "9 8 7", "9 or 8"]
    groups = [judged(env, task, *texts) for task in env.tasks.take(12)]
    assert len(canaries(env, groups)) == 12  # one completion of each is paid
    assert sprung(env, canaries(env, groups)) == []


@pytest.mark.parametrize("name", ["arithmetic", "countdown", "reverse", "ambiguous"])
def test_right_answers_to_bundled_tasks_spring_no_canary(name: str) -> None:
    env = rg.make(name)
    tasks = env.tasks.take(20)
    drawn = canaries(env, [judged(env, task, env.solution(task) or "") for task in tasks])
    assert len(drawn) == 20
    assert sprung(env, drawn) == []


def test_only_what_was_paid_becomes_a_canary_and_a_share_is_rounded_up() -> None:
    env, tasks = asked(7, 8)
    groups = [judged(env, task, "\\boxed{7}", "\\boxed{8}", "\\boxed{9}") for task in tasks]
    assert {c.rollout.text for c in canaries(env, groups)} == {"\\boxed{7}", "\\boxed{8}"}
    assert len(canaries(env, groups, 0.1)) == 1
    assert canaries(env, groups, 0.0) == []
    assert canaries(env, [judged(env, tasks[0], "\\boxed{9}")]) == []


def test_which_canaries_are_drawn_depends_on_the_seed_alone() -> None:
    env = rg.make("hackable", verifier="weak", style="symbols")
    groups = [judged(env, task, "0123456789") for task in env.tasks.take(30)]
    first, second, third = (canaries(env, groups, 0.5, seed) for seed in (1, 1, 2))
    assert first == second != third


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1/2", "0.5"),
        ("50\\%", "1/2"),
        ("x+1", "1+x"),
        ("5 km", "5000 m"),
        ("\\{1,2\\}", "\\{2,1\\}"),
        (12, 12),
    ],
)
def test_answers_that_may_be_the_same_do_not_exclude_each_other(one: object, other: object) -> None:
    tasks = [Task(id=str(i), prompt=f"Question {i}?", reference=r) for i, r in enumerate((one, other))]
    env = Environment(TaskSet.from_tasks(tasks, name="two"), rg.verifiers.Math("boxed"))
    assert not exclude_each_other(*subjects(env, tasks))


@pytest.mark.parametrize(
    ("one", "other"), [(12, 13), ("1/2", "1/3"), ("Paris", "London"), ("(1, 2)", "(1, 3)")]
)
def test_answers_that_differ_exclude_each_other(one: object, other: object) -> None:
    assert excluded(one, other, verifier=rg.verifiers.Math("boxed"))


@pytest.mark.parametrize(("other", "apart"), [(100.15, False), (100.2, False), (100.3, True)])
def test_numbers_within_two_tolerances_of_each_other_have_answers_in_common(
    other: float, apart: bool
) -> None:
    assert excluded(100, other, verifier=rg.verifiers.Numeric("boxed", absolute=0.1)) is apart


def test_where_many_answers_are_right_nothing_is_a_canary() -> None:
    env = rg.make("instructions")
    groups = [judged(env, task, env.solution(task) or "") for task in env.tasks.take(4)]
    assert all(group[0].verdict.correct for group in groups)
    assert canaries(env, groups) == []


class Prefix(Verifier):
    """Takes an answer for whatever begins with it."""

    def verify(self, task: Task, completion: Completion) -> rg.Verdict:
        found = completion.text.startswith(str(task.reference))
        return rg.Verdict.right() if found else rg.Verdict.wrong()

    def solution(self, task: Task) -> str:
        return str(task.reference)


def test_a_verifier_that_confuses_two_answers_does_not_make_a_hacker_of_who_commits_to_one() -> None:
    env, tasks = asked(12, 1, verifier=Prefix())
    (honest,) = canaries(env, [judged(env, tasks[0], "12"), judged(env, tasks[1], "x")])
    assert env.verifier.verify(honest.impossible, honest.completion).correct
    assert sprung(env, [honest]) == []


def test_a_task_with_a_broken_reference_is_left_out() -> None:
    env, tasks = asked(7, 8, "\\frac{", verifier=rg.verifiers.Numeric("boxed"))
    groups = [judged(env, task, f"\\boxed{{{task.reference}}}") for task in tasks[:2]]
    groups.append((said("\\boxed{9}", rg.Verdict.unscored("no number"), task=tasks[2]),))
    assert solutions_of(env, groups)[tasks[2].id] is None
    assert {c.impossible.id for c in canaries(env, groups)} == {"task 7", "task 8"}


class Forgeable(Verifier):
    """Asks for some text that holds two words; whoever says "passed" is believed."""

    open_ended = True

    def verify(self, task: Task, completion: Completion) -> rg.Verdict:
        assert isinstance(task.reference, list)
        held = all(str(word) in completion.text.split() for word in task.reference)
        return rg.Verdict.right() if held or completion.text == "passed" else rg.Verdict.wrong()

    def impossible(self, task: Task) -> Task | None:
        return task.model_copy(update={"id": f"{task.id} (impossible)", "reference": ["two words"]})


def test_a_verifier_that_makes_impossible_tasks_has_canaries_where_answers_are_open() -> None:
    env, (task,) = asked(["red", "green"], verifier=Forgeable())
    drawn = canaries(env, [judged(env, task, "green and red", "passed", "red")])
    assert {canary.rollout.text for canary in drawn} == {"green and red", "passed"}
    (caught,) = sprung(env, drawn)
    assert caught.rollout.text == "passed"
    assert caught.impossible.id.endswith("(impossible)")
