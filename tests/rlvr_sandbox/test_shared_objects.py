"""What tests and program both hold is one thing, as in one process; and an object that says yes earns nothing."""

import pytest
from rlvr_sandbox import AssertTests, BlockingSandbox, Outcome, Program


def judged(box: BlockingSandbox, source: str, names: str, *tests: str, setup: str = "") -> Outcome:
    asked = AssertTests(tests=tests, names=tuple(names.split()), setup=setup)
    return box.run(Program(source=source, tests=asked, stop_at_first_failure=False)).outcome


RIGHT = {
    "a list that is changed in place and counted": (
        "def strip(a):\n    n = len([x for x in a if x]); a[:] = [x for x in a if x]; return n",
        "strip",
        "a = [0, 1, 2]; n = strip(a); assert (n, a) == (2, [1, 2])",
    ),
    "an argument that comes back": (
        "def same(a): return a",
        "same",
        "a = [1]; assert same(a) is a and same([a])[0] is a and same((a,))[0] is a; t = (1, a); assert same(t) is t",
    ),
    "aliases within an argument": (
        "def grow(m): m[0].append(1)",
        "grow",
        "row = []; m = [row, row]; grow(m); assert row == [1] and m[1] == [1] and m[0] is m[1]",
    ),
    "a list that holds itself": (
        "def knot(a): a.append(a); return a",
        "knot",
        "a = [1]; b = knot(a); assert b is a and a[1] is a",
    ),
    "changes by the tests between calls": (
        "class Box:\n    def __init__(self): self.d = {}\n    def size(self): return len(self.d)",
        "Box",
        "b = Box(); d = b.d; d['x'] = 1; assert b.size() == 1; del d['x']; assert b.size() == 0 and b.d is d",
    ),
    "a numpy array in place": (
        "def double(a): a *= 2",
        "double",
        "import numpy as np; a = np.arange(4.0).reshape(2, 2); double(a); assert a.tolist() == [[0, 2], [4, 6]]",
    ),
    "functions of the tests that are called back, and call the program": (
        "def twice(f, x): return f(f(x))\ndef inc(x): return x + 1",
        "twice inc",
        "seen = []\ndef f(x):\n    seen.append(x); return inc(x)\nassert twice(f, 1) == 3 and seen == [1, 2]",
    ),
    "objects of the tests that the program walks": (
        "def total(n):\n    s = 0\n    while n: s += n.val; n = n.next\n    return s",
        "total",
        "class N:\n    def __init__(self, v, n=None): self.val, self.next = v, n\nassert total(N(1, N(2))) == 3",
    ),
    "errors that a function of the tests raises": (
        "def guard(f):\n    try: return f()\n    except ValueError as e: return str(e)",
        "guard",
        "def bad(): raise ValueError('no')\nassert guard(bad) == 'no'",
    ),
    "a decorator of the program's": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(*a): return f(*a) * 2\n    return g",
        "twice",
        "@twice\ndef f(x): return x + 1\nassert f(1) == 4",
    ),
    "coroutines that wait for one another": (
        "import asyncio\nasync def put(q): await asyncio.sleep(0.01); await q.put(3)\nasync def get(q): return await q.get()\n"
        "def queue(): return asyncio.Queue()",
        "put get queue",
        "import asyncio\nasync def main():\n    q = queue(); return (await asyncio.gather(get(q), put(q)))[0]\n"
        "assert asyncio.run(main()) == 3",
    ),
    "an asynchronous iterator and a context manager": (
        "class A:\n    async def __aenter__(self): return self\n    async def __aexit__(self, *e): return False\n"
        "    def __aiter__(self): self.n = 0; return self\n    async def __anext__(self):\n        self.n += 1\n"
        "        if self.n > 2: raise StopAsyncIteration\n        return self.n",
        "A",
        "import asyncio\nasync def main():\n    async with A() as a: return [x async for x in a]\n"
        "assert asyncio.run(main()) == [1, 2]",
    ),
    "a context manager that swallows what it is to swallow": (
        "import contextlib\n@contextlib.contextmanager\ndef quiet():\n    try: yield 5\n    except KeyError: pass",
        "quiet",
        "with quiet() as n: raise KeyError('x')\nassert n == 5",
    ),
    "exceptions of the program's, with what they carry": (
        "class Base(Exception): pass\nclass Low(Base):\n    def __init__(self, n): super().__init__(f'low: {n}'); self.n = n\n"
        "def take(n): raise Low(n)",
        "Base Low take",
        "try: take(3)\nexcept Base as e: assert type(e) is Low and e.n == 3 and str(e) == 'low: 3' and isinstance(e, Low)\n"
        "else: assert False",
    ),
    "a generator that is sent to": (
        "def run():\n    total = 0\n    while True:\n        x = yield total\n        if x is None: return\n        total += x",
        "run",
        "g = run(); next(g); assert g.send(2) == 2 and g.send(3) == 5\ntry: g.send(None)\nexcept StopIteration: pass\nelse: assert 0",
    ),
    "flags and members with methods": (
        "import enum\nclass P(enum.Flag): R = 1; W = 2\nclass S(enum.Enum):\n    A = 1\n    def label(self): return self.name.lower()\n"
        "    @classmethod\n    def first(cls): return cls.A",
        "P S",
        "assert P.R | P.W == P(3) and P.R in P(3) and S.A.label() == 'a' and S.first() is S.A and S['A'] is S.A",
    ),
    "patched clocks, arguments and environment": (
        "import os, sys, time\ndef see(): return time.time(), sys.argv[1:], os.environ.get('HERE')",
        "see",
        "import os, sys\nfrom unittest.mock import patch\nwith patch('time.time', return_value=5.0), "
        "patch.object(sys, 'argv', ['x', 'y']), patch.dict(os.environ, {'HERE': 'z'}):\n    r = see()\nassert r == (5.0, ['y'], 'z')",
    ),
    "standard input of the tests": (
        "import sys\ndef ask(): return input() + sys.stdin.readline().strip()",
        "ask",
        "import io, sys\nsys.stdin = io.StringIO('a\\nb\\n')\nassert ask() == 'ab'",
    ),
    "a folder that the tests hand over": (
        "import os\ndef write(d):\n    open(os.path.join(d, 'o'), 'w').write(open(os.path.join(d, 'i')).read() * 2)",
        "write",
        "import tempfile, pathlib\nwith tempfile.TemporaryDirectory() as d:\n    p = pathlib.Path(d); (p / 'i').write_text('ab')\n"
        "    write(d); text = (p / 'o').read_text(); (p / 'o').unlink()\nassert text == 'abab'",
    ),
}


