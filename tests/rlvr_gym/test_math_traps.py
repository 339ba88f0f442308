"""Where a notation that is read lies close to one that says something else."""

import time

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers import Math, judge


def verdict(reference: str, completion: str, verifier: Math | None = None) -> Verdict:
    return judge(verifier or Math(), Task(prompt="?", reference=reference), Completion(text=completion))


@pytest.mark.parametrize(
    "reference",
    [
        r"Halving gives $\boxed{\frac12}$, as wanted.",
        r"$\boxed{\frac{1}{2}}$.",
        r"$$\frac12$$",
        r"The answer is $\frac{1}{2}$",
        r"$\\frac{1}{2}$",
        r"\\boxed{\\frac{1}{2}}",
    ],
)
def test_a_reference_may_come_as_datasets_have_it(reference: str):
    assert Math().check_reference(reference) is None
    assert verdict(reference, r"\boxed{0.5}").correct
    assert not verdict(reference, r"\boxed{2}").correct


def test_a_reference_with_several_boxes_is_the_list_of_them():
    reference = r"So $n = \boxed{1}$ and $\boxed{-2}$."
    assert verdict(reference, r"\boxed{-2, 1}").correct
    assert not verdict(reference, r"\boxed{1}").correct


def test_nothing_over_ten_is_nothing():
    assert verdict("0", r"\boxed{0 / 10}").correct
    assert not verdict("0", r"\boxed{10 / 0}").correct


def test_a_value_may_stand_before_its_variable_but_not_before_a_word():
    assert verdict("2", r"\boxed{2 = x}").correct
    assert not verdict("2", r"\boxed{2 = Paris}").correct


def test_half_a_character_in_an_answer_or_a_reference_crashes_nothing():
    for text in ("\ud800", "4\ud8002", "\udc00 42"):
        assert verdict("42", rf"\boxed{{{text}}}").outcome in (Outcome.MALFORMED, Outcome.INCORRECT)
        assert not verdict(text, r"\boxed{42}").correct


def test_a_time_of_day_is_no_ratio():
    assert verdict("3:20", r"\boxed{3:20 PM}").correct
    assert not verdict("3:20", r"\boxed{6:40}").correct
    assert not verdict("12:00", r"\boxed{1:00}").correct
    assert verdict("3:4", r"\boxed{6:8}").correct


def test_a_decimal_comma_is_read_in_answers_and_never_in_references():
    assert verdict("0.25", r"\boxed{0,25}").correct
    assert not verdict("0,25", r"\boxed{0.25}").correct
    assert not verdict("42", r"\boxed{42,0}").correct
    assert not verdict("1.234", r"\boxed{1,234}").correct


def test_an_equation_is_not_the_number_on_one_of_its_sides():
    assert verdict("5", r"\boxed{x + y = 5}").correct
    assert not verdict("x + y = 5", r"\boxed{5}").correct
    assert not verdict("xy = 1", r"\boxed{1}").correct


def test_an_option_is_right_only_when_what_is_said_to_stand_there_can_be_read_and_is_not_wrong():
    assert verdict(r"\textbf{(C)}\ 12", r"\boxed{(C) 12}").correct
    assert verdict(r"\textbf{(C)}\ 12", r"\boxed{12}").correct
    assert not verdict(r"\textbf{(C)}\ 12", r"\boxed{(C) 13}").correct
    assert not verdict("C", r"\boxed{(C) \foo ^ ] 10}").correct


def test_empty_braces_around_nothing_come_to_an_end():
    start = time.process_time()
    for text in ("{ }", "{{}}", "{{{}}}", "{", "]", "[", "]["):
        assert not verdict("42", rf"<answer>{text}</answer>", Math("tag")).correct
    assert time.process_time() - start < 1.0
