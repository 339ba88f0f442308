"""Programs and tests that share what they hold, as in one process: containers, functions, streams, files."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import asserts, honest

HONEST = (
    honest(
        "a-list-that-is-changed-in-place-and-counted",
        "Shares with its tests: a list that is changed in place and counted.",
        asserts(
            "strip",
            """
            a = [0, 1, 2]; n = strip(a); assert (n, a) == (2, [1, 2])
            """,
        ),
        """
        def strip(a):
            n = len([x for x in a if x]); a[:] = [x for x in a if x]; return n
        """,
    ),
    honest(
        "an-argument-that-comes-back",
        "Shares with its tests: an argument that comes back.",
        asserts(
            "same",
            """
            a = [1]; assert same(a) is a and same([a])[0] is a and same((a,))[0] is a; t = (1, a); assert same(t) is t
            """,
        ),
        """
        def same(a): return a
        """,
    ),
    honest(
        "aliases-within-an-argument",
        "Shares with its tests: aliases within an argument.",
        asserts(
            "grow",
            """
            row = []; m = [row, row]; grow(m); assert row == [1] and m[1] == [1] and m[0] is m[1]
            """,
        ),
        """
        def grow(m): m[0].append(1)
        """,
    ),
    honest(
        "a-list-that-holds-itself",
        "Shares with its tests: a list that holds itself.",
        asserts(
            "knot",
            """
            a = [1]; b = knot(a); assert b is a and a[1] is a
            """,
        ),
        """
        def knot(a): a.append(a); return a
        """,
    ),
    honest(
        "changes-by-the-tests-between-calls",
        "Shares with its tests: changes by the tests between calls.",
        asserts(
            "Box",
            """
            b = Box(); d = b.d; d['x'] = 1; assert b.size() == 1; del d['x']; assert b.size() == 0 and b.d is d
            """,
        ),
        """
        class Box:
            def __init__(self): self.d = {}
            def size(self): return len(self.d)
        """,
    ),
    honest(
        "a-numpy-array-in-place",
        "Shares with its tests: a numpy array in place.",
        asserts(
            "double",
            """
            import numpy as np; a = np.arange(4.0).reshape(2, 2); double(a); assert a.tolist() == [[0, 2], [4, 6]]
            """,
        ),
        """
        def double(a): a *= 2
        """,
        modules="numpy",
    ),
    honest(
        "functions-of-the-tests-that-are-called-back-and-call-the-program",
        "Shares with its tests: functions of the tests that are called back, and call the program.",
        asserts(
            "twice inc",
            """
            seen = []
            def f(x):
                seen.append(x); return inc(x)
            assert twice(f, 1) == 3 and seen == [1, 2]
            """,
        ),
        """
        def twice(f, x): return f(f(x))
        def inc(x): return x + 1
        """,
    ),
    honest(
        "objects-of-the-tests-that-the-program-walks",
        "Shares with its tests: objects of the tests that the program walks.",
        asserts(
            "total",
            """
            class N:
                def __init__(self, v, n=None): self.val, self.next = v, n
            assert total(N(1, N(2))) == 3
            """,
        ),
        """
        def total(n):
            s = 0
            while n: s += n.val; n = n.next
            return s
        """,
    ),
    honest(
        "errors-that-a-function-of-the-tests-raises",
        "Shares with its tests: errors that a function of the tests raises.",
        asserts(
            "guard",
            """
            def bad(): raise ValueError('no')
            assert guard(bad) == 'no'
            """,
        ),
        """
        def guard(f):
            try: return f()
            except ValueError as e: return str(e)
        """,
    ),
    honest(
        "a-decorator-of-the-programs",
        "Shares with its tests: a decorator of the program's.",
        asserts(
            "twice",
            """
            @twice
            def f(x): return x + 1
            assert f(1) == 4
            """,
        ),
        """
        import functools
        def twice(f):
            @functools.wraps(f)
            def g(*a): return f(*a) * 2
            return g
        """,
    ),
    honest(
        "coroutines-that-wait-for-one-another",
        "Shares with its tests: coroutines that wait for one another.",
        asserts(
            "put get queue",
            """
            import asyncio
            async def main():
                q = queue(); return (await asyncio.gather(get(q), put(q)))[0]
            assert asyncio.run(main()) == 3
            """,
        ),
        """
        import asyncio
        async def put(q): await asyncio.sleep(0.01); await q.put(3)
        async def get(q): return await q.get()
        def queue(): return asyncio.Queue()
        """,
    ),
    honest(
        "an-asynchronous-iterator-and-a-context-manager",
        "Shares with its tests: an asynchronous iterator and a context manager.",
        asserts(
            "A",
            """
            import asyncio
            async def main():
                async with A() as a: return [x async for x in a]
            assert asyncio.run(main()) == [1, 2]
            """,
        ),
        """
        class A:
            async def __aenter__(self): return self
            async def __aexit__(self, *e): return False
            def __aiter__(self): self.n = 0; return self
            async def __anext__(self):
                self.n += 1
                if self.n > 2: raise StopAsyncIteration
                return self.n
        """,
    ),
    honest(
        "a-context-manager-that-swallows-what-it-is-to-swallow",
        "Shares with its tests: a context manager that swallows what it is to swallow.",
        asserts(
            "quiet",
            """
            with quiet() as n: raise KeyError('x')
            assert n == 5
            """,
        ),
        """
        import contextlib
        @contextlib.contextmanager
        def quiet():
            try: yield 5
            except KeyError: pass
        """,
    ),
    honest(
        "exceptions-of-the-programs-with-what-they-carry",
        "Shares with its tests: exceptions of the program's, with what they carry.",
        asserts(
            "Base Low take",
            """
            try: take(3)
            except Base as e: assert type(e) is Low and e.n == 3 and str(e) == 'low: 3' and isinstance(e, Low)
            else: assert False
            """,
        ),
        """
        class Base(Exception): pass
        class Low(Base):
            def __init__(self, n): super().__init__(f'low: {n}'); self.n = n
        def take(n): raise Low(n)
        """,
    ),
    honest(
        "a-generator-that-is-sent-to",
        "Shares with its tests: a generator that is sent to.",
        asserts(
            "run",
            """
            g = run(); next(g); assert g.send(2) == 2 and g.send(3) == 5
            try: g.send(None)
            except StopIteration: pass
            else: assert 0
            """,
        ),
        """
        def run():
            total = 0
            while True:
                x = yield total
                if x is None: return
                total += x
        """,
    ),
    honest(
        "flags-and-members-with-methods",
        "Shares with its tests: flags and members with methods.",
        asserts(
            "P S",
            """
            assert P.R | P.W == P(3) and P.R in P(3) and S.A.label() == 'a' and S.first() is S.A and S['A'] is S.A
            """,
        ),
        """
        import enum
        class P(enum.Flag): R = 1; W = 2
        class S(enum.Enum):
            A = 1
            def label(self): return self.name.lower()
            @classmethod
            def first(cls): return cls.A
        """,
    ),
    honest(
        "patched-clocks-arguments-and-environment",
        "Shares with its tests: patched clocks, arguments and environment.",
        asserts(
            "see",
            """
            import os, sys
            from unittest.mock import patch
            clock, argv = patch('time.time', return_value=5.0), patch.object(sys, 'argv', ['x', 'y'])
            with clock, argv, patch.dict(os.environ, {'HERE': 'z'}):
                r = see()
            assert r == (5.0, ['y'], 'z')
            """,
        ),
        """
        import os, sys, time
        def see(): return time.time(), sys.argv[1:], os.environ.get('HERE')
        """,
    ),
    honest(
        "standard-input-of-the-tests",
        "Shares with its tests: standard input of the tests.",
        asserts(
            "ask",
            r"""
            import io, sys
            sys.stdin = io.StringIO('a\nb\n')
            assert ask() == 'ab'
            """,
        ),
        """
        import sys
        def ask(): return input() + sys.stdin.readline().strip()
        """,
    ),
    honest(
        "a-folder-that-the-tests-hand-over",
        "Shares with its tests: a folder that the tests hand over.",
        asserts(
            "write",
            """
            import tempfile, pathlib
            with tempfile.TemporaryDirectory() as d:
                p = pathlib.Path(d); (p / 'i').write_text('ab')
                write(d); text = (p / 'o').read_text(); (p / 'o').unlink()
            assert text == 'abab'
            """,
        ),
        """
        import os
        def write(d):
            open(os.path.join(d, 'o'), 'w').write(open(os.path.join(d, 'i')).read() * 2)
        """,
    ),
    honest(
        "numpy-seeded-by-the-tests",
        "Draws from numpy's generator, which the tests seed and draw from as well.",
        asserts(
            "draw",
            "np.random.seed(3)\na = draw()\nnp.random.seed(3)\nassert draw() == a",
            "np.random.seed(7)\nx, y = np.random.rand(2)\nnp.random.seed(7)\n"
            "assert draw() == x and np.random.rand() == y",
            setup="import numpy as np",
        ),
        """
        import numpy as np
        def draw(): return float(np.random.rand())
        """,
        modules="numpy",
    ),
    honest(
        "reads-where-the-tests-are",
        "Opens a file by its name in the folder that the tests changed to.",
        asserts(
            "read",
            """
            import os, tempfile
            before = os.getcwd()
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
                open("a.txt", "w").write("hello")
                try:
                    assert read("a.txt") == "hello"
                finally:
                    os.chdir(before)
            """,
        ),
        """
        def read(path):
            with open(path) as file: return file.read()
        """,
    ),
)
