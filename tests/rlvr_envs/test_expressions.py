import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlvr_envs.math.expressions import evaluate


@pytest.mark.parametrize(
    ("text", "value", "numbers"),
    [
        ("7", 7, [7]),
        ("1+2*3", 7, [1, 2, 3]),
        ("(1+2)*3", 9, [1, 2, 3]),
        ("8-4-2", 2, [8, 4, 2]),
        ("8/4/2", 1, [8, 4, 2]),
        ("1/3*3", 1, [1, 3, 3]),
        ("1/3", Fraction(1, 3), [1, 3]),
        (" ( ( 10 ) - 3 ) ", 7, [10, 3]),
        ("2 × 3 ÷ 4 − 1 · 1", Fraction(1, 2), [2, 3, 4, 1, 1]),
        ("0*5", 0, [0, 5]),
    ],
)
def test_expressions_have_their_exact_value(text, value, numbers):
    assert evaluate(text) == (value, numbers)


@pytest.mark.parametrize(
    "text",
    [
        r"()",
        r"1+",
        r"+1",
        r"-1",
        r"1--1",
        r"(-1)",
        r"3**5",
        r"3**5//7",
        r"7//2",
        r"3.5",
        r"1e3",
        r"0x10",
        r"1_0",
        r"2(3)",
        r"(1)(2)",
        r"(1",
        r"1)",
        r"((1)",
        r"1+*2",
        r"5!",
        r"5%2",
        r"2^3",
        r"1,2",
        r"[1]",
        r"{1}",
        r"abs(1)",
        r"x",
        r"½",
        r"٣",
        r"1=1",
        r'len("aaaaa")',
        r"__import__('os')",
        r"True",
        r"1;2",
        r"1\2",
        r"1234567890",
    ],
)
def test_nothing_but_whole_numbers_four_operations_and_brackets_is_read(text):
    with pytest.raises(ValueError, match=r"cannot read|expected a whole number|a bracket is never closed"):
        evaluate(text)


@pytest.mark.parametrize("text", ["", " ", "1 2", "1 - -1", "1if 1else 2", "1\x002", "1\n2"])
def test_white_space_joins_nothing(text):
    with pytest.raises(ValueError, match=r"cannot read|expected a whole number"):
        evaluate(text)


@pytest.mark.parametrize("text", ["1/0", "1/(2-2)", "0/0"])
def test_dividing_by_zero_says_so(text):
    with pytest.raises(ZeroDivisionError):
        evaluate(text)


def test_length_and_depth_are_bounded():
    assert evaluate("(" * 20 + "1" + ")" * 20)[0] == 1
    with pytest.raises(ValueError, match="brackets nested deeper than 20"):
        evaluate("(" * 21 + "1" + ")" * 21)
    with pytest.raises(ValueError, match="longer than 500 characters"):
        evaluate("1+" * 1000 + "1")


def trees(numbers):
    """Expressions as (text, value) over the given numbers, with brackets wherever there are two operands."""
    leaves = numbers.map(lambda n: (str(n), Fraction(n)))
    return st.recursive(
        leaves, lambda below: st.tuples(below, st.sampled_from("+-*/"), below).map(joined), max_leaves=12
    )


def joined(parts):
    (left, a), sign, (right, b) = parts
    value = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else a}[sign]
    return f"({left} {sign if b or sign != '/' else '*'} {right})", value if b or sign != "/" else a * b


@given(trees(st.integers(0, 999)))
def test_any_expression_has_the_value_it_was_built_with(tree):
    text, value = tree
    found, numbers = evaluate(text)
    assert found == value
    assert numbers == [int(digits) for digits in re.findall(r"\d+", text)]


@given(st.text("0123456789+-*/() .eE_x", max_size=30))
def test_any_other_text_is_read_or_refused(text):
    try:
        evaluate(text)
    except (ValueError, ZeroDivisionError):
        return
    assert not set(text) - set("0123456789+-*/() ")
