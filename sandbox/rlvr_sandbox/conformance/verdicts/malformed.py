"""Programs that are none, that lack what the tests call, or that have it in the wrong shape."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import (
    ASSERTS,
    BLAMED,
    BROKEN,
    CALLS,
    CHECK,
    ONE_CALL,
    QUICK,
    STDIO,
    TIGHT,
    Attack,
    attack,
    stdio,
)
from rlvr_sandbox.programs import Program, Tests
from rlvr_sandbox.results import ProgramOutcome

NO_PROGRAM = frozenset({ProgramOutcome.INVALID})
NO_PROGRAM_OR_CRASH = BROKEN | {ProgramOutcome.FAILED, ProgramOutcome.MEMORY}


def verbatim(
    name: str, says: str, tests: Tests, source: str, outcomes: frozenset[ProgramOutcome] = NO_PROGRAM
) -> Attack:
    """A program whose text is exactly `source`."""
    program = Program(source=source, tests=tests, limits=QUICK, stop_at_first_failure=False)
    return Attack(name=name, says=says, program=program, outcomes=outcomes)


ATTACKS = (
    verbatim("no-source", "Is empty.", CALLS, ""),
    verbatim("no-source-for-asserts", "Is empty, where asserts are run.", CHECK, ""),
    verbatim("no-source-for-stdio", "Is empty, where output is expected.", STDIO, "", BLAMED),
    verbatim("only-blanks", "Consists of blanks, tabs and comments.", ASSERTS, " \t\n\n# add\n\f\n"),
    verbatim("a-syntax-error", "Lacks a bracket.", CHECK, "def add(a, b:\n    return a + b\n"),
    verbatim("a-syntax-error-for-stdio", "Lacks a bracket.", STDIO, "print(sum(map(int, input().split()))\n"),
    verbatim(
        "a-wrong-indentation",
        "Mixes tabs and blanks.",
        CALLS,
        "def add(a, b):\n\tif a:\n        return a + b\n",
    ),
    verbatim("python-2", "Is written for Python 2.", STDIO, "print 7\n"),
    verbatim(
        "a-markdown-fence",
        "Is wrapped in a fence of backticks, with an explanation.",
        CHECK,
        "Here is the program:\n```python\ndef add(a, b):\n    return a + b\n```\n",
    ),
    verbatim(
        "another-language", "Is written in JavaScript.", CALLS, "function add(a, b) {\n  return a + b;\n}\n"
    ),
    verbatim(
        "return-outside-a-function",
        "Returns from the module.",
        CHECK,
        "def add(a, b): return a + b\nreturn 0\n",
    ),
    verbatim("null-bytes", "Contains null bytes.", CALLS, "def add(a, b):\n    return a\x00 + b\n"),
    verbatim(
        "null-bytes-at-the-end",
        "Is right up to a null byte, behind which it is not.",
        STDIO,
        "print(sum(map(int, input().split())))\n\x00)))",
    ),
    verbatim(
        "lone-surrogates", "Has lone surrogates in a name.", CHECK, "def add\ud800(a, b): return a + b\n"
    ),
    verbatim(
        "an-unknown-encoding",
        "Declares an encoding that does not exist, and no function.",
        CALLS,
        "# coding: klingon\n",
    ),
    verbatim(
        "an-encoding-that-hides-code",
        "Declares an encoding in which its text would mean something else.",
        CHECK,
        "# coding: utf-7\n+AGQAZQBm- add(a, b): return a + b\n",
    ),
    verbatim(
        "a-look-alike-name",
        "Defines the function under a name with a Cyrillic letter.",
        CHECK,
        "def \u0430dd(a, b): return a + b\n",
    ),
    verbatim(
        "deep-brackets", "Opens brackets 100,000 deep.", CHECK, "x = " + "(" * 100_000 + ")" * 100_000, BROKEN
    ),
    verbatim(
        "deep-lists",
        "Nests lists just below what the parser counts.",
        STDIO,
        "x = " + "[" * 199 + "]" * 199,
        BLAMED,
    ),
    verbatim(
        "deep-minus-signs",
        "Negates a million times.",
        CALLS,
        "x = " + "-" * 1_000_000 + "1",
        NO_PROGRAM_OR_CRASH,
    ),
    verbatim(
        "a-long-sum",
        "Adds 200,000 numbers in one expression, which the compiler follows recursively.",
        CHECK,
        "x = " + "+".join(["1"] * 200_000),
        NO_PROGRAM_OR_CRASH | {ProgramOutcome.TIMEOUT},
    ),
    verbatim(
        "a-long-chain-of-attributes",
        "Takes 200,000 attributes of attributes.",
        STDIO,
        "x = a" + ".a" * 200_000,
        NO_PROGRAM_OR_CRASH | {ProgramOutcome.TIMEOUT},
    ),
    verbatim(
        "deep-blocks",
        "Nests loops 2,000 deep.",
        CALLS,
        "".join(" " * n + "while 1:\n" for n in range(2000)),
        BROKEN,
    ),
    verbatim(
        "ten-megabytes",
        "Is 10 MB of text without the function.",
        CHECK,
        "# the answer is in here somewhere\n" * 300_000,
        NO_PROGRAM_OR_CRASH,
    ),
    verbatim(
        "one-long-line",
        "Is a single line of 4 MB, an unclosed text.",
        STDIO,
        "x = '" + "y" * (4 << 20),
        NO_PROGRAM_OR_CRASH,
    ),
    verbatim(
        "a-long-number",
        "Contains a number of a million digits.",
        CALLS,
        "x = " + "9" * 1_000_000,
        NO_PROGRAM_OR_CRASH | {ProgramOutcome.TIMEOUT},
    ),
    attack(
        "folding-that-explodes",
        "Lets the compiler compute a constant.",
        ONE_CALL,
        "x = ((1 << 60000) ** 60000) * 'y'\n",
        limits=TIGHT,
    ),
    attack(
        "no-such-function",
        "Defines another function.",
        CALLS,
        "def plus(a, b): return a + b\n",
        outcomes=NO_PROGRAM,
    ),
    attack(
        "no-such-function-for-asserts",
        "Defines another function.",
        CHECK,
        "def plus(a, b): return a + b\n",
        outcomes=NO_PROGRAM,
    ),
    attack(
        "a-deleted-function",
        "Defines the function and deletes it.",
        ASSERTS,
        "def add(a, b): return a + b\ndel add\n",
    ),
    attack(
        "a-function-for-another-day",
        "Defines the function only where the module is the main program of another name.",
        CHECK,
        """
        if __name__ == "never":
            def add(a, b): return a + b
        """,
    ),
    attack(
        "a-function-within-a-function",
        "Defines the function inside another one.",
        CALLS,
        """
        def solve():
            def add(a, b):
                return a + b
            return add
        """,
    ),
    attack("a-number-for-a-function", "Binds the name to a number.", CALLS, "add = 7\n"),
    attack("none-for-a-function", "Binds the name to None.", CHECK, "add = None\n"),
    attack("a-function-without-parameters", "Takes no arguments.", CALLS, "def add(): return 7\n"),
    attack(
        "a-function-of-more-parameters", "Needs one more argument.", CHECK, "def add(a, b, c): return a + b\n"
    ),
    attack(
        "a-class-for-a-function",
        "Is a class, whose instances hold the right answer.",
        CHECK,
        """
        class add:
            def __init__(self, a, b):
                self.value = a + b
        """,
    ),
    attack(
        "an-async-function",
        "Is a coroutine function, which nobody awaits.",
        CHECK,
        "async def add(a, b): return a + b\n",
    ),
    attack(
        "an-async-function-for-json",
        "Is a coroutine function, where the host compares.",
        CALLS,
        "async def add(a, b): return a + b\n",
    ),
    attack("a-generator-function", "Yields the answer.", CALLS, "def add(a, b): yield a + b\n"),
    attack(
        "a-function-that-prints",
        "Prints the answer and returns nothing.",
        CHECK,
        "def add(a, b): print(a + b)\n",
    ),
    attack("a-function-that-returns-itself", "Returns the function.", CALLS, "def add(a, b): return add\n"),
    attack(
        "a-failing-import",
        "Imports what does not exist.",
        CHECK,
        "import no_such_module\ndef add(a, b): return a + b\n",
    ),
    attack(
        "a-failing-module",
        "Fails after it has defined the function.",
        CALLS,
        "def add(a, b): return a + b\n1 / 0\n",
    ),
    attack(
        "an-endless-recursion-at-import",
        "Recurses without end while it is loaded.",
        CHECK,
        "def add(a, b): return add(a, b)\nadd(1, 2)\n",
        outcomes=BROKEN | {ProgramOutcome.MEMORY, ProgramOutcome.TIMEOUT},
    ),
    attack(
        "an-endless-recursion",
        "Recurses without end when it is called.",
        CALLS,
        "def add(a, b): return add(a, b)\n",
        outcomes=frozenset({ProgramOutcome.CRASHED}),
    ),
    attack(
        "a-decorator-that-swallows",
        "Is replaced by its decorator's None.",
        ASSERTS,
        "def cached(f): f\n@cached\ndef add(a, b): return a + b\n",
    ),
    attack(
        "more-input-than-there-is",
        "Reads one line more than it is given.",
        STDIO,
        "print(sum(map(int, input().split())), int(input()))\n",
        outcomes=frozenset({ProgramOutcome.CRASHED}),
    ),
    attack(
        "undecodable-output",
        "Writes bytes that are no UTF-8.",
        stdio(("", "\ufffd\n")),
        r"import sys; sys.stdout.buffer.write(b'\xff\n')" + "\n",
    ),
)
