"""Values that cross between the program's process and others."""

import collections
import datetime
import decimal
import fractions
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlvr_sandbox.image.talk import values


def keep(value: object) -> list[Any]:
    return ["handle", 0, type(value).__name__]


def restore(data: list[Any]) -> object:
    return ("restored", *data)


def across(value: object) -> object:
    return values.loads(values.dumps(value, keep), restore)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)
HASHABLE = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS, max_size=3)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value: object) -> None:
    back = across(value)
    assert back == value
    assert repr(type(back)) == repr(type(value))


@pytest.mark.parametrize(
    "value",
    [
        2**400,
        -(2**53),
        1.5 - 2j,
        bytearray(b"x"),
        range(3, 100, 7),
        collections.deque([1, 2]),
        collections.Counter("aab"),
        collections.OrderedDict(a=1),
        decimal.Decimal("1.10"),
        fractions.Fraction(22, 7),
        datetime.datetime(2026, 1, 2, 3, 4, 5, 6),
        datetime.date(2026, 1, 2),
        datetime.timedelta(days=1, microseconds=3),
        "\ud800 alone",
        ...,
    ],
)
def test_other_types_of_python_come_back_as_themselves(value: object) -> None:
    back = across(value)
    assert back == value
    assert type(back) is type(value)


def test_true_is_not_one_on_the_other_side() -> None:
    assert across([True, 1, 1.0]) == [True, 1, 1.0]
    assert [type(item) for item in across([True, 1, 1.0])] == [bool, int, float]  # type: ignore[attr-defined]


def test_not_a_number_and_infinities_cross() -> None:
    back = across([math.nan, math.inf, -math.inf, -0.0])
    assert math.isnan(back[0])  # type: ignore[index]
    assert str(back[1:]) == "[inf, -inf, -0.0]"  # type: ignore[index]


def test_what_a_subclass_overrides_stays_behind() -> None:
    class Int(int):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = int.__hash__

        def __int__(self) -> int:
            return 7

    class List(list[int]):
        def __iter__(self) -> Any:
            return iter([9])

    back = across([Int(3), List([1, 2])])
    assert [type(item) for item in back] == [int, list]  # type: ignore[attr-defined]
    assert back == [3, [1, 2]]


def test_a_named_tuple_keeps_its_names() -> None:
    back: Any = across(collections.namedtuple("Point", "x y")(1, 2))
    assert (back.x, back.y) == (1, 2)
    assert back == (1, 2)


def test_an_object_crosses_as_what_its_keeper_says() -> None:
    assert across([object()]) == [("restored", "handle", 0, "object")]


def test_what_is_nested_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(values.BadValue, match="nested"):
        values.dumps(endless, keep)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b'["int"]',
        b'["int", "zz"]',
        b'["set", ["list"]]',
        b'["dict", 1]',
        b'["named", "x y", ["a"], 1]',
        b'["fraction", "0x1", "0x0"]',
        b'["date", "yesterday"]',
        b"[" * 5000,
        b'["list", ' * 500 + b"1" + b"]" * 500,
        b'"' + b"a" * values.MAX_BYTES + b'"',
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes) -> None:
    with pytest.raises(values.BadValue):
        values.loads(data, restore)


def test_a_value_larger_than_the_limit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(values.BadValue, match="bytes"):
        values.dumps("a" * values.MAX_BYTES, keep)


def test_an_array_crosses_with_its_dtype() -> None:
    numpy = pytest.importorskip("numpy")
    back: Any = across(numpy.array([[1, 2], [3, 4]], dtype="int16"))
    assert back.dtype == "int16"
    assert back.tolist() == [[1, 2], [3, 4]]
    assert across(numpy.float64(0.5)) == 0.5


def test_no_dtype_of_the_senders_choice_is_ever_used() -> None:
    data = json.dumps(["array", "V1000000000", ["list", 1, 2]]).encode()
    assert values.loads(data, restore) == [1, 2]
