"""Right programs in the manner of published sets: nodes, iterators, decorators, contexts, events, coroutines."""

from __future__ import annotations

from .plain_case import Case

DESIGNS: tuple[Case, ...] = (
    Case(
        "poly find_zero",
        (
            """
        def check(candidate):
            rng = random.Random(42)
            for _ in range(50):
                ncoeff = 2 * rng.randint(1, 4)
                coeffs = []
                for _ in range(ncoeff):
                    coeff = rng.randint(-10, 10)
                    if coeff == 0: coeff = 1
                    coeffs.append(coeff)
                solution = candidate(copy.deepcopy(coeffs))
                assert math.fabs(poly(coeffs, solution)) < 1e-3
        check(find_zero)
        """,
        ),
        """
        import math
        def poly(xs, x): return sum(c * math.pow(x, i) for i, c in enumerate(xs))
        def find_zero(xs):
            begin, end = -1., 1.
            while poly(xs, begin) * poly(xs, end) > 0: begin *= 2.0; end *= 2.0
            while end - begin > 1e-10:
                center = (begin + end) / 2.0
                if poly(xs, center) * poly(xs, begin) > 0: begin = center
                else: end = center
            return begin
        """,
        setup="import math, random, copy",
    ),
    Case(
        "max_chain_length Pair",
        ("assert max_chain_length([Pair(5, 24), Pair(15, 25),Pair(27, 40), Pair(50, 60)], 4) == 3",),
        """
        class Pair(object):
            def __init__(self, a, b): self.a = a; self.b = b
        def max_chain_length(arr, n):
            m = 0
            mcl = [1 for i in range(n)]
            for i in range(1, n):
                for j in range(0, i):
                    if arr[i].a > arr[j].b and mcl[i] < mcl[j] + 1: mcl[i] = mcl[j] + 1
            return max(mcl)
        """,
    ),
    Case(
        "Solution",
        (
            """
        n = ListNode(1, ListNode(2, ListNode(3)))
        r = Solution().rev(n)
        assert repr(r) == '3->2->1->None'
        assert r.next.next is n
        """,
            """
        assert Solution().has_cycle(None) is False
        n = ListNode(1)
        n.next = n
        assert Solution().has_cycle(n) is True
        """,
        ),
        """
        class Solution:
            def rev(self, h):
                p = None
                while h: h.next, p, h = p, h, h.next
                return p
            def has_cycle(self, h):
                s = f = h
                while f and f.next:
                    s = s.next; f = f.next.next
                    if s is f: return True
                return False
        """,
        setup="""
        from typing import *
        class ListNode:
            def __init__(self, val=0, next=None):
                self.val = val
                self.next = next
            def __repr__(self): return f'{self.val}->{self.next}'
        """,
    ),
    Case(
        "Counter2 Pool",
        (
            """
        c = Counter2()
        ts = [threading.Thread(target=lambda: [c.inc() for _ in range(20)]) for _ in range(5)]
        [t.start() for t in ts]
        [t.join() for t in ts]
        assert c.n == 100
        """,
            """
        from concurrent.futures import ThreadPoolExecutor
        c = Counter2()
        with ThreadPoolExecutor(4) as ex: list(ex.map(lambda i: c.inc(), range(40)))
        assert c.n == 40
        """,
        ),
        """
        import threading
        class Counter2:
            def __init__(self): self.n = 0; self.l = threading.Lock()
            def inc(self):
                with self.l: self.n += 1
        class Pool: pass
        """,
        setup="import threading",
    ),
    Case(
        "Single get_logger registry register",
        (
            "assert Single() is Single()",
            """
        @register
        def foo(): return 1
        @register('bar')
        def baz(): return 2
        assert registry['foo'] is foo and registry['bar']() == 2 and sorted(registry) == ['bar', 'foo']
        """,
        ),
        """
        class Single:
            _i = None
            def __new__(cls):
                if cls._i is None: cls._i = super().__new__(cls)
                return cls._i
        registry = {}
        def register(a):
            if callable(a):
                registry[a.__name__] = a; return a
            def d(f): registry[a] = f; return f
            return d
        def get_logger(): pass
        """,
    ),
    Case(
        "curry compose2 flip nargs",
        (
            "assert curry(lambda a, b, c: a + b + c)(1)(2)(3) == 6",
            """
        @curry
        def add(a, b): return a + b
        assert add(1)(2) == 3 and add(1, 2) == 3
        """,
            "assert nargs(lambda a, b=1, *c, d, **e: 0) == (2, ['a', 'b'])",
            """
        def g(x: int, y: str = 'q') -> bool: ...
        assert flip(g) == [('x', 'int'), ('y', 'str')]
        """,
        ),
        """
        import inspect
        def curry(f):
            n = len(inspect.signature(f).parameters)
            def c(*a): return f(*a) if len(a) >= n else lambda *b: c(*a, *b)
            return c
        def compose2(f, g): return lambda x: f(g(x))
        def nargs(f): return f.__code__.co_argcount, list(f.__code__.co_varnames[:f.__code__.co_argcount])
        def flip(f): return [(k, p.annotation.__name__) for k, p in inspect.signature(f).parameters.items()]
        """,
    ),
    Case(
        "retry timeout_dec Err",
        (
            """
        n = []
        @retry(3)
        def flaky():
            n.append(1)
            if len(n) < 3: raise ValueError('no')
            return 'ok'
        assert flaky() == 'ok' and len(n) == 3
        """,
            """
        @retry(2)
        def bad(): raise KeyError('k')
        try: bad()
        except Err as e: assert isinstance(e.__cause__, KeyError) and e.attempts == 2
        else: assert False
        """,
        ),
        """
        import functools
        class Err(Exception):
            def __init__(self, a): super().__init__(f"after {a}"); self.attempts = a
        def retry(n):
            def d(f):
                @functools.wraps(f)
                def w(*a, **k):
                    for i in range(n):
                        try: return f(*a, **k)
                        except Exception as e: last = e
                    raise Err(n) from last
                return w
            return d
        def timeout_dec(): pass
        """,
    ),
    Case(
        "managed tempset suppress2",
        (
            """
        log = []
        with managed(log) as m:
            assert m == 'in'
            log.append('body')
        assert log == ['enter', 'body', 'exit']
        """,
            """
        log = []
        try:
            with managed(log): raise KeyError(1)
        except KeyError: pass
        assert log == ['enter', 'exit']
        """,
            """
        class O: x = 1
        o = O()
        with tempset(o, 'x', 5):
            assert o.x == 5
        assert o.x == 1
        """,
            """
        with suppress2(ZeroDivisionError):
            1 / 0
        """,
        ),
        """
        from contextlib import contextmanager
        @contextmanager
        def managed(log):
            log.append('enter')
            try: yield 'in'
            finally: log.append('exit')
        @contextmanager
        def tempset(o, n, v):
            old = getattr(o, n)
            setattr(o, n, v)
            try: yield
            finally: setattr(o, n, old)
        class suppress2:
            def __init__(self, *e): self.e = e
            def __enter__(self): return self
            def __exit__(self, t, v, tb): return t is not None and issubclass(t, self.e)
        """,
    ),
    Case(
        "Emitter Observable",
        (
            """
        e = Emitter()
        got = []
        e.on('a', got.append)
        e.on('a', lambda x: got.append(x * 2))
        e.emit('a', 3)
        assert got == [3, 6]
        e.off('a', got.append)
        e.emit('a', 1)
        assert got == [3, 6, 2]
        """,
            """
        class L:
            def __init__(self): self.seen = []
            def update(self, v): self.seen.append(v)
        l = L()
        o = Observable()
        o.attach(l)
        o.set(5)
        assert l.seen == [5]
        o.detach(l)
        o.set(6)
        assert l.seen == [5]
        """,
        ),
        """
        class Emitter:
            def __init__(self): self.h = {}
            def on(self, n, f): self.h.setdefault(n, []).append(f)
            def off(self, n, f): self.h[n].remove(f)
            def emit(self, n, *a):
                for f in self.h.get(n, []): f(*a)
        class Observable:
            def __init__(self): self.l = []
            def attach(self, x): self.l.append(x)
            def detach(self, x): self.l.remove(x)
            def set(self, v):
                for x in self.l: x.update(v)
        """,
    ),
    Case(
        "fetch_all Worker agen limited",
        (
            """
        async def one(i):
            await asyncio.sleep(0.001)
            return i * 2
        assert asyncio.run(fetch_all(one, [1,2,3])) == [2,4,6]
        """,
            """
        async def m():
            w = Worker()
            async with w as x:
                assert x is w and w.open
            assert not w.open
            return [i async for i in agen(3)]
        assert asyncio.run(m()) == [0,1,2]
        """,
            """
        async def m():
            try:
                await asyncio.wait_for(limited(), 0.02)
            except asyncio.TimeoutError: return 'late'
        assert asyncio.run(m()) == 'late'
        """,
            """
        async def m():
            t = asyncio.create_task(limited())
            await asyncio.sleep(0.01)
            t.cancel()
            try: await t
            except asyncio.CancelledError: return 'c'
        assert asyncio.run(m()) == 'c'
        """,
        ),
        """
        import asyncio
        async def fetch_all(f, xs): return await asyncio.gather(*(f(x) for x in xs))
        class Worker:
            open = False
            async def __aenter__(self): self.open = True; return self
            async def __aexit__(self, *a): self.open = False
        async def agen(n):
            for i in range(n):
                await asyncio.sleep(0)
                yield i
        async def limited(): await asyncio.sleep(1)
        """,
        setup="import asyncio",
    ),
)
