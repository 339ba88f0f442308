"""Distractors are known to be wrong by another method than any verifier's."""

from fractions import Fraction

import pytest

from rlvr_gym.audit.truth import same_answer, value


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("46", "47"),
        ("46", "460"),
        ("0.5", "0.6"),
        ("\\frac{1}{2}", "\\frac{1}{3}"),
        ("\\sqrt{2}", "2"),
        ("50\\%", "50"),
        ("1,234", "1,235"),
        ("1, 2", "1, 3"),
        ("(1, 2)", "(1, 2, 3)"),
        ("x^2+1", "x^2+2"),
        ("\\frac{x}{2}", "2x"),
        ("Paris", "Rome"),
        ("\\text{Evelyn}", "\\text{Evely}"),
        ("B", "C"),
        ("Paris", "46"),
        (str(10**30), str(10**30 + 1)),
        ("612001966.586", "612001966.585"),
        ("123456789.5", "123456789"),
        ("0.1234567", "0.1234568"),
        ("0.00000000000000001", "0.00000000000000002"),
    ],
)
def test_what_differs_is_shown_to_differ(gold, answer):
    assert same_answer(gold, answer) is False


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("46", "46.0"),
        ("\\frac{2}{4}", "\\frac12"),
        ("\\frac{1}{\\sqrt{3}}", "\\frac{\\sqrt{3}}{3}"),
        ("(x+1)^2", "x^2+2x+1"),
        ("50\\%", "0.5"),
        ("1, 2", "2, 1"),
        ("5", "5 m"),
        ("5", "x = 5"),
        ("\\frac{1}{3}", "0.33333"),
        ("y = 2x", "2x - y = 0"),
        ("\\emptyset", "\\varnothing"),
        ("52_8", "52"),
        ("0", "00"),
        ("1\\frac{4}{5}", "1.8"),
        ("1 4/5", "1.8"),
        (".35625", ".356250"),
        ("\\pi", "pi"),
        ("624640107.6149991", "624640107.614999"),
        ("612001966.5860001", "612001966.586000"),
        ("612001966.5860001", "612001966.586"),
        ("0.30000000000000004", "0.3"),
        ("-2.9999999999999996", "-3"),
    ],
)
def test_what_a_verifier_may_take_for_the_same_is_never_called_different(gold, answer):
    assert same_answer(gold, answer) is not False


def test_the_same_text_is_the_same():
    assert same_answer("$46$", "46")
    assert same_answer("1,234", "1234")


@pytest.mark.parametrize(
    ("text", "worth"),
    [("84/2", 42), ("-3^2", -9), ("2^{10}", 1024), ("\\frac12", Fraction(1, 2)), ("2 \\cdot 3 + 1", 7)],
)
def test_expressions_have_their_values(text, worth):
    assert value(text) == worth


@pytest.mark.parametrize(
    "text", ["", "9^{9^{9}}", "(" * 5000, "1/0", "\\sqrt{-1}", "46 =", "\\foo", "__import__"]
)
def test_what_is_not_understood_has_no_value(text):
    assert value(text) is None
