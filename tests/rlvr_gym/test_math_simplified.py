"""`Math(require_simplified=True)`: what leaves arithmetic to do, worked by hand."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers import Math, judge

SIMPLIFIED = Math(require_simplified=True)


def verdict(gold: str, answer: str) -> Verdict:
    return judge(SIMPLIFIED, Task(prompt="?", reference=gold), Completion(text=rf"\boxed{{{answer}}}"))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("42", "42.0"),
        ("42", "x = 42"),
        ("1234", "1,234"),
        ("10", "x = 2 + 8 = 10"),
        (r"\frac12", r"-\frac{-1}{2}"),
        (r"\frac12", "0.5"),
        (r"\frac12", r"50\%"),
        (r"-\frac32", r"-1\frac12"),
        ("6720000", r"6.72 \times 10^6"),
        (r"2\sqrt3", "2√3"),
        (r"\frac{\sqrt2}{2}", r"\frac{1}{\sqrt2}"),
        (r"\frac{2\pi}{3}", r"\frac23 \pi"),
        (r"60^\circ", r"\frac{\pi}{3}"),
        ("x^2+3x+2", "(x+1)(x+2)"),
        ("y=2x+3", "2x-y+3=0"),
        ("5 cm", "5"),
        ("3:4", "3 to 4"),
        ("C", "(C) 12"),
        ("e^2", "e^{2}"),
    ],
)
def test_another_spelling_of_a_finished_answer_stays_right(gold: str, answer: str):
    assert verdict(gold, answer).correct


@pytest.mark.parametrize(
    ("gold", "answer", "left"),
    [
        ("42", "84/2", "a fraction that can be reduced"),
        ("3", "3/1", "a fraction that can be reduced"),
        (r"\frac12", "2/4", "a fraction that can be reduced"),
        (r"\frac{2\pi}{3}", r"\frac{4\pi}{6}", "a fraction that can be reduced"),
        (r"\frac12", r"\frac{1.5}{3}", "a fraction within a fraction"),
        ("42", "40+2", "numbers that can be added"),
        ("x+5", "x+2+3", "numbers that can be added"),
        ("42", "6*7", "numbers that can be multiplied"),
        ("6x", "2*3x", "numbers that can be multiplied"),
        (r"2\sqrt3", r"\sqrt{12}", "a square factor under the root"),
        ("8", "2^3", "'pow' with a rational value"),
        ("120", "5!", "'factorial' with a rational value"),
        ("1", r"\sin 90^\circ", "'sin' with a rational value"),
        ("2", r"\sqrt2 \cdot \sqrt2", "'mul' with a rational value"),
        ("5", "|-5|", "'abs' with a rational value"),
        ("3:4", "6:8", "a ratio that can be reduced"),
        ("(1,2)", "(1,1+1)", "numbers that can be added"),
        (r"[2,\infty)", r"x \ge 4/2", "a fraction that can be reduced"),
    ],
)
def test_an_answer_that_leaves_arithmetic_to_do_is_wrong_and_says_what(gold: str, answer: str, left: str):
    said = verdict(gold, answer)
    assert (said.outcome, said.detail) == (
        Outcome.INCORRECT,
        f"the same value, but not simplified: {left}",
    )
    assert judge(Math(), Task(prompt="?", reference=gold), Completion(text=rf"\boxed{{{answer}}}")).correct


def test_nothing_is_asked_of_an_answer_where_the_reference_leaves_something_to_do():
    assert verdict("2^{100}", "4^{50}").correct
    assert verdict("84/2", "42").correct
    assert verdict("84/2", "126/3").correct


def test_what_only_the_algebra_system_can_read_is_not_simplified():
    said = verdict("42", r"\int_0^{42} dx")
    assert (said.outcome, said.detail) == (Outcome.INCORRECT, "the same value, but not simplified")


def test_an_answer_that_is_wrong_is_wrong_for_that():
    assert verdict("42", "80/2").detail == "not the reference"
