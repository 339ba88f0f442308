"""Wrong programs: plain CPython fails each."""

from __future__ import annotations

from .plain_case import Case

WRONG: tuple[Case, ...] = (
    Case("same", ("a = []\nassert same(a) is a",), "def same(x): return x[:]"),
    Case("cp", ("a = [1]\nassert cp(a) is not a",), "def cp(x): return x"),
    Case("cp", ("a = [[1]]\nassert cp(a)[0] is not a[0]",), "from copy import copy as cp"),
    Case("srt", ("a = [2, 1]\nsrt(a)\nassert a == [2, 1]",), "def srt(x):\n    x.sort()\n    return x"),
    Case("grid", ("g = grid(2)\ng[0][0] = 1\nassert g[1][0] == 0",), "def grid(n): return [[0]*n]*n"),
    Case("S", ("assert len(S()) == 0",), "class S:\n    def size(self): return 0"),
    Case("S", ("assert S()(1) == 1",), "class S:\n    def call(self, x): return x"),
    Case(
        "S",
        ("assert len({S(1), S(1)}) == 1",),
        "class S:\n    def __init__(s, x): s.x = x\n    def __eq__(s, o): return s.x == o.x",
    ),
    Case("S", ("assert S(1) == S(1)",), "class S:\n    def __init__(s, x): s.x = x"),
    Case("f", ("assert isinstance(f(), tuple)",), "def f(): return [1]"),
    Case("f", ("assert type(f()) is int",), "def f(): return True"),
    Case("f", ("assert f(1) == [1]\nassert f(2) == [2]",), "def f(x, a=[]):\n    a.append(x)\n    return a"),
    Case("get", ("assert get() is get()",), "def get(): return object()"),
    Case("A", ("a, b = A(), A()\na.x.append(1)\nassert b.x == []",), "class A:\n    x = []"),
    Case("fs", ("assert [f() for f in fs()] == [0, 1]",), "def fs(): return [lambda: i for i in range(2)]"),
    Case("g", ("x = g()\nassert next(x) == 1",), "def g(): return [1]"),
)
