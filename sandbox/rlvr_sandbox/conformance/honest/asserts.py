"""Right programs that are tested by Python code which asserts, from a process of its own."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import ASSERTS, CHECK, asserts, honest

VALUES = (
    honest("humaneval", "Is tested by a check(candidate).", CHECK, "def add(a, b): return a + b\n"),
    honest("mbpp", "Is tested by a list of asserts.", ASSERTS, "def add(a, b): return a + b\n"),
    honest(
        "an-entry-point-named-like-a-builtin",
        "Defines a function called `sum`.",
        asserts("sum", "assert sum(10, 15) == 6", "assert sum(100, 150) == 93"),
        "def sum(a, b):\n    return __builtins__.sum(d for d in range(1, min(a, b)) if a % d == b % d == 0)\n",
    ),
    honest(
        "tests-with-helpers",
        "Is tested with a function that the prompt defines, random numbers and copies.",
        asserts(
            "decode",
            """
            def check(candidate):
                from random import choice, randint
                import copy, string
                for _ in range(30):
                    str = "".join(choice(string.ascii_lowercase) for _ in range(randint(10, 20)))
                    assert candidate(copy.deepcopy(encode(str))) == str

            check(decode)
            """,
            setup="def encode(s): return ''.join(chr((ord(c) - 92) % 26 + 97) for c in s)",
        ),
        "def decode(s): return ''.join(chr((ord(c) - 102) % 26 + 97) for c in s)\n",
    ),
    honest(
        "tuples-are-tuples",
        "Returns tuples, sets, frozen sets, bytes, ranges and slices, as Python compares them.",
        asserts(
            "kinds",
            'assert kinds() == ((1, 2), {3}, frozenset({4}), b"5", bytearray(b"6"), range(7), 8j, ..., slice(9))',
            "assert isinstance(kinds()[0], tuple) and type(kinds()[1]) is set and kinds()[5][3] == 3",
        ),
        "def kinds(): return (1, 2), {3}, frozenset({4}), b'5', bytearray(b'6'), range(7), 8j, ..., slice(9)\n",
    ),
    honest(
        "dicts-with-all-kinds-of-keys",
        "Returns dicts whose keys are tuples, numbers, None and booleans.",
        asserts("table", 'assert table() == {(1, 2): "a", 3: "b", None: "c", 4.5: "d", "e": {True: []}}'),
        'def table(): return {(1, 2): "a", 3: "b", None: "c", 4.5: "d", "e": {True: []}}\n',
    ),
    honest(
        "the-order-of-a-dict",
        "Returns a dict whose order matters to the test.",
        asserts(
            "by_length",
            'assert list(by_length(["ccc", "a", "bb"]).items()) == [("a", 1), ("bb", 2), ("ccc", 3)]',
        ),
        "def by_length(words): return {w: len(w) for w in sorted(words, key=len)}\n",
    ),
    honest(
        "floats-of-all-kinds",
        "Returns infinities, nan, negative zero and the smallest float.",
        asserts(
            "special",
            "assert special(0) == math.inf and special(1) == -math.inf and math.isnan(special(2))",
            "assert math.copysign(1, special(3)) == -1 and special(4) == 5e-324 and abs(special(5) - math.pi) < 1e-15",
            setup="import math",
        ),
        "def special(n): return [float('inf'), -float('inf'), float('nan'), -0.0, 5e-324, 3.141592653589793][n]\n",
    ),
    honest(
        "none-and-booleans",
        "Returns None, True and False, which tests ask for by identity.",
        asserts(
            "sign",
            "assert sign(0) is None",
            "assert sign(1) is True and sign(-1) is False",
            "assert not sign(0)",
        ),
        "def sign(n): return None if n == 0 else n > 0\n",
    ),
    honest(
        "huge-numbers",
        "Takes and returns ints of thousands of digits.",
        asserts("square", "assert square(10 ** 3000) == 10 ** 6000", "assert square(-(2 ** 64)) == 2 ** 128"),
        "def square(n): return n * n\n",
    ),
    honest(
        "exact-numbers",
        "Returns decimals, fractions and complex numbers.",
        asserts(
            "half",
            'assert half(Decimal("0.3")) == Decimal("0.15")',
            "assert half(Fraction(1, 3)) == Fraction(1, 6) and half(1j) == 0.5j",
            setup="from decimal import Decimal\nfrom fractions import Fraction",
        ),
        "def half(x): return x / 2\n",
    ),
    honest(
        "dates",
        "Takes and returns dates, times and spans.",
        asserts(
            "later",
            "assert later(datetime.date(2024, 2, 28), 2) == datetime.date(2024, 3, 1)",
            "assert later(datetime.datetime(2024, 1, 1, 12, 30), 1).hour == 12",
            setup="import datetime",
        ),
        "import datetime\ndef later(day, days): return day + datetime.timedelta(days=days)\n",
    ),
    honest(
        "containers-of-the-library",
        "Returns Counter, defaultdict, OrderedDict and deque.",
        asserts(
            "contain",
            'assert contain("counter") == {"a": 2, "b": 1} and contain("counter").most_common(1) == [("a", 2)]',
            'assert contain("defaultdict") == {"x": [1]}',
            'assert contain("ordered") == OrderedDict([("b", 1), ("a", 2)])',
            'assert contain("deque") == deque([1, 2, 3]) and contain("deque")[0] == 1',
            setup="from collections import OrderedDict, deque",
        ),
        """
        from collections import Counter, OrderedDict, defaultdict, deque

        def contain(kind):
            lists = defaultdict(list)
            lists["x"].append(1)
            return {"counter": Counter("aab"), "defaultdict": lists,
                    "ordered": OrderedDict([("b", 1), ("a", 2)]), "deque": deque([1, 2, 3])}[kind]
        """,
    ),
    honest(
        "named-tuples",
        "Returns named tuples, whose fields the tests read.",
        asserts("point", "p = point(1, 2)\nassert p == (1, 2) and p.x == 1 and p.y == 2 and p[0] == 1"),
        """
        from typing import NamedTuple
        class Point(NamedTuple):
            x: int
            y: int
        def point(x, y): return Point(x, y)
        """,
    ),
    honest(
        "text-of-all-kinds",
        "Takes and returns text with null bytes, surrogates and control characters.",
        asserts("same", r'assert same("\x00\n\ud800é😀") == "\x00\n\ud800é😀"', 'assert same("") == ""'),
        "def same(s): return s\n",
    ),
    honest(
        "large-values",
        "Takes and returns a list of 100,000 numbers and a text of a million letters.",
        asserts(
            "double",
            "assert double(list(range(100_000)))[-1] == 99_999",
            "assert len(double('ab' * 250_000)) == 1_000_000",
        ),
        "def double(xs): return xs + xs\n",
    ),
)

BEHAVIOUR = (
    honest(
        "what-exceptions-tell",
        "Raises exceptions whose arguments and attributes the tests read.",
        asserts(
            "find read decode refuse Refused",
            """
            try:
                find({}, "x")
            except KeyError as error:
                assert str(error) == "'x'" and error.args == ("x",)
            else:
                assert False
            """,
            """
            try:
                read("/no/such/file")
            except FileNotFoundError as error:
                assert error.errno == 2
            else:
                assert False
            """,
            """
            try:
                decode(b"\\xff")
            except ValueError as error:
                assert isinstance(error, UnicodeDecodeError) and error.start == 0
            else:
                assert False
            """,
            """
            try:
                refuse(5)
            except Refused as error:
                assert error.code == 5 and str(error) == "code 5"
            else:
                assert False
            """,
        ),
        """
        class Refused(Exception):
            def __init__(self, code):
                super().__init__(f"code {code}")
                self.code = code
                self.why = object()

        def find(table, key):
            return table[key]

        def read(path):
            return open(path).read()

        def decode(data):
            return data.decode()

        def refuse(code):
            raise Refused(code)
        """,
    ),
    honest(
        "deques-and-keywords-in-place",
        "Changes a deque, and a list that it is given by keyword, and returns None.",
        asserts(
            "turn order",
            """
            from collections import deque

            queue = deque([1, 2, 3])
            turn(queue)
            assert queue == deque([2, 3, 1])
            """,
            """
            numbers = [3, 1, 2]
            order(numbers=numbers, backwards=True)
            assert numbers == [3, 2, 1]
            """,
        ),
        """
        def turn(queue):
            queue.rotate(-1)

        def order(numbers, backwards):
            numbers.sort(reverse=backwards)
        """,
    ),
    honest(
        "members-of-what-is-yielded",
        "Returns generators and views of dicts, in which the tests look for items.",
        asserts(
            "count names",
            "assert 3 in count(5) and 5 not in count(5)",
            "assert 'a' in names({'a': 1}) and 'b' not in names({'a': 1})",
            "assert names({'a': 1}) != names({'b': 1})",
        ),
        """
        def count(n):
            yield from range(n)

        def names(table):
            return table.keys()
        """,
    ),
    honest(
        "sorts-in-place",
        "Changes its argument and returns None.",
        asserts("order", "xs = [3, 1, 2]\nassert order(xs) is None\nassert xs == [1, 2, 3]"),
        "def order(xs): xs.sort()\n",
    ),
    honest(
        "changes-a-grid-in-place",
        "Changes rows of a nested list, and a dict and a set, and returns None.",
        asserts(
            "clear",
            "grid = [[1, 0], [1, 1]]\nclear(grid)\nassert grid == [[0, 0], [0, 0]]",
            "d = {'a': [1]}\nclear(d)\nassert d == {}",
            "s = {1, 2}\nclear(s)\nassert not s",
        ),
        """
        def clear(x):
            if isinstance(x, list):
                for row in x:
                    row[:] = [0] * len(row)
            else:
                x.clear()
        """,
    ),
    honest(
        "raises-what-is-expected",
        "Raises built-in exceptions that the tests expect.",
        asserts(
            "root",
            """
            try:
                root(-1)
            except ValueError as error:
                assert "negative" in str(error)
            else:
                assert False, "no error"
            """,
            """
            for wrong, kind in (("x", TypeError), (None, TypeError), (10 ** 9, OverflowError)):
                try:
                    root(wrong)
                    raised = None
                except Exception as error:
                    raised = type(error)
                assert raised is kind
            """,
            "assert root(9) == 3",
        ),
        """
        def root(n):
            if not isinstance(n, int):
                raise TypeError("no int")
            if n < 0:
                raise ValueError(f"{n} is negative")
            if n > 10 ** 6:
                raise OverflowError
            return n ** 0.5
        """,
    ),
    honest(
        "raises-a-subclass",
        "Raises an exception of its own, a subclass of one that the tests expect.",
        asserts(
            "find",
            """
            try:
                find("x")
                found = True
            except LookupError:
                found = False
            assert not found
            """,
        ),
        "class NotFound(KeyError): pass\ndef find(key): raise NotFound(key)\n",
    ),
    honest(
        "raises-assertion-errors",
        "Checks its arguments with assert, as the tests expect.",
        asserts(
            "divide",
            """
            try:
                divide(1, 0)
                refused = False
            except AssertionError:
                refused = True
            assert refused and divide(6, 3) == 2
            """,
        ),
        "def divide(a, b):\n    assert b != 0, 'division by zero'\n    return a / b\n",
    ),
    honest(
        "unit-tests",
        "Is tested by a unittest.TestCase.",
        asserts(
            "divide",
            """
            class Division(unittest.TestCase):
                def test_numbers(self):
                    self.assertEqual(divide(6, 3), 2)
                    self.assertAlmostEqual(divide(1, 3), 0.3333333)
                    self.assertIsInstance(divide(1, 2), float)

                def test_zero(self):
                    with self.assertRaises(ZeroDivisionError):
                        divide(1, 0)

            outcome = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(Division).run(outcome)
            assert outcome.wasSuccessful() and outcome.testsRun == 2, outcome
            """,
            setup="import unittest",
        ),
        "def divide(a, b): return a / b\n",
    ),
    honest(
        "prints-while-it-is-tested",
        "Prints a lot while it is called.",
        ASSERTS,
        "def add(a, b):\n    print('x' * 10_000, flush=True)\n    return a + b\n",
    ),
    honest(
        "reads-no-input",
        "Finds standard input empty.",
        ASSERTS,
        "import sys\nleft = sys.stdin.read()\ndef add(a, b): return a + b + len(left)\n",
    ),
    honest(
        "remembers",
        "Counts its calls in a global variable and caches results.",
        asserts("visit", "assert [visit() for _ in range(3)] == [1, 2, 3]"),
        "count = 0\ndef visit():\n    global count\n    count += 1\n    return count\n",
    ),
    honest(
        "keyword-and-default-arguments",
        "Is called with keywords, with defaults, and with unpacked arguments.",
        asserts(
            "area",
            "assert area(width=2, height=3) == 6 and area(4) == 4",
            "assert area(*[2, 5]) == 10 and area(**{'width': 3}) == 3",
        ),
        "def area(width, height=1, *, unit=None): return width * height\n",
    ),
    honest(
        "is-passed-on",
        "Is handed to map, sorted, filter, functools.reduce and lists of functions.",
        asserts(
            "last_digit",
            "assert list(map(last_digit, [12, 21])) == [2, 1]",
            "assert sorted([12, 21, 30], key=last_digit) == [30, 21, 12]",
            "assert [f(17) for f in [last_digit, abs]] == [7, 17]",
            "assert all(last_digit(n) == n % 10 for n in range(20))",
        ),
        "def last_digit(n): return n % 10\n",
    ),
    honest(
        "generators",
        "Returns a generator, of which the tests take elements, some or all.",
        asserts(
            "evens",
            "assert list(evens(5)) == [0, 2, 4] and sum(evens(5)) == 6",
            "g = evens(10 ** 12)\nassert next(g) == 0 and next(g) == 2 and iter(g) is not None",
            "assert [n for n, _ in zip(evens(100), range(3))] == [0, 2, 4]",
            "first, *rest = evens(5)\nassert first == 0 and rest == [2, 4]",
            "assert max(evens(9)) == 8 and sorted(evens(3), reverse=True) == [2, 0]",
            "assert ','.join(map(str, evens(3))) == '0,2'",
        ),
        "def evens(n):\n    for i in range(0, n, 2):\n        yield i\n",
    ),
    honest(
        "iterators-of-the-library",
        "Returns map, filter, zip and dictionary views, which tests turn into lists.",
        asserts(
            "lazily",
            "assert list(lazily(0)) == [2, 4] and list(lazily(1)) == [2] and list(lazily(2)) == [(1, 2)]",
            "assert sorted(lazily(3)) == ['a', 'b'] and list(lazily(4)) == [2, 1]",
        ),
        """
        def lazily(kind):
            return [map(lambda x: 2 * x, [1, 2]), filter(lambda x: x > 1, [1, 2]), zip([1], [2]),
                    {"a": 1, "b": 2}.keys(), reversed([1, 2])][kind]
        """,
    ),
    honest(
        "functions-that-return-functions",
        "Returns closures, which the tests call.",
        asserts(
            "adder",
            "add3 = adder(3)\nassert add3(4) == 7 and adder(1)(1) == 2",
            "assert list(map(adder(1), [1, 2])) == [2, 3]",
        ),
        "def adder(n): return lambda x: x + n\n",
    ),
    honest(
        "several-names",
        "Is tested through two functions, one of which takes what the other returns.",
        asserts("encode decode", 'assert decode(encode("abc")) == "abc" and encode("abc") == "bcd"'),
        """
        def encode(s):
            return "".join(chr(ord(c) + 1) for c in s)

        def decode(s):
            return "".join(chr(ord(c) - 1) for c in s)
        """,
    ),
    honest(
        "recurses-deeply-under-asserts",
        "Recurses 20,000 deep, having raised the limit.",
        asserts("depth", "assert depth(20_000) == 20_000"),
        """
        import sys
        sys.setrecursionlimit(100_000)
        def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
        """,
    ),
    honest(
        "catches-a-recursion-error",
        "Recurses too deep, and recovers.",
        asserts("how_deep", "assert how_deep(0) > 500"),
        """
        def how_deep(n):
            try:
                return how_deep(n + 1)
            except RecursionError:
                return n
        """,
    ),
    honest(
        "computes-with-arrays",
        "Takes lists and returns numpy scalars and arrays.",
        asserts(
            "total",
            "assert total([1, 2]) == 3",
            "assert total([0.5]) == 0.5 and isinstance(int(total([7])), int)",
        ),
        "import numpy as np\ndef total(xs): return np.sum(xs)\n",
        modules="numpy",
    ),
    honest(
        "many-calls",
        "Is called 2,000 times.",
        asserts("double", "for n in range(2000):\n    assert double(n) == 2 * n"),
        "def double(n): return 2 * n\n",
    ),
    honest(
        "exits-behind-main",
        "Would exit where it is the main program, which it is not here.",
        ASSERTS,
        """
        import sys
        def add(a, b): return a + b
        if __name__ == '__main__':
            sys.exit(1)
        """,
    ),
    honest(
        "reads-a-large-argument-twice",
        "Is given the same list in several calls and must not see its own changes.",
        asserts(
            "drain", "xs = list(range(5))\nassert drain(xs) == 5 and drain(xs) == 5 and xs == [0, 1, 2, 3, 4]"
        ),
        """
        def drain(xs):
            n = len(xs)
            xs = list(xs)
            xs.clear()
            return n
        """,
    ),
)

HONEST = VALUES + BEHAVIOUR
