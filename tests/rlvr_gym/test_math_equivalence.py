"""Equal and different answers, reason by reason; the pairs are in `math_cases.py`."""

import pytest

from rlvr_gym import Outcome, Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers import Math, judge
from tests.rlvr_gym import math_cases as cases

MATH = Math()


def verdict(gold: str, answer: str) -> Verdict:
    task = Task(prompt="?", reference=gold)
    return judge(MATH, task, Completion(text=f"\\boxed{{{answer}}}"))


def wrongly_judged(pairs: list[tuple[str, str]], expected: bool) -> list[tuple[str, str, str]]:
    said = [(gold, answer, verdict(gold, answer)) for gold, answer in pairs]
    return [
        (gold, answer, f"{v.outcome}: {v.detail}")
        for gold, answer, v in said
        if v.correct != expected or not v.scored
    ]


@pytest.mark.parametrize("kind", cases.ACCEPT)
def test_an_equivalent_answer_is_right(kind: str):
    assert wrongly_judged(cases.ACCEPT[kind], True) == []


@pytest.mark.parametrize("kind", cases.REFUSE)
def test_an_answer_that_is_not_equivalent_is_wrong(kind: str):
    assert wrongly_judged(cases.REFUSE[kind], False) == []


def test_every_accepted_reference_is_equal_to_itself():
    golds = {gold for kind in (cases.ACCEPT, cases.REFUSE) for pairs in kind.values() for gold, _ in pairs}
    assert wrongly_judged([(gold, gold) for gold in sorted(golds)], True) == []
    assert [gold for gold in golds if MATH.check_reference(gold)] == []


def test_a_hedge_inside_one_marker_earns_nothing():
    assert not verdict("42", r"41 \text{ or } 42").correct
    assert not verdict("42", "41 = 42").correct


def test_a_number_that_ends_with_the_answer_earns_nothing():
    assert not verdict("7", "17").correct


def test_an_unreadable_answer_earns_nothing_for_a_number_inside_it():
    said = verdict("42", r"42 \foo")
    assert (said.outcome, said.score) == (Outcome.MALFORMED, 0.0)
    assert not verdict(r"1+1/\mathrm e", r"1-1/\mathrm e").correct


def test_a_decimal_must_be_right_to_six_significant_digits():
    assert verdict(r"\frac{2}{3}", "0.666667").correct
    assert not verdict(r"\frac{2}{3}", "0.66667").correct
    assert verdict(r"\frac{1}{8}", "0.125").correct
    assert not verdict(r"\frac{1}{8}", "0.125000").detail.startswith("not")
    assert not verdict(r"\frac{1}{8}", "0.1250001").correct


def test_tiny_values_are_compared_relatively():
    assert not verdict("2^{-99}", "2^{-98}").correct
    assert not verdict("e^{-99}", "e^{-98}").correct


def test_equations_without_solutions_are_not_equal_for_that():
    assert not verdict("x^2+1=0", "x^2+2=0").correct
    assert verdict("x^2+1=0", "3x^2+3=0").correct


def test_a_polynomial_that_agrees_at_many_integers_is_not_the_same():
    vanishing = "".join(f"(x-{k})" for k in range(1, 40))
    assert not verdict("x", f"x+{vanishing}").correct
    assert verdict("x", f"x+0{vanishing}").correct
