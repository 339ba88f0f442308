"""Right programs whose tests use what a process has one of: settings, the stack, errors, texts that are evaluated."""

from __future__ import annotations

from .plain_case import Case

SLOW = """
    import time
    def slow():
        time.sleep(0.3)
        return 1
    def quick(): return 5
"""
ALARMS = """
    import contextlib, signal
    class Late(Exception): pass
    noted = []
    def note(number, frame): noted.append(number)
    def raise_late(number, frame): raise Late()
    def raise_timeout(number, frame): raise TimeoutError('late')
    @contextlib.contextmanager
    def raises(kind):
        try:
            yield
        except kind:
            return
        raise AssertionError('nothing was raised')
"""

WHOLE: tuple[Case, ...] = (
    Case(
        "third",
        (
            """
        getcontext().prec = 6
        assert str(third()) == '0.333333'
        """,
            """
        with localcontext() as c:
            c.prec = 3
            assert str(third()) == '0.333'
        """,
        ),
        """
        from decimal import Decimal
        def third(): return Decimal(1) / Decimal(3)
        """,
        setup="from decimal import Decimal, getcontext, localcontext",
    ),
    Case(
        "old",
        (
            """
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter('always')
            assert old(2) == 4
        assert len(seen) == 1 and issubclass(seen[0].category, DeprecationWarning)
        assert 'new' in str(seen[0].message)
        """,
        ),
        """
        import warnings
        def old(x):
            warnings.warn("use new", DeprecationWarning)
            return 2 * x
        """,
        setup="import warnings",
    ),
    Case(
        "old",
        (
            """
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            try:
                old(2)
            except DeprecationWarning as e:
                assert 'new' in str(e)
            else:
                assert False
        """,
        ),
        """
        import warnings
        def old(x):
            warnings.warn("use new", DeprecationWarning)
            return 2 * x
        """,
        setup="import warnings",
    ),
    Case(
        "f",
        (
            "assert list(inspect.signature(f).parameters) == ['a', 'b']",
            "assert f.__name__ == 'f' and f.__doc__ == 'Adds.'",
            "assert inspect.isfunction(f)",
            "assert f.__defaults__ == (2,)",
            "assert f.__annotations__ == {'a': int}",
            "assert inspect.getdoc(f) == 'Adds.'",
        ),
        """
        def f(a: int, b=2):
            "Adds."
            return a + b
        """,
        setup="import inspect",
    ),
    Case(
        "walk",
        (
            """
        def step(n):
            return 0 if n == 0 else 1 + walk(step, n - 1)
        assert walk(step, 150) == 150
        """,
        ),
        "def walk(step, n): return step(n)",
    ),
    Case(
        "fix",
        (
            """
        fact = fix(lambda rec: lambda n: 1 if n == 0 else n * rec(n - 1))
        assert fact(100) == __import__('math').factorial(100)
        """,
        ),
        """
        def fix(g):
            return g(lambda n: fix(g)(n))
        """,
    ),
    Case(
        "add Stack",
        (
            """
        r = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(T).run(r)
        assert r.testsRun == 3 and r.wasSuccessful(), (r.errors, r.failures)
        """,
        ),
        """
        def add(a, b): return a + b
        class Stack:
            def __init__(self): self.d = []
            def push(self, x): self.d.append(x)
            def pop(self): return self.d.pop()
        """,
        setup="""
        import unittest
        class T(unittest.TestCase):
            def setUp(self): self.s = Stack()
            def test_a(self): self.assertEqual(add(1,2), 3)
            def test_b(self):
                self.s.push(1)
                self.assertEqual(self.s.pop(), 1)
                with self.assertRaises(IndexError): self.s.pop()
            def test_c(self):
                for i in range(3):
                    with self.subTest(i=i): self.assertAlmostEqual(add(i, 0.1), i + 0.1)
        """,
    ),
    Case(
        "gen",
        (
            """
        g = gen()
        assert next(g) == 0
        assert g.send(5) == 5
        g.close()
        assert list(g) == []
        """,
            """
        g = gen()
        next(g)
        try:
            g.throw(ValueError('x'))
        except ValueError as e:
            assert str(e) == 'x'
        else:
            assert False
        """,
            """
        import types
        assert isinstance(gen(), types.GeneratorType)
        """,
            """
        import inspect
        assert inspect.isgenerator(gen()) and inspect.isgeneratorfunction(gen)
        """,
        ),
        """
        def gen():
            x = 0
            while True:
                y = yield x
                x = y if y is not None else x + 1
        """,
    ),
    Case(
        "f MyErr",
        (
            """
        try:
            f(-1)
        except MyErr as e:
            assert e.code == 3 and e.args == ('bad', 3) and isinstance(e.__cause__, KeyError)
        else: assert False
        """,
            """
        try:
            f(-2)
        except MyErr as e:
            assert isinstance(e.__context__, ZeroDivisionError) and str(e) == 'E!'
        else: assert False
        """,
            """
        try:
            f(-3)
        except* ValueError as g:
            assert len(g.exceptions) == 2
        else: assert False
        """,
            """
        e = MyErr('x', 1)
        assert e.code == 1
        try:
            raise e
        except MyErr as g:
            assert g is e
        """,
            """
        try:
            f(-4)
        except MyErr as e:
            assert e.__notes__ == ['note']
        else: assert False
        """,
        ),
        """
        class MyErr(Exception):
            def __init__(self, *a):
                super().__init__(*a); self.code = a[1] if len(a) > 1 else 0
            def __str__(self): return "E!"
        def f(x):
            if x == -1:
                try: {}[1]
                except KeyError as k: raise MyErr("bad", 3) from k
            if x == -2:
                try: 1/0
                except ZeroDivisionError: raise MyErr("c")
            if x == -3: raise ExceptionGroup("g", [ValueError(1), ValueError(2)])
            if x == -4:
                e = MyErr("n"); e.add_note("note"); raise e
        """,
    ),
    Case(
        "derive rpn",
        (
            "assert eval(derive('x'), {'x': 3}) == 6",
            """
        x = 5
        assert eval(rpn([1, 2, '+'])) == 3
        """,
            "assert all(eval(derive('x'), {'x': v}) == 2 * v for v in range(4))",
            """
        import math
        assert eval(rpn([4, 'sqrt']), {'math': math}) == 2
        """,
        ),
        """
        def derive(v): return f"2*{v}"
        def rpn(t):
            if t[-1] == 'sqrt': return f"math.sqrt({t[0]})"
            return f"({t[0]}{t[2]}{t[1]})"
        """,
    ),
    Case(
        "ser de",
        (
            """
        d = {'a': [1, (2, {3})], 'b': OrderedDict(x=1), 'd': datetime.date(2020, 1, 1), 'q': deque([1])}
        assert pickle.loads(ser(d)) == d
        assert de(pickle.dumps(d)) == d
        """,
        ),
        """
        import pickle
        def ser(x): return pickle.dumps(x)
        def de(b): return pickle.loads(b)
        """,
        setup="""
        import pickle
        from collections import OrderedDict, deque
        import datetime
        """,
    ),
    Case(
        "slow quick",
        (
            """
        signal.signal(signal.SIGALRM, raise_late)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            slow()
            raise AssertionError('not broken off')
        except Late:
            pass
        assert quick() == 5
        """,
        ),
        SLOW,
        setup=ALARMS,
    ),
    Case(
        "slow quick",
        (
            """
        signal.signal(signal.SIGALRM, raise_timeout)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with raises(TimeoutError):
            slow()
        assert [quick(), quick()] == [5, 5]
        """,
        ),
        SLOW,
        setup=ALARMS,
    ),
    Case(
        "slow",
        (
            """
        signal.signal(signal.SIGALRM, note)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert slow() == 1
        assert noted == [signal.SIGALRM]
        """,
        ),
        SLOW,
        setup=ALARMS,
    ),
    Case(
        "quick",
        (
            """
        signal.signal(signal.SIGALRM, raise_late)
        signal.alarm(2)
        assert quick() == 5
        assert signal.alarm(0) in (1, 2)
        """,
        ),
        SLOW,
        setup=ALARMS,
    ),
)
