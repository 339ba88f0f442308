"""Right programs whose tests use classes as Python has them: operators, metaclasses, descriptors, decorators."""

from __future__ import annotations

from .plain_case import Case

CLASSES: tuple[Case, ...] = (
    Case(
        "Vector",
        (
            "assert Vector([1,2]) * 2 == Vector([2,4])",
            "assert Vector([1,2]) * 2 == [2,4]",
            "assert list(Vector([1,2]) + Vector([3,4])) == [4,6]",
            """
        v = Vector([1,2]) + [1,1]
        assert v == [2,3]
        """,
        ),
        """
        class Vector(list):
            def __mul__(self, k): return Vector(x * k for x in self)
            def __add__(self, o): return Vector(a + b for a, b in zip(self, o))
        """,
    ),
    Case(
        "P",
        (
            "assert P(1,2) * 3 == P(3,6)",
            "assert P(1,2) + P(1,1) == (2,3)",
            "assert (P(1,2) + (1,1)).x == 2",
        ),
        """
        from typing import NamedTuple
        class P(NamedTuple):
            x: int
            y: int
            def __mul__(self, k): return P(self.x * k, self.y * k)
            def __add__(self, o): return P(self.x + o[0], self.y + o[1])
        """,
    ),
    Case(
        "Matrix",
        (
            "assert Matrix.identity(2) * 3 == Matrix([[3,0],[0,3]])",
            "assert (Matrix([[1,2],[3,4]]).transpose() * 2).rows == [[2,6],[4,8]]",
            "assert (Matrix([[1,2],[3,4]]).T + 1).rows == [[2,4],[3,5]]",
        ),
        """
        class Matrix:
            def __init__(self, rows): self.rows = rows
            @classmethod
            def identity(cls, n): return cls([[int(i == j) for j in range(n)] for i in range(n)])
            def transpose(self): return Matrix([list(r) for r in zip(*self.rows)])
            @property
            def T(self): return self.transpose()
            def __mul__(self, k): return Matrix([[k * x for x in r] for r in self.rows])
            def __add__(self, k): return Matrix([[k + x for x in r] for r in self.rows])
            def __eq__(self, o): return isinstance(o, Matrix) and self.rows == o.rows
        """,
    ),
    Case(
        "Animal Dog Stone",
        (
            "assert isinstance(Dog(), Animal)",
            "assert issubclass(Dog, Animal)",
            "assert not isinstance(Stone(), Animal)",
        ),
        """
        import abc
        class Animal(abc.ABC):
            @classmethod
            def __subclasshook__(cls, C): return hasattr(C, "speak")
        class Dog:
            def speak(self): return "woof"
        class Stone: pass
        """,
    ),
    Case(
        "Closable make",
        (
            "assert isinstance(make(), Closable)",
            "assert not isinstance(3, Closable)",
        ),
        """
        from typing import Protocol, runtime_checkable
        @runtime_checkable
        class Closable(Protocol):
            def close(self): ...
        class _F:
            def close(self): pass
        def make(): return _F()
        """,
    ),
    Case(
        "Positive",
        (
            "assert isinstance(5, Positive)",
            "assert not isinstance(-5, Positive)",
        ),
        """
        class M(type):
            def __instancecheck__(cls, o): return isinstance(o, int) and o > 0
        class Positive(metaclass=M): pass
        """,
    ),
    Case(
        "memo timed count",
        (
            """
        calls = []
        @memo
        def sq(x):
            calls.append(x)
            return x * x
        assert sq(3) == 9 and sq(3) == 9 and calls == [3]
        """,
            """
        @count
        def g(): pass
        g(); g()
        assert g.calls == 2
        """,
            """
        @timed
        def h(a, *, b=1):
            'doc'
            return a + b
        assert h(1, b=2) == 3 and h.__name__ == 'h' and h.__doc__ == 'doc'
        """,
        ),
        """
        import functools
        def memo(f):
            c = {}
            @functools.wraps(f)
            def w(x):
                if x not in c: c[x] = f(x)
                return c[x]
            return w
        def count(f):
            @functools.wraps(f)
            def w(*a, **k):
                w.calls += 1
                return f(*a, **k)
            w.calls = 0
            return w
        def timed(f):
            @functools.wraps(f)
            def w(*a, **k): return f(*a, **k)
            return w
        """,
    ),
    Case(
        "cached validate",
        (
            """
        class A:
            def __init__(self): self.n = 0
            @cached
            def v(self):
                self.n += 1
                return 42
        a = A()
        assert a.v == 42 and a.v == 42 and a.n == 1
        """,
            """
        class B:
            @validate
            def f(self, x): return x
        assert B().f(3) == 3
        try:
            B().f(-1)
        except ValueError: pass
        else: assert False
        """,
        ),
        """
        import functools
        class cached:
            def __init__(self, f): self.f = f; self.name = f.__name__
            def __get__(self, obj, cls=None):
                if obj is None: return self
                k = '_c_' + self.name
                if not hasattr(obj, k): setattr(obj, k, self.f(obj))
                return getattr(obj, k)
        def validate(f):
            @functools.wraps(f)
            def w(self, x):
                if x < 0: raise ValueError(x)
                return f(self, x)
            return w
        """,
    ),
    Case(
        "P Color",
        (
            """
        p = P(1, 'a')
        assert eval(repr(p)) == p
        """,
            "assert eval('P(1, x)', {'P': P, 'x': 'a'}) == P(1, 'a')",
            """
        for e in ('P(1, "a")', 'P(x=1, y="a")'):
            assert eval(e) == P(1, 'a')
        """,
            """
        x = 3
        assert eval('x + 1') == 4
        """,
            """
        exec('def g(a): return a + 1')
        assert g(2) == 3
        """,
            """
        for n in ['P']:
            exec(f'assert {n}(1, 2).x == 1')
        """,
            "assert eval(f'{1}+{2}') == 3",
        ),
        """
        from dataclasses import dataclass
        import enum
        @dataclass
        class P:
            x: int
            y: str
        class Color(enum.Enum):
            RED = 1
        """,
    ),
    Case(
        "P Q",
        (
            "assert eval(repr(P(1, Fraction(1,2)))) == P(1, Fraction(1,2))",
            "assert repr(Q.A) == '<Q.A: 1>' and eval(str(Q.A)) is Q.A",
        ),
        """
        from collections import namedtuple
        import enum
        P = namedtuple("P", "a b")
        class Q(enum.Enum): A = 1
        """,
        setup="from fractions import Fraction",
    ),
)
