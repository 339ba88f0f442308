"""Notations that lie close to one that says something else."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers import Math, judge
from tests.timing import at_most


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
    with at_most(1.0):
        for text in ("{ }", "{{}}", "{{{}}}", "{", "]", "[", "]["):
            assert not verdict("42", rf"<answer>{text}</answer>", Math("tag")).correct


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("2,000", "2,0"),
        ("2,000", r"\{2,0\}"),
        ("2,0", "2,000"),
        ("1,000,000", "1,0,0"),
        ("10,001", "10,1"),
        ("5,050", "5,50"),
        (r"\$2,000", r"\$2,00"),
        ("x=2,000", "x=2,x=0"),
        ("12,345,678", "12,0345,678"),
    ],
)
def test_a_grouped_number_is_not_the_list_of_its_parts(reference: str, answer: str):
    assert verdict(reference, rf"\boxed{{{reference}}}").correct
    assert not verdict(reference, rf"\boxed{{{answer}}}").correct


def test_a_congruence_is_no_equation_and_a_set_of_sets_no_set_of_numbers():
    assert verdict(r"a \equiv 3 \pmod 5", r"\boxed{a \equiv 8 \pmod 5}").correct
    assert not verdict(r"a \equiv 3 \pmod 5", r"\boxed{a = 3}").correct
    assert not verdict(r"\{1,2\}", r"\boxed{\{\{1\},\{2\}\}}").correct


def test_several_options_are_all_of_them_and_no_others():
    for answer in ("ABD", "A, B, D", r"\text{A, B and D}"):
        assert verdict("ABD", rf"\boxed{{{answer}}}").correct
    for answer in ("AB", "A, B, C", "A, B or D", "ABCD", "A"):
        assert not verdict("ABD", rf"\boxed{{{answer}}}").correct
    assert not verdict("B", r"\boxed{A, B}").correct


def test_units_with_a_prefix_are_converted_and_contradict():
    assert verdict(r"500\text{ nm}", r"\boxed{5\times10^{-7}\text{ m}}").correct
    assert verdict(r"5\text{ sec}", r"\boxed{5\text{ s}}").correct
    assert not verdict(r"500\text{ nm}", r"\boxed{500\text{ mm}}").correct
    assert not verdict(r"2\text{ kPa}", r"\boxed{2\text{ Pa}}").correct
    assert not verdict(r"300\text{ K}", r"\boxed{300\text{ J}}").correct


def test_the_name_of_a_constant_of_integration_is_free_and_nothing_else_is():
    assert verdict("x^2 + C", r"\boxed{x^2 + c}").correct
    assert not verdict("x^2 + C", r"\boxed{x^2}").correct
    assert not verdict("x^2 + C", r"\boxed{x^2 + 2c}").correct
    assert not verdict("2C", r"\boxed{2c}").correct
