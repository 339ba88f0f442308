# ruff: noqa: E501
"""Right programs: plain CPython passes each."""

from __future__ import annotations

from .plain_case import Case

HONEST: tuple[Case, ...] = (
    Case(
        "fib",
        (
            "fib(30)\nassert fib.cache_info().currsize == 31",
            "fib.cache_clear()\nassert fib.cache_info().hits == 0",
        ),
        "from functools import lru_cache\n@lru_cache(None)\ndef fib(n): return n if n < 2 else fib(n-1) + fib(n-2)",
    ),
    Case(
        "rev",
        ("a = [1, 2, 3]\nb = a\nassert rev(a) is None\nassert b == [3, 2, 1]",),
        "def rev(x): x.reverse()",
    ),
    Case("same", ("a = {}\nassert same(a) is a",), "def same(x): return x"),
    Case(
        "rev",
        ("n = rev(Node(1, Node(2)))\nassert (n.val, n.next.val, n.next.next) == (2, 1, None)",),
        "def rev(h):\n    p = None\n    while h: h.next, p, h = p, h, h.next\n    return p",
        "class Node:\n    def __init__(self, val, next=None): self.val, self.next = val, next",
    ),
    Case(
        "depth",
        ("assert depth(T(T(), T(None, T()))) == 3",),
        "def depth(t): return 0 if t is None else 1 + max(depth(t.left), depth(t.right))",
        "class T:\n    def __init__(self, left=None, right=None): self.left, self.right = left, right",
    ),
    Case(
        "P",
        (
            "import dataclasses\np = P(1, 2)\nassert dataclasses.replace(p, x=3) == P(3, 2)",
            "import dataclasses\nassert dataclasses.asdict(P(1, 2)) == {'x': 1, 'y': 2}",
            "assert sorted([P(2, 1), P(1, 2)])[0] == P(1, 2)",
            "assert len({P(1, 1), P(1, 1)}) == 1",
        ),
        "from dataclasses import dataclass\n@dataclass(order=True, frozen=True, slots=True)\nclass P:\n    x: int\n    y: int",
    ),
    Case(
        "C",
        ("assert C(1).name == 'RED' and C['RED'] is C.RED", "assert list(C) == [C.RED, C.BLUE]"),
        "from enum import Enum\nclass C(Enum):\n    RED = 1\n    BLUE = 2",
    ),
    Case(
        "F",
        ("assert F.R | F.W == F(3)\nassert F.R in F(3)",),
        "from enum import Flag\nclass F(Flag):\n    R = 1\n    W = 2",
    ),
    Case(
        "V",
        (
            "assert (V(1, 2) + V(3, 4)).x == 4",
            "assert (2 * V(1, 2)).y == 4",
            "assert repr(V(1, 2)) == 'V(1, 2)'",
        ),
        "class V:\n    def __init__(s, x, y): s.x, s.y = x, y\n    def __add__(s, o): return V(s.x+o.x, s.y+o.y)\n    def __rmul__(s, k): return V(k*s.x, k*s.y)\n    def __repr__(s): return f'V({s.x}, {s.y})'",
    ),
    Case(
        "Cm",
        ("log = []\nwith Cm(log) as c:\n    assert c is not None\nassert log == ['in', 'out']",),
        "class Cm:\n    def __init__(s, l): s.l = l\n    def __enter__(s):\n        s.l.append('in')\n        return s\n    def __exit__(s, *a): s.l.append('out')",
    ),
    Case(
        "srt",
        (
            "assert srt(['bb', 'a'], len) == ['a', 'bb']",
            "n = []\nsrt([2, 1], lambda x: n.append(x) or x)\nassert n == [2, 1]",
        ),
        "def srt(x, key): return sorted(x, key=key)",
    ),
    Case(
        "take",
        ("it = iter([1, 2, 3])\nassert list(take(it, 2)) == [1, 2]\nassert next(it) == 3",),
        "from itertools import islice\ndef take(it, n): return islice(it, n)",
    ),
    Case(
        "run",
        ("import asyncio\nassert asyncio.run(run([1, 2])) == [2, 4]",),
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return 2*x\nasync def run(xs): return await asyncio.gather(*map(f, xs))",
    ),
    Case(
        "Err go",
        (
            "try:\n    go()\n    assert False, 'no error'\nexcept Err as e:\n    assert e.code == 7 and isinstance(e.__cause__, KeyError)",
        ),
        "class Err(Exception):\n    def __init__(s, code):\n        super().__init__(code)\n        s.code = code\ndef go():\n    try: {}[1]\n    except KeyError as e: raise Err(7) from e",
    ),
    Case(
        "dbl",
        ("import numpy as np\na = np.arange(3)\ndbl(a)\nassert a.tolist() == [0, 2, 4]",),
        "def dbl(a): a *= 2",
    ),
    Case(
        "add",
        ("assert add(1) == [1]\nassert add(2) == [1, 2]", "assert add(3) is add(4)"),
        "def add(x, acc=[]):\n    acc.append(x)\n    return acc",
    ),
    Case(
        "get",
        ("assert get('a') is get('a')\nassert get('a') is not get('b')",),
        "D = {}\ndef get(k): return D.setdefault(k, [])",
    ),
    Case(
        "cp", ("a = [[1]]\nb = cp(a)\nassert b == a and b[0] is not a[0]",), "from copy import deepcopy as cp"
    ),
    Case(
        "par",
        ("assert par(100) == 100",),
        "import threading\ndef par(n):\n    r = []\n    t = [threading.Thread(target=r.append, args=(i,)) for i in range(n)]\n    for x in t: x.start()\n    for x in t: x.join()\n    return len(r)",
    ),
    Case(
        "save",
        (
            "import os, tempfile\nwith tempfile.TemporaryDirectory() as d:\n    p = os.path.join(d, 'a')\n    save(p, 'hi')\n    assert open(p).read() == 'hi'",
        ),
        "def save(p, t):\n    with open(p, 'w') as f: f.write(t)",
    ),
    Case(
        "hi",
        (
            "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): hi('x')\nassert b.getvalue() == 'hi x\\n'",
        ),
        "def hi(n): print('hi', n)",
    ),
    Case(
        "last",
        ("d = last([1, 2, 3], 2)\nassert d.maxlen == 2 and list(d) == [2, 3]",),
        "from collections import deque\ndef last(x, n): return deque(x, maxlen=n)",
    ),
    Case(
        "gen",
        ("g = gen()\nnext(g)\nassert g.send(3) == 3\nassert g.send(4) == 7",),
        "def gen():\n    t = 0\n    while True: t += yield t",
    ),
    Case(
        "fact",
        ("import math\nassert fact(500) == math.factorial(500)",),
        "def fact(n): return 1 if n == 0 else n * fact(n-1)",
    ),
)
