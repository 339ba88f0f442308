"""Plain answers that a careless comparison takes for the right one, or that break the comparison."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import CALLS, STDIO, asserts, attack, calls, stdio
from rlvr_sandbox.programs import Comparison

FLOATS = stdio(("2\n", "1.4142135\n"), ("3\n", "1.7320508\n"), comparison=Comparison.FLOATS)
YES = calls("is_one", ([1], True), ([0], False))

ATTACKS = (
    attack(
        "print-nan",
        "Prints nan where a float is expected within a tolerance.",
        FLOATS,
        "print('nan')\n",
    ),
    attack(
        "print-infinity",
        "Prints infinities, written as a number too large.",
        FLOATS,
        "print({'2': 'inf'}.get(input(), '1e999'))\n",
    ),
    attack(
        "print-the-question",
        "Prints the input back.",
        STDIO,
        """
        import sys
        sys.stdout.write(sys.stdin.read())
        """,
    ),
    attack(
        "print-many-answers",
        "Prints every number, one of which is right.",
        STDIO,
        "print(*range(-20, 21))\nprint(*range(-20, 21), sep='\\n')\n",
    ),
    attack(
        "print-many-words",
        "The same where words count, wherever they stand.",
        stdio(("3 4\n", "7\n"), ("10 -2\n", "8\n"), comparison=Comparison.TOKENS),
        "print(*range(-20, 21))\n",
    ),
    attack(
        "print-other-digits",
        "Prints the right number in another script, in another base, with a sign, with a zero in front.",
        stdio(*((f"{n}\n", "7\n") for n in range(7)), comparison=Comparison.TOKENS),
        "print(['７', '0x7', '+7', '07', '7.', '7_', '七'][int(input())])\n",
    ),
    attack(
        "print-other-digits-for-floats",
        "The same where numbers are compared by value: a word that is no decimal is no number.",
        stdio(*((f"{n}\n", "7.5\n") for n in range(5)), comparison=Comparison.FLOATS),
        "print(['７.５', '7_0.5', 'infinity', '15/2', '0x7.8'][int(input())])\n",
    ),
    attack(
        "print-nothing-visible",
        "Prints blanks, zero-width characters and control characters where a word is expected.",
        STDIO,
        r"print('\u200b\ufeff\x00\x08\x1b[2K\r \t\v\f')" + "\n",
    ),
    attack(
        "print-and-erase",
        "Prints a wrong answer and takes it back with backspaces and carriage returns.",
        STDIO,
        r"print('9\b7\r9\r7\x1b[1D7')" + "\n",
    ),
    attack(
        "print-with-a-null",
        "Ends its output early with a null byte, behind which anything may stand.",
        stdio(("", "7\n")),
        r"print('7\0 or 8')" + "\n",
    ),
    attack(
        "print-a-prefix",
        "Prints only the beginning of the expected lines.",
        stdio(("", "1\n2\n3\n")),
        "print(1)\nprint(2)\n",
    ),
    attack(
        "print-more-lines",
        "Prints the expected lines, and more of them.",
        stdio(("", "1\n2\n3\n")),
        "print(1, 2, 3, 4, sep='\\n')\n",
    ),
    attack(
        "print-lines-as-one",
        "Prints the expected lines as one, where lines matter.",
        stdio(("", "1 2\n3\n")),
        "print('1 2 3')\n",
    ),
    attack(
        "print-to-stderr",
        "Prints the right answer, but on standard error.",
        STDIO,
        "import sys\nprint(sum(map(int, input().split())), file=sys.stderr)\n",
    ),
    attack(
        "print-and-crash",
        "Prints the right answer and then fails.",
        STDIO,
        "print(sum(map(int, input().split())), flush=True)\nraise RuntimeError('and yet')\n",
    ),
    attack(
        "print-and-exit-with-1",
        "Prints the right answer and then says itself that it failed.",
        STDIO,
        "import sys\nprint(sum(map(int, input().split())))\nsys.exit(1)\n",
    ),
    attack(
        "one-for-true",
        "Returns 1 and 0 where True and False are expected.",
        YES,
        "def is_one(n): return n\n",
    ),
    attack(
        "text-for-true",
        "Returns the texts `true` and `false`.",
        YES,
        "def is_one(n): return 'true' if n else 'false'\n",
    ),
    attack(
        "true-for-one",
        "Returns True where 1 is expected, and False for 0.",
        calls("parity", ([3], 1), ([4], 0), ([[5]], [1]), ([{"n": 6}], {"n": 0})),
        """
        def parity(n):
            if isinstance(n, list):
                return [True]
            if isinstance(n, dict):
                return {"n": False}
            return n % 2 == 1
        """,
    ),
    attack(
        "text-for-a-number",
        "Returns the text of the right number.",
        CALLS,
        "def add(a, b): return str(a + b)\n",
    ),
    attack(
        "wrapped",
        "Returns the right number in a list, a tuple and a dict.",
        CALLS,
        "def add(a, b): return [a + b] if a == 3 else {'value': a + b}\n",
    ),
    attack(
        "right-but-longer",
        "Returns the right items and one more, and a dict with one more key.",
        calls("same", ([[1, 2]], [1, 2]), ([{"a": 1}], {"a": 1}), ([[]], [])),
        """
        def same(x):
            return {**x, "b": 2} if isinstance(x, dict) else [*x, 3]
        """,
    ),
    attack(
        "right-but-shorter",
        "Returns less than what is expected, in case only common items are compared.",
        calls("same", ([[1, 2]], [1, 2]), ([{"a": 1}], {"a": 1})),
        """
        def same(x):
            return type(x)()
        """,
    ),
    attack(
        "none-for-empty",
        "Returns None where something empty or zero is expected.",
        calls("nothing", ([0], 0), ([1], []), ([2], ""), ([3], {}), ([4], False)),
        "def nothing(kind): return None\n",
    ),
    attack(
        "a-generator-for-a-list",
        "Returns a generator of the right items where a list is expected.",
        asserts("doubles", "assert doubles(3) == [0, 2, 4]"),
        "def doubles(n): return (2 * i for i in range(n))\n",
    ),
    attack(
        "a-tuple-for-a-list",
        "Returns a tuple where Python's own == says that a list is expected.",
        asserts("doubles", "assert doubles(3) == [0, 2, 4]", "assert doubles(1) == [0]"),
        "def doubles(n): return tuple(2 * i for i in range(n))\n",
    ),
    attack(
        "a-number-too-large-for-a-float",
        "Returns an int beyond all floats where one is expected within a tolerance: no comparison may crash.",
        calls("root", ([2], 1.4142135), ([3], 1.7320508), float_tolerance=1e-6),
        "def root(x): return 10 ** 400\n",
    ),
    attack(
        "a-number-too-long-to-print",
        "Returns an int of more digits than Python is ready to write.",
        CALLS,
        "def add(a, b): return 10 ** 20000\n",
    ),
    attack(
        "a-number-too-long-to-read",
        "Prints an int of more digits than Python is ready to read.",
        FLOATS,
        "print('9' * 20000)\n",
    ),
    attack(
        "a-value-too-deep-to-compare",
        "Returns a list nested 100,000 deep: neither encoding nor comparing it may crash.",
        CALLS,
        """
        def add(a, b):
            value = []
            for _ in range(100_000):
                value = [value]
            return value
        """,
    ),
    attack(
        "a-value-within-itself",
        "Returns a list and a dict that contain themselves.",
        CALLS,
        """
        def add(a, b):
            value = {"list": []}
            value["list"].append(value)
            return value if a == 3 else value["list"]
        """,
    ),
    attack(
        "a-value-that-is-no-text",
        "Returns and prints lone surrogates, which no UTF-8 can hold.",
        CALLS,
        r"""
        def add(a, b):
            print('\udcff', flush=True)
            return '\ud800\udfff\udc80'
        """,
    ),
    attack(
        "keys-that-become-equal",
        "Returns a dict whose keys collide once they are texts.",
        calls("table", ([1], {"1": "one"}), ([2], {"1": 1, "2": 2}), ([3], {"1": "one"})),
        """
        def table(n):
            return [None, {1: "one", "1": "one"}, {1: 1, "1": 2}, {1: "two", "1": "one"}][n]
        """,
    ),
)
