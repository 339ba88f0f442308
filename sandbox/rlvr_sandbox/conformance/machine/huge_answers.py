"""Answers that are small to give and vast to take: without end, too many, too long, too deep."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import BLAMED, CHECK, ENDED, ONE_CALL, asserts
from rlvr_sandbox.conformance.machine.bombs import bomb
from rlvr_sandbox.results import ProgramOutcome

REFUSED = ENDED | {ProgramOutcome.FAILED}

ATTACKS = (
    bomb(
        "an-endless-generator",
        "Returns a generator without end, of which the tests make a list.",
        """
        def doubles(n):
            while True:
                yield 0
        """,
        asserts("doubles", "assert list(doubles(3)) == [0, 2, 4]"),
    ),
    bomb(
        "a-chain-of-attributes",
        "Returns an object whose every attribute is another one, on and on.",
        """
        class Node:
            __getattr__ = lambda self, name: Node()

        def first(xs):
            return Node()
        """,
        asserts("first", "node = first([1, 2])\nwhile node:\n    node = node.next\nassert not node"),
        outcomes=REFUSED,
    ),
    bomb(
        "a-linked-list-without-end",
        "Returns a ring where the tests walk to the end of a list.",
        """
        class Node:
            pass

        def first(xs):
            node = Node()
            node.value, node.next = xs[0], node
            return node
        """,
        asserts(
            "first",
            """
            node, seen = first([1, 2]), []
            while node is not None:
                seen.append(node.value)
                node = node.next
            assert seen == [1, 2]
            """,
        ),
    ),
    bomb(
        "a-range-of-everything",
        "Returns a range of a quintillion numbers, of which the tests make a list.",
        "def doubles(n): return range(0, 10 ** 18, 2)\n",
        asserts("doubles", "assert list(doubles(3)) == [0, 2, 4]"),
        outcomes=REFUSED,
    ),
    bomb(
        "a-decimal-that-explodes",
        "Returns a decimal with a small text and a vast value, of which the tests make an int.",
        "import decimal\ndef double(n): return decimal.Decimal('1e99999999')\n",
        asserts("double", "assert int(double(3)) == 6"),
        outcomes=REFUSED,
    ),
    bomb(
        "a-fraction-that-explodes",
        "Returns huge fractions and ints with which the tests compute.",
        "import fractions\ndef double(n): return fractions.Fraction(1 << 4_000_000, 3 ** 1_000_000)\n",
        asserts("double", "assert double(3) ** 2 + double(4) == 44"),
        outcomes=REFUSED,
    ),
    bomb(
        "a-number-that-takes-hours-to-write",
        "Returns an int of millions of digits, which takes quadratic time to show.",
        "def add(a, b): return 1 << 30_000_000\n",
        ONE_CALL,
        outcomes=REFUSED,
    ),
    bomb(
        "a-number-that-takes-hours-to-write-in-asserts",
        "The same where the tests compare.",
        "def add(a, b): return 1 << 30_000_000\n",
        CHECK,
        outcomes=REFUSED,
    ),
    bomb(
        "a-text-of-100-megabytes",
        "Returns a text of 100 MB.",
        "def add(a, b): return 'x' * 100_000_000\n",
        ONE_CALL,
        outcomes=REFUSED,
    ),
    bomb(
        "a-million-items",
        "Returns millions of small lists in one.",
        "def add(a, b): return [[] for _ in range(3_000_000)]\n",
        CHECK,
        outcomes=REFUSED,
    ),
    bomb(
        "a-million-objects",
        "Returns a list of objects that each need a handle.",
        "def add(a, b): return [object() for _ in range(1_000_000)]\n",
        CHECK,
        outcomes=REFUSED,
    ),
    bomb(
        "a-value-that-multiplies",
        "Returns a small structure of shared parts that is vast once it is written out.",
        """
        def add(a, b):
            value = "x" * 1000
            for _ in range(40):
                value = [value, value]
            return value
        """,
        ONE_CALL,
    ),
    bomb(
        "a-value-that-multiplies-for-asserts",
        "The same where the tests compare, as a dict of dicts.",
        """
        def add(a, b):
            value = {}
            for _ in range(60):
                value = {"a": value, "b": value}
            return value
        """,
        CHECK,
        outcomes=BLAMED,
    ),
)