@pytest.mark.parametrize("case", RIGHT.values(), ids=RIGHT)
def test_what_is_shared_is_one_thing(sandbox: BlockingSandbox, case: tuple[str, str, str]) -> None:
    source, names, test = case
    assert judged(sandbox, source, names, test) is Outcome.PASSED


YES = "class Yes:\n    def __getattr__(self, n): return lambda *a: True\n    __eq__ = __lt__ = __gt__ = __contains__ = lambda *a: True\n"
CHEATS = {
    "predicates of text": (
        YES + "def f(s): return Yes()",
        "f",
        "assert f('a').startswith('#')",
        "assert f('a').isupper()",
    ),
    "predicates of sets": (
        YES + "def f(s): return Yes()",
        "f",
        "assert f('a').issubset({1})",
        "assert {1} == f(1)",
    ),
    "arithmetic that is told the expected value": (
        "class Z:\n    __sub__ = __rsub__ = __add__ = lambda s, o: Z()\n    __abs__ = __float__ = lambda s: 0.0\ndef f(x): return Z()",
        "f",
        "assert abs(f(2) - 1.4142) < 1e-3",
        "assert abs(1.4142 - f(2)) < 1e-3",
    ),
    "a class where a function is asked for": (
        "class f:\n    def __init__(self, *a): pass\n    def __eq__(self, o): return True\n    __contains__ = __eq__",
        "f",
        "assert f(3) == 4",
        "assert 4 in f(12)",
        "assert f(3) in [4]",
    ),
    "a class that claims the tests' note of who made it": (
        "class Z:\n    def _rlvr_made(self): pass\n    def __sub__(self, o): return 0.0\ndef f(x): return Z()",
        "f",
        "assert abs(f(2) - 1.4142) < 1e-3",
    ),
    "an object that is equal to everything of a class that is asked for": (
        "class P:\n    def __init__(self, *a): pass\n    def __eq__(self, o): return True\ndef f(): return P(0)",
        "P f",
        "assert f() == P(1)",
        "assert P(2) == P(1)",
        "assert P(2) in [P(1)]",
    ),
    "a context manager that swallows failed assertions": (
        "class quiet:\n    def __enter__(self): return self\n    def __exit__(self, *e): return True\ndef f(x): raise KeyError",
        "quiet f",
        "with quiet(): assert 1 == 2",
        "with quiet(): assert f(1) == 2",
    ),
    "a caller that swallows failed assertions": (
        "def retry(f):\n    try: f()\n    except AssertionError: pass\ndef g(x): return 0",
        "retry g",
        "def check(): assert g(1) == 2\nretry(check)",
    ),
    "a function of the tests that is looked into": (
        "def f(check):\n    try: return check.__globals__['want']\n    except AttributeError: return check.__closure__",
        "f",
        "want = 'kestrel'\ndef check(): return want\nassert f(check) == 'kestrel'",
    ),
    "a generator of the tests that is looked into": (
        "def f(g): return g.gi_frame.f_globals['want']",
        "f",
        "want = 'kestrel'\nassert f(x for x in [1]) == 'kestrel'",
    ),
    "Python's own functions that run code": (
        "def f(x): return exec",
        "f",
        "f(1)('raise SystemExit')\nassert f(2) is exec",
    ),
    "a file that is put where the tests write theirs": (
        "import os\nos.mkfifo\nopen('/tmp/gold', 'w').close(); os.chmod('/tmp/gold', 0o666)\ndef f(): return open('/tmp/gold').read()",
        "f",
        "open('/tmp/gold', 'w').write('kestrel')\nassert f() == 'kestrel'",
    ),
    "a link that is put where the tests write theirs": (
        "import os\nopen('/tmp/mine', 'w').close(); os.chmod('/tmp/mine', 0o666); os.symlink('/tmp/mine', '/tmp/gold')\n"
        "def f(): return open('/tmp/mine').read()",
        "f",
        "open('/tmp/gold', 'w').write('kestrel')\nassert f() == 'kestrel'",
    ),
    "an exception that skips a unit test": (
        "import unittest\ndef f(x): raise unittest.SkipTest",
        "f",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self): assert f(1) == 2\n"
        "r = unittest.TestResult(); T('test').run(r); assert r.wasSuccessful() and not r.skipped",
    ),
}


