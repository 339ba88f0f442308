# ruff: noqa: E501
"""More wrong programs: each is wrong by what it leaves behind, what it returns, or what it cannot do."""

from __future__ import annotations

from .plain_case import Case

MORE: tuple[Case, ...] = (
    Case(
        "Stack",
        ("s = Stack(); s.push(1)\nassert s.items() == [1]\ns.items().clear()\nassert s.items() == [1]",),
        "class Stack:\n    def __init__(self): self._d = []\n    def push(self, x): self._d.append(x)\n    def items(self): return self._d",
    ),
    Case(
        "Stack",
        ("d = [1]\ns = Stack(d)\nd.append(2)\nassert s.n() == 1",),
        "class Stack:\n    def __init__(self, d): self.d = d\n    def n(self): return len(self.d)",
    ),
    Case(
        "uniq",
        ("a = [1, 1]\nassert uniq(a) == [1] and a == [1, 1]",),
        "def uniq(a):\n    for x in a[:]:\n        while a.count(x) > 1: a.remove(x)\n    return a",
    ),
    Case(
        "merge",
        ("a, b = {1: 1}, {2: 2}\nassert merge(a, b) == {1: 1, 2: 2} and a == {1: 1}",),
        "def merge(a, b): a.update(b); return a",
    ),
    Case("flat", ("assert flat([[1], [2]]) == [1, 2]",), "def flat(m): return (x for r in m for x in r)"),
    Case("evens", ("assert evens([2, 3]) == [2]",), "def evens(xs): return filter(lambda x: x % 2 == 0, xs)"),
    Case("keys", ("assert keys({1: 2}) == [1]",), "def keys(d): return d.keys()"),
    Case("half", ("assert isinstance(half(4), int)",), "def half(n): return n / 2"),
    Case("name", ("assert isinstance(name(), str)",), "def name(): return b'x'"),
    Case(
        "P",
        ("assert P(1) == P(1)",),
        "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self is o",
    ),
    Case("P", ("assert sorted([P(2), P(1)])[0].x == 1",), "class P:\n    def __init__(self, x): self.x = x"),
    Case("P", ("assert repr(P()) == 'P()'",), "class P: pass"),
    Case("P", ("p = P()\np.x = 1",), "class P:\n    __slots__ = ()"),
    Case(
        "P",
        ("p = P(1)\ntry: p.x = 2\nexcept AttributeError: pass\nelse: assert False",),
        "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int",
    ),
    Case(
        "C",
        ("assert C.A is C(1) and C.A.name == 'A'",),
        "class C:\n    A = 1\n    def __init__(self, v): pass",
    ),
    Case(
        "E go",
        ("try: go()\nexcept E as e: assert e.code == 3\nelse: assert False",),
        "class E(Exception): pass\ndef go(): raise E(3)",
    ),
    Case("go", ("try: go()\nexcept KeyError: pass",), "def go(): raise IndexError"),
    Case("go", ("try: go()\nexcept ValueError: pass\nelse: assert False",), "def go(): return ValueError()"),
    Case("ctx", ("with ctx() as x: assert x == 1",), "class ctx:\n    def __enter__(self): return 1"),
    Case(
        "memo",
        ("n = []\n@memo\ndef f(x): n.append(x); return x\nf(1); f(1)\nassert n == [1]",),
        "def memo(f): return lambda x: f(x)",
    ),
    Case(
        "once",
        ("n = []\nf = once(lambda: n.append(1))\nf(); f()\nassert n == [1]",),
        "def once(f):\n    def g(): return f()\n    return g",
    ),
    Case(
        "hello",
        (
            "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): hello()\nassert b.getvalue() == 'hi'",
        ),
        "def hello(): print('hi')",
    ),
    Case(
        "hello",
        (
            "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): hello()\nassert b.getvalue() == 'hi\\n'",
        ),
        "import sys\ndef hello(): print('hi', file=sys.stderr)",
    ),
    Case(
        "roll",
        ("import random\nrandom.seed(1); a = roll(); random.seed(1); assert roll() == a",),
        "import random\n_r = random.SystemRandom()\ndef roll(): return _r.random()",
    ),
    Case(
        "save",
        (
            "import tempfile, os\np = os.path.join(tempfile.mkdtemp(), 'o')\nsave(p, 'x')\nassert open(p).read() == 'x'",
        ),
        "def save(p, s): open(p, 'w').write(s + '\\n')",
    ),
    Case(
        "double",
        ("import numpy as np\na = np.ones(2)\nassert (double(a) == 2).all() and (a == 1).all()",),
        "def double(a): a *= 2; return a",
    ),
    Case(
        "zeros",
        ("import numpy as np\nassert isinstance(zeros(2), np.ndarray)",),
        "def zeros(n): return [0] * n",
    ),
    Case(
        "Bag",
        ("assert len(Bag([1, 1])) == 2 and 3 not in Bag([1])",),
        "class Bag:\n    def __init__(self, x): self.x = set(x)\n    def __len__(self): return len(self.x)\n    def __contains__(self, y): return y in self.x",
    ),
    Case(
        "Vec",
        ("v = Vec(1)\nw = v\nv += Vec(2)\nassert w.x == 1 and v.x == 3",),
        "class Vec:\n    def __init__(self, x): self.x = x\n    def __iadd__(self, o): self.x += o.x; return self",
    ),
    Case("Vec", ("assert (Vec(1) + Vec(2)).x == 3",), "class Vec:\n    def __init__(self, x): self.x = x"),
    Case("it", ("i = it([1])\nassert iter(i) is i and next(i) == 1",), "def it(xs): return xs"),
    Case(
        "gen",
        ("g = gen()\nassert list(g) == [1] and list(g) == []",),
        "class gen:\n    def __iter__(self): yield 1",
    ),
    Case("co", ("import asyncio\nassert asyncio.run(co()) == 1",), "def co(): return 1"),
    Case("co", ("import asyncio\nassert asyncio.run(co()) == 1",), "async def co(): return 2"),
    Case("add", ("assert add(1)(2) == 3",), "def add(a, b=0): return a + b"),
    Case(
        "Child Base",
        ("assert issubclass(Child, Base) and isinstance(Child(), Base)",),
        "class Base: pass\nclass Child: pass",
    ),
    Case(
        "Child",
        ("assert Child().hi() == 'child base'",),
        "class Base:\n    def hi(self): return 'base'\nclass Child(Base):\n    def hi(self): return 'child'",
    ),
    Case(
        "counter",
        ("a, b = counter(), counter()\na(); a()\nassert b() == 1",),
        "n = 0\ndef counter():\n    def f():\n        global n\n        n += 1\n        return n\n    return f",
    ),
    Case(
        "tree",
        ("a, b = tree(2), tree(2)\na[0].append(1)\nassert b == [[], []]",),
        "R = []\ndef tree(n): return [R for _ in range(n)]",
    ),
    Case(
        "clone",
        ("d = {'a': [1]}\nc = clone(d)\nc['a'].append(2)\nassert d == {'a': [1]}",),
        "def clone(d): return dict(d)",
    ),
    Case("ident", ("a = [1]\nassert ident(a) is a",), "import copy\ndef ident(a): return copy.copy(a)"),
    Case("first", ("a = [[1], [1]]\nassert first(a) is a[0]",), "def first(a): return a[1]"),
    Case("empty", ("assert empty() is not empty()",), "E = {}\ndef empty(): return E"),
    Case("sq", ("assert sq(3) == 9 and type(sq(3)) is int",), "def sq(n): return float(n * n)"),
    Case(
        "Meters",
        ("assert Meters(3) + 2 == 5",),
        "class Meters(float):\n    def __add__(self, o): return Meters(float(self) - float(o))",
    ),
    Case(
        "Meters",
        ("assert abs(Meters(-3)) == 3",),
        "class Meters(float):\n    def __abs__(self): return self",
    ),
    Case(
        "Text",
        ("assert Text('a') == 'a'",),
        "class Text(str):\n    def __eq__(self, o): return False\n    __hash__ = str.__hash__",
    ),
    Case(
        "stop",
        ("try:\n    stop()\nexcept Exception:\n    pass",),
        "class Stop(BaseException): pass\ndef stop(): raise Stop",
    ),
    Case("end", ("try:\n    end()\nexcept Exception:\n    pass",), "def end(): raise GeneratorExit"),
    Case(
        "slow quick",
        (
            "signal.signal(signal.SIGALRM, late)\nsignal.setitimer(signal.ITIMER_REAL, 0.1)\n"
            "try: slow()\nexcept KeyError: pass\nassert quick() == 5",
        ),
        "import time\ndef slow():\n    time.sleep(0.3)\n    return 5\ndef quick(): return 0",
        setup="import signal\ndef late(*_): raise KeyError",
    ),
    Case(
        "slow quick",
        (
            "threading.Timer(0.1, _thread.interrupt_main).start()\n"
            "try: slow()\nexcept KeyboardInterrupt: pass\nassert quick() == 5",
        ),
        "import time\ndef slow():\n    time.sleep(0.3)\n    return 5\ndef quick(): return 0",
        setup="import threading, _thread, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)",
    ),
)
