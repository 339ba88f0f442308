"""Right functions that are called with JSON values, and whose results the host compares."""

from __future__ import annotations

import functools

from rlvr_sandbox.conformance.cases import CALLS, calls, honest
from rlvr_sandbox.programs import CallTest, CallTests

TWO_SUM = calls("Solution.twoSum", ([[2, 7, 11, 15], 9], [0, 1]), ([[3, 3], 6], [0, 1]))
NESTED_50: list = functools.reduce(lambda inner, _: [inner], range(49), [])

HONEST = (
    honest("a-function", "Adds.", CALLS, "def add(a, b): return a + b\n"),
    honest("a-lambda", "Is bound to a lambda.", CALLS, "add = lambda a, b: a + b\n"),
    honest(
        "a-builtin",
        "Is another name of a function of the library.",
        CALLS,
        "import operator\nadd = operator.add\n",
    ),
    honest(
        "a-partial",
        "Is a partial application.",
        CALLS,
        "import functools\nadd = functools.partial(lambda zero, a, b: zero + a + b, 0)\n",
    ),
    honest(
        "a-callable-object",
        "Is an instance of a class with __call__.",
        CALLS,
        "class Adder:\n    def __call__(self, a, b): return a + b\nadd = Adder()\n",
    ),
    honest(
        "a-cached-function",
        "Is decorated with functools.cache.",
        calls("fib", ([90], 2880067194370816120), ([1], 1)),
        """
        import functools
        @functools.cache
        def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
        """,
    ),
    honest(
        "a-decorated-function",
        "Is decorated by its own decorator.",
        CALLS,
        """
        import functools

        def traced(f):
            @functools.wraps(f)
            def wrapper(*args, **kwargs):
                return f(*args, **kwargs)
            return wrapper

        @traced
        def add(a, b):
            return a + b
        """,
    ),
    honest(
        "default-arguments",
        "Has defaults for all that it is not given.",
        CALLS,
        "def add(a, b, c=0, *rest, d=None, **more): return a + b + c\n",
    ),
    honest(
        "keyword-arguments",
        "Is called with keywords.",
        CallTests(
            function="scale",
            tests=(
                CallTest(arguments=([1, 2],), keywords={"by": 3}, expected=[3, 6]),
                CallTest(arguments=(), keywords={"xs": [1], "by": 2}, expected=[2]),
            ),
        ),
        "def scale(xs, *, by): return [by * x for x in xs]\n",
    ),
    honest(
        "a-method",
        "Is a method of a class named Solution.",
        TWO_SUM,
        """
        from typing import List

        class Solution:
            def twoSum(self, nums: List[int], target: int) -> List[int]:
                seen = {}
                for i, n in enumerate(nums):
                    if target - n in seen:
                        return [seen[target - n], i]
                    seen[n] = i
        """,
    ),
    honest(
        "a-static-method",
        "Is a static method.",
        TWO_SUM,
        """
        class Solution:
            @staticmethod
            def twoSum(nums, target):
                return next([i, j] for j in range(len(nums)) for i in range(j) if nums[i] + nums[j] == target)
        """,
    ),
    honest(
        "a-class-with-state",
        "Keeps state in its instance, which is made anew for each test.",
        TWO_SUM,
        """
        class Solution:
            def __init__(self):
                self.calls = 0

            def twoSum(self, nums, target):
                self.calls += 1
                assert self.calls == 1
                pairs = ((i, j) for j in range(len(nums)) for i in range(j))
                return next((i, j) for i, j in pairs if nums[i] + nums[j] == target)
        """,
    ),
    honest(
        "returns-none",
        "Returns None where null is expected.",
        calls("nothing", ([1], None), ([[]], None)),
        "def nothing(x): return\n",
    ),
    honest(
        "returns-booleans",
        "Returns booleans.",
        calls("is_even", ([2], True), ([3], False)),
        "def is_even(n): return n % 2 == 0\n",
    ),
    honest(
        "returns-tuples",
        "Returns tuples where JSON can only say lists.",
        calls("ends", ([[1, 2, 3]], [1, 3]), ([[[1], [2]]], [[1], [2]])),
        "def ends(xs): return xs[0], xs[-1]\n",
    ),
    honest(
        "returns-nested-data",
        "Returns dicts in lists in dicts.",
        calls("group", ([["ab", "c", "de"]], {"1": [["c"]], "2": [["ab"], ["de"]]}), ([[]], {})),
        """
        from collections import defaultdict

        def group(words):
            groups = defaultdict(list)
            for word in words:
                groups[str(len(word))].append([word])
            return groups
        """,
    ),
    honest(
        "returns-floats",
        "Returns floats that differ in the last digits, where that is allowed.",
        calls("mean", ([[0.1, 0.2, 0.3]], 0.2), ([[1, 2]], 1.5), float_tolerance=1e-9),
        "def mean(xs): return sum(xs) / len(xs)\n",
    ),
    honest(
        "returns-whole-floats",
        "Returns 3.0 where 3 is expected, and the other way round.",
        calls("half", ([6], 3), ([5], 2.5), ([8], 4.0)),
        "def half(n): return n / 2 if n != 8 else 4\n",
    ),
    honest(
        "returns-huge-numbers",
        "Returns ints of hundreds of digits.",
        calls("power", ([2, 1000], 2**1000), ([-3, 201], (-3) ** 201)),
        "def power(a, b): return a ** b\n",
    ),
    honest(
        "returns-text",
        "Returns text with quotes, newlines, null bytes and letters beyond the basic plane.",
        calls("double", (['é\n"\\\t'], 'é\n"\\\t' * 2), (["😀\x00"], "😀\x00😀\x00"), ([""], "")),
        "def double(s): return s + s\n",
    ),
    honest(
        "returns-much",
        "Returns a list of 200,000 numbers.",
        calls("count", ([200_000], list(range(200_000)))),
        "def count(n): return list(range(n))\n",
    ),
    honest(
        "returns-deep-data",
        "Returns a list nested 50 deep.",
        calls("nest", ([50], NESTED_50)),
        "def nest(n): return [nest(n - 1)] if n > 1 else []\n",
    ),
    honest(
        "returns-subclasses",
        "Returns a named tuple, an ordered dict, a counter and an int of an enumeration.",
        calls("all_of", ([1], [[1, 2], {"a": 1}, {"b": 2}, 3])),
        """
        import collections, enum

        class Colour(enum.IntEnum):
            RED = 3

        def all_of(x):
            Point = collections.namedtuple("Point", "x y")
            return [Point(1, 2), collections.OrderedDict(a=1), collections.Counter("bb"), Colour.RED]
        """,
    ),
    honest(
        "prints-too",
        "Prints while it works.",
        CALLS,
        "def add(a, b):\n    print('adding', a, b, '{\"value\": 0}')\n    return a + b\n",
    ),
    honest(
        "changes-its-arguments",
        "Sorts its argument in place and returns it.",
        calls("order", ([[3, 1, 2]], [1, 2, 3])),
        "def order(xs):\n    xs.sort()\n    return xs\n",
    ),
    honest(
        "recurses-deeply",
        "Recurses 20,000 deep, having raised the limit.",
        calls("depth", ([20_000], 20_000)),
        """
        import sys
        sys.setrecursionlimit(100_000)
        def depth(n): return 0 if n == 0 else 1 + depth(n - 1)
        """,
    ),
    honest(
        "has-a-main",
        "Tests itself where it is the main program, which it is not here.",
        CALLS,
        """
        def add(a, b): return a + b
        if __name__ == '__main__':
            print(add(*map(int, input().split())))
        """,
    ),
    honest(
        "looks-at-its-source",
        "Counts the lines of its own source with inspect.",
        calls("lines", ([], 3)),
        "import inspect\n\ndef lines():\n    source = inspect.getsource(lines)\n    return source.count('\\n')\n",
    ),
    honest(
        "refers-to-globals",
        "Changes a global variable that it defines.",
        CALLS,
        "calls = 0\ndef add(a, b):\n    global calls\n    calls += 1\n    return a + b\n",
    ),
    honest(
        "calls-a-function-defined-later",
        "Calls a helper that is defined below it.",
        CALLS,
        "def add(a, b): return plus(a, b)\ndef plus(a, b): return a + b\n",
    ),
    honest(
        "returns-its-argument",
        "Returns the very object that it was given.",
        calls("same", ([{"a": [1, None, 2.5, "x"]}], {"a": [1, None, 2.5, "x"]})),
        "def same(x): return x\n",
    ),
    honest(
        "starts-a-thread",
        "Waits for a thread's answer.",
        CALLS,
        """
        import concurrent.futures as cf
        def add(a, b):
            with cf.ThreadPoolExecutor() as pool:
                return pool.submit(lambda: a + b).result()
        """,
    ),
    honest(
        "runs-a-coroutine",
        "Runs a coroutine to its end.",
        CALLS,
        """
        import asyncio
        async def slow(a, b):
            await asyncio.sleep(0.01)
            return a + b
        def add(a, b): return asyncio.run(slow(a, b))
        """,
    ),
    honest(
        "catches-its-own-errors",
        "Raises and catches exceptions.",
        CALLS,
        """
        def add(a, b):
            try:
                raise StopIteration(a + b)
            except StopIteration as e:
                return e.value
        """,
    ),
    honest(
        "returns-arrays",
        "Returns numpy scalars and arrays.",
        calls("total", ([[1, 2]], [3, [2, 4]])),
        "import numpy as np\ndef total(xs): return [np.sum(xs), np.array(xs) * 2]\n",
        modules="numpy",
    ),
)