@pytest.mark.parametrize("case", CHEATS.values(), ids=CHEATS)
def test_an_object_that_says_yes_earns_nothing(sandbox: BlockingSandbox, case: tuple[str, ...]) -> None:
    source, names, *tests = case
    for test in tests:
        outcome = judged(sandbox, source, names, test)
        assert outcome not in (Outcome.PASSED, Outcome.UNSCORED), test


def test_a_program_that_answers_with_plain_data_is_judged_all_the_same(sandbox: BlockingSandbox) -> None:
    """It is never called then, and its tests go on with what they got."""
    assert judged(sandbox, "Stack = list", "Stack", "s = Stack()", "assert s.peek() == 4") is Outcome.FAILED


def test_a_name_that_the_program_lacks_is_no_builtin_instead(sandbox: BlockingSandbox) -> None:
    assert judged(sandbox, "x = 1", "sum", "assert sum([1, 2]) == 3") is Outcome.INVALID


def test_what_is_no_longer_held_is_forgotten(sandbox: BlockingSandbox) -> None:
    """A hundred thousand lists that come and go cost no more than they must."""
    loop = "for i in range(20_000):\n    assert f([i, [i]]) == [[i], i]"
    assert judged(sandbox, "def f(a): return a[::-1]", "f", loop) is Outcome.PASSED
