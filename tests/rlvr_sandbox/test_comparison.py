"""Comparison of outputs and values with the expected ones."""

import json

import pytest
from rlvr_sandbox import Comparison
from rlvr_sandbox.judging.comparison import readable, same_output, same_value


@pytest.mark.parametrize(
    ("comparison", "expected", "got", "same"),
    [
        (Comparison.EXACT, "a b\n", "a b", True),
        (Comparison.EXACT, "a b\n", "a b\r\n", True),
        (Comparison.EXACT, "a b", "a b ", False),
        (Comparison.EXACT, "a\n", "a\n\n", False),
        (Comparison.LINES, "1 2\n3\n", "1 2 \n3\n\n\n", True),
        (Comparison.LINES, "1 2\n3", "1  2\n3", False),
        (Comparison.LINES, "1\n2", "1 2", False),
        (Comparison.LINES, "1\n", " 1\n", False),
        (Comparison.LINES, "", "\n", True),
        (Comparison.TOKENS, "1 2\n3", "1\n2 3", True),
        (Comparison.TOKENS, "1 2", "12", False),
        (Comparison.TOKENS, "True", "1", False),
        (Comparison.TOKENS, "0.5", "0.50", False),
        (Comparison.FLOATS, "0.5", "0.5000000001", True),
        (Comparison.FLOATS, "0.5", "0.51", False),
        (Comparison.FLOATS, "1000000000000.0", "1000000000000.5", True),
        (Comparison.FLOATS, "1000000000000", "1000000000001", False),
        (Comparison.FLOATS, "1.0", "1", True),
        (Comparison.FLOATS, "yes 2.0", "yes 2.0000001", True),
        (Comparison.FLOATS, "1.0", "nan", False),
        (Comparison.FLOATS, "1.0", "1.0 1.0", False),
        (Comparison.FLOATS, "1e999", "2e999", False),
        (Comparison.FLOATS, "1.0", "True", False),
        (Comparison.FLOATS, "7", f"{'1' * 2_000_000}.0", False),
    ],
)
def test_outputs_are_compared_as_declared(
    comparison: Comparison, expected: str, got: str, same: bool
) -> None:
    assert same_output(expected, got, comparison) is same


@pytest.mark.parametrize(
    ("expected", "encoded", "same"),
    [
        (1, 1, True),
        (1, True, False),
        (True, 1, False),
        (True, True, True),
        (1, 1.0, True),
        (2.5, 2.5, True),
        (0.3, 0.30000000000000004, False),
        (2**60, ["int", hex(2**60)], True),
        (2**60, ["int", "not a number"], False),
        (None, None, True),
        (None, False, False),
        ("a", "a", True),
        ("a", ["str", "a"], False),
        ([1, 2], ["list", 1, 2], True),
        ([1, 2], ["tuple", 1, 2], True),
        ([1, 2], ["set", 1, 2], False),
        ([1, 2], ["list", 2, 1], False),
        ([1], ["list", 1, 1], False),
        ([[]], ["list", ["tuple"]], True),
        ({"a": 1}, ["dict", ["a", 1]], True),
        ({"a": 1}, ["dict", ["a", 2]], False),
        ({"a": 1}, ["dict", ["a", 2], ["a", 1]], False),
        ({"a": 1}, ["dict", ["a", 1], ["b", 1]], False),
        ({"1": 1}, ["dict", [1, 1]], True),
        ({"1": 1}, ["counter", [1, 1]], True),
        ({"1": 1}, ["dict", [1, 2]], False),
        ({"1": 1}, ["dict", [1.0, 1]], False),
        ({"1": 1}, ["dict", [True, 1]], False),
        ({"1": 1}, ["dict", [1, 1], ["1", 1]], False),
        ({"1": 1, "2": 1}, ["dict", [1, 1], [1, 1]], False),
        ({"true": 1, "null": 2, "1.5": 3}, ["dict", [True, 1], [None, 2], [1.5, 3]], True),
        ({str(2**60): 1}, ["dict", [["int", hex(2**60)], 1]], True),
        ({"1": 1}, ["dict", [["int", hex(10**5000)], 1]], False),
        ({"[1, 2]": 1}, ["dict", [["tuple", 1, 2], 1]], False),
        ({"1": {"2": [3]}}, ["dict", [1, ["dict", [2, ["list", 3]]]]], True),
        ([], ["set"], False),
        ([1], ["set", 1], False),
        ({}, ["list"], False),
        (5, ["handle", 0, "Anything"], False),
        ([5], ["handle", 0, "Anything"], False),
        ([1, 2], ["named", "Point", ["x", "y"], 1, 2], True),
    ],
)
def test_values_are_compared_by_what_they_are(expected: object, encoded: object, same: bool) -> None:
    assert same_value(expected, encoded, 0.0) is same


def test_floats_are_close_only_where_the_tests_say_so() -> None:
    assert not same_value(0.3, 0.1 + 0.2, 0.0)
    assert same_value(0.3, 0.1 + 0.2, 1e-9)
    assert same_value([1.0, {"x": 2.0}], ["list", 1.0, ["dict", ["x", 2.0000000001]]], 1e-6)
    assert not same_value(10**400, 1.5, 1e-6)


def test_a_value_nested_deeper_than_any_expected_one_is_not_it() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = ["list", deep]
    assert not same_value([[1]], deep, 0.0)


def test_values_are_shown_as_python_writes_them() -> None:
    assert readable(["list", 1, ["tuple", "a"], ["dict", ["k", None]]]) == "[1, ('a'), {'k': None}]"
    assert readable(["handle", 3, "Node"]) == "<Node object>"


def test_a_value_of_very_many_parts_is_not_shown_to_its_end() -> None:
    shown = readable(["list", *[["list", *range(2000)]] * 2000])
    assert shown.startswith("[[0, 1, 2, ")
    assert shown.endswith(" ...")
    assert len(shown) < 100_000


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("1000000007", "1000000007.0", True),
        ("3", "2.9999999999", True),
        ("1000000007", "1000000000.0", False),
        ("100000000000000000001", "1e20", False),
        ("1000000007.5", "1000000000.5", True),
    ],
)
def test_an_integer_that_is_wrong_in_its_last_digits_is_wrong_as_a_float(
    expected: str, got: str, same: bool
) -> None:
    assert same_output(expected, got, Comparison.FLOATS) is same
    assert same_value(json.loads(expected), json.loads(got), 1e-6) is same
