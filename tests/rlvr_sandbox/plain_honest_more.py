# ruff: noqa: E501
"""More right programs: designs, protocols and library types, as test suites of published sets ask for them."""

from __future__ import annotations

from .plain_case import Case

MORE: tuple[Case, ...] = (
    Case(
        "LRUCache",
        (
            "c = LRUCache(2)\nc.put(1, 1); c.put(2, 2); assert c.get(1) == 1\nc.put(3, 3)\nassert c.get(2) == -1 and c.get(3) == 3",
        ),
        "from collections import OrderedDict\nclass LRUCache:\n    def __init__(self, n): self.n, self.d = n, OrderedDict()\n    def get(self, k):\n        if k not in self.d: return -1\n        self.d.move_to_end(k); return self.d[k]\n    def put(self, k, v):\n        self.d[k] = v; self.d.move_to_end(k)\n        if len(self.d) > self.n: self.d.popitem(last=False)",
    ),
    Case(
        "Trie",
        (
            "t = Trie(); t.insert('apple')\nassert t.search('apple') is True and t.search('app') is False and t.startsWith('app') is True",
        ),
        "class Trie:\n    def __init__(self): self.r = {}\n    def insert(self, w):\n        n = self.r\n        for c in w: n = n.setdefault(c, {})\n        n['$'] = True\n    def _go(self, w):\n        n = self.r\n        for c in w:\n            if c not in n: return None\n            n = n[c]\n        return n\n    def search(self, w): n = self._go(w); return n is not None and '$' in n\n    def startsWith(self, w): return self._go(w) is not None",
    ),
    Case(
        "MinStack",
        (
            "s = MinStack(); s.push(3); s.push(1); assert s.top() == 1 and s.get_min() == 1; s.pop(); assert s.get_min() == 3 and len(s) == 1",
        ),
        "class MinStack:\n    def __init__(self): self.a = []\n    def push(self, x): self.a.append((x, min(x, self.a[-1][1]) if self.a else x))\n    def pop(self): return self.a.pop()[0]\n    def top(self): return self.a[-1][0]\n    def get_min(self): return self.a[-1][1]\n    def __len__(self): return len(self.a)",
    ),
    Case(
        "Account Overdrawn",
        (
            "a = Account(10)\ntry: a.take(20)\nexcept Overdrawn as e: assert e.missing == 10 and isinstance(e, ValueError) and e.args == ('too much',)\nelse: assert False\nassert a.balance == 10",
        ),
        "class Overdrawn(ValueError):\n    def __init__(self, m): super().__init__('too much'); self.missing = m\nclass Account:\n    def __init__(self, b): self.balance = b\n    def take(self, n):\n        if n > self.balance: raise Overdrawn(n - self.balance)\n        self.balance -= n",
    ),
    Case(
        "Temp",
        (
            "t = Temp(20); t.f = 212\nassert t.c == 100 and t.f == 212\ntry: t.c = -300; assert False\nexcept ValueError: pass\ntry: t.k; assert False\nexcept AttributeError: pass",
        ),
        "class Temp:\n    def __init__(self, c): self._c = c\n    @property\n    def c(self): return self._c\n    @c.setter\n    def c(self, v):\n        if v < -273: raise ValueError('cold')\n        self._c = v\n    @property\n    def f(self): return self._c * 9 / 5 + 32\n    @f.setter\n    def f(self, v): self.c = (v - 32) * 5 / 9",
    ),
    Case(
        "Shape Square",
        (
            "try: Shape(); assert False\nexcept TypeError: pass\ns = Square(3)\nassert s.area() == 9 and isinstance(s, Shape) and issubclass(Square, Shape) and Square.kind() == 'square' and Square.sides == 4 and s.twice(2) == 4",
        ),
        "from abc import ABC, abstractmethod\nclass Shape(ABC):\n    @abstractmethod\n    def area(self): ...\n    @classmethod\n    def kind(cls): return cls.__name__.lower()\n    @staticmethod\n    def twice(x): return 2 * x\nclass Square(Shape):\n    sides = 4\n    def __init__(self, a): self.a = a\n    def area(self): return self.a ** 2",
    ),
    Case(
        "Point",
        (
            "p = Point(1, 2)\nx, y = p\nassert (x, y) == (1, 2) and p == (1, 2) and p.x == 1 and p._asdict() == {'x': 1, 'y': 2} and Point._fields == ('x', 'y') and isinstance(p, tuple) and len(p) == 2 and p + (3,) == (1, 2, 3)",
            "assert {Point(1, 2): 'a'}[(1, 2)] == 'a' and sorted([Point(2, 0), Point(1, 5)])[0] == Point(1, 5)",
        ),
        "from collections import namedtuple\nPoint = namedtuple('Point', 'x y')",
    ),
    Case(
        "compose",
        (
            "assert compose(lambda x: x + 1, lambda x: x * 2)(5) == 11",
            "assert compose(str, len, range)(3) == '3'",
        ),
        "def compose(*fs):\n    def run(x):\n        for f in reversed(fs): x = f(x)\n        return x\n    return run",
    ),
    Case(
        "curry",
        ("assert curry(lambda a, b, c: a + b + c)(1)(2)(3) == 6",),
        "def curry(f, n=3, given=()):\n    def more(x):\n        got = given + (x,)\n        return f(*got) if len(got) == n else curry(f, n, got)\n    return more",
    ),
    Case(
        "memo",
        (
            "calls = []\n@memo\ndef sq(x):\n    calls.append(x); return x * x\nassert sq(3) == 9 and sq(3) == 9 and calls == [3]",
        ),
        "def memo(f):\n    seen = {}\n    def g(x):\n        if x not in seen: seen[x] = f(x)\n        return seen[x]\n    return g",
    ),
    Case(
        "count_calls",
        ("@count_calls\ndef f(): return 1\nf(); f()\nassert f.calls == 2",),
        "def count_calls(f):\n    def g(*a, **k):\n        g.calls += 1\n        return f(*a, **k)\n    g.calls = 0\n    return g",
    ),
    Case(
        "sort_by",
        (
            "assert sort_by(['bb', 'a'], key=len) == ['a', 'bb'] and sort_by([1, 2], key=lambda x: -x) == [2, 1]",
            "import functools\nassert sort_by([3, 1, 2], key=functools.cmp_to_key(lambda a, b: b - a)) == [3, 2, 1]",
        ),
        "def sort_by(xs, key): return sorted(xs, key=key)",
    ),
    Case(
        "pairs",
        (
            "assert list(pairs(iter([1, 2, 3]))) == [(1, 2), (2, 3)]",
            "def g():\n    yield 1\n    yield 2\nassert list(pairs(g())) == [(1, 2)]",
        ),
        "def pairs(it):\n    it = iter(it); a = next(it)\n    for b in it:\n        yield a, b\n        a = b",
    ),
    Case(
        "Countdown",
        (
            "assert list(Countdown(3)) == [3, 2, 1] and list(Countdown(3)) == [3, 2, 1]\nit = iter(Countdown(1)); next(it)\ntry: next(it); assert False\nexcept StopIteration: pass",
            "assert max(Countdown(4)) == 4 and 2 in Countdown(3) and 7 not in Countdown(3) and sum(Countdown(3)) == 6",
        ),
        "class Countdown:\n    def __init__(self, n): self.n = n\n    def __iter__(self):\n        k = self.n\n        while k: yield k; k -= 1",
    ),
    Case(
        "fib",
        (
            "g = fib()\nassert [next(g) for _ in range(6)] == [0, 1, 1, 2, 3, 5]\nimport itertools\nassert list(itertools.islice(fib(), 3)) == [0, 1, 1]\ng.close()",
        ),
        "def fib():\n    a, b = 0, 1\n    while True:\n        yield a\n        a, b = b, a + b",
    ),
    Case(
        "Matrix",
        (
            "m = Matrix([[1, 2], [3, 4]])\nassert m[0, 1] == 2 and (m + m)[1, 1] == 8 and m == Matrix([[1, 2], [3, 4]]) and m.T() == Matrix([[1, 3], [2, 4]]) and (m @ m)[0, 0] == 7\nm[0, 0] = 9\nassert m[0, 0] == 9 and m != Matrix([[1, 2], [3, 4]])",
            "assert -Matrix([[1]]) == Matrix([[-1]]) and Matrix([[2]]) * 3 == Matrix([[6]]) and 3 * Matrix([[2]]) == Matrix([[6]])",
        ),
        "class Matrix:\n    def __init__(self, r): self.r = [list(x) for x in r]\n    def __getitem__(self, ij): return self.r[ij[0]][ij[1]]\n    def __setitem__(self, ij, v): self.r[ij[0]][ij[1]] = v\n    def __eq__(self, o): return isinstance(o, Matrix) and self.r == o.r\n    def __add__(self, o): return Matrix([[a + b for a, b in zip(x, y)] for x, y in zip(self.r, o.r)])\n    def __matmul__(self, o): return Matrix([[sum(a * b for a, b in zip(x, c)) for c in zip(*o.r)] for x in self.r])\n    def __mul__(self, k): return Matrix([[a * k for a in x] for x in self.r])\n    __rmul__ = __mul__\n    def __neg__(self): return self * -1\n    def T(self): return Matrix(zip(*self.r))",
    ),
    Case(
        "Money",
        (
            "assert f'{Money(5):.2f}' == '$5.00' and str(Money(1)) == '$1' and repr(Money(1)) == 'Money(1)' and bool(Money(0)) is False and int(Money(3)) == 3",
            "assert Money(1) < Money(2) and max(Money(1), Money(4)).n == 4 and sorted([Money(3), Money(1)])[0].n == 1 and hash(Money(1)) == hash(Money(1)) and len({Money(1), Money(1)}) == 1",
        ),
        "import functools\n@functools.total_ordering\nclass Money:\n    def __init__(self, n): self.n = n\n    def __format__(self, s): return '$' + format(self.n, s)\n    def __str__(self): return f'${self.n}'\n    def __repr__(self): return f'Money({self.n})'\n    def __bool__(self): return self.n != 0\n    def __int__(self): return self.n\n    def __eq__(self, o): return self.n == o.n\n    def __lt__(self, o): return self.n < o.n\n    def __hash__(self): return hash(self.n)",
    ),
    Case(
        "timer",
        ("with timer() as t: pass\nassert t.done is True and t.depth == 1",),
        "class timer:\n    depth = 0\n    def __enter__(self): self.depth += 1; self.done = False; return self\n    def __exit__(self, *e): self.done = True",
    ),
    Case(
        "freq",
        (
            "from collections import Counter\nc = freq('aab')\nassert c == Counter('aab') and c['a'] == 2 and c['z'] == 0 and c.most_common(1) == [('a', 2)] and isinstance(c, Counter)",
        ),
        "from collections import Counter\ndef freq(s): return Counter(s)",
    ),
    Case(
        "group",
        ("g = group(['a', 'bb', 'c'])\nassert g == {1: ['a', 'c'], 2: ['bb']} and g[9] == [] and 9 in g",),
        "from collections import defaultdict\ndef group(ws):\n    d = defaultdict(list)\n    for w in ws: d[len(w)].append(w)\n    return d",
    ),
    Case(
        "window",
        (
            "from collections import deque\nd = window([1, 2, 3, 4])\nassert list(d) == [3, 4] and d.maxlen == 2\nd.append(5)\nassert d == deque([4, 5])",
        ),
        "from collections import deque\ndef window(xs): return deque(xs, maxlen=2)",
    ),
    Case(
        "mean",
        (
            "from fractions import Fraction\nassert mean([1, 2]) == Fraction(3, 2) and mean([1, 2]) == 1.5 and isinstance(mean([1]), Fraction)",
        ),
        "from fractions import Fraction\ndef mean(xs): return Fraction(sum(xs), len(xs))",
    ),
    Case(
        "price",
        (
            "from decimal import Decimal\nassert price('1.10', 3) == Decimal('3.30') and str(price('1.10', 3)) == '3.30'",
        ),
        "from decimal import Decimal\ndef price(p, n): return Decimal(p) * n",
    ),
    Case(
        "add_days",
        (
            "import datetime\nassert add_days(datetime.date(2024, 2, 28), 2) == datetime.date(2024, 3, 1)\nd = add_days(datetime.datetime(2024, 1, 1, 5), 1)\nassert d.hour == 5 and d - datetime.datetime(2024, 1, 1, 5) == datetime.timedelta(days=1)",
        ),
        "import datetime\ndef add_days(d, n): return d + datetime.timedelta(days=n)",
    ),
    Case(
        "roots",
        (
            "r = roots(1, -3, 2)\nassert len(r) == 2 and abs(r[0] - 1.0) < 1e-9 and abs(r[1] - 2.0) < 1e-9\nimport math\nassert math.isclose(roots(1, 0, -2)[1], math.sqrt(2))",
        ),
        "def roots(a, b, c):\n    d = (b * b - 4 * a * c) ** 0.5\n    return sorted([(-b - d) / 2 / a, (-b + d) / 2 / a])",
    ),
    Case(
        "fact",
        ("import math\nassert fact(200) == math.factorial(200) and fact(1000) % 7 == 0",),
        "def fact(n):\n    r = 1\n    for k in range(2, n + 1): r *= k\n    return r",
    ),
    Case(
        "depth",
        ("x = []\nfor _ in range(150): x = [x]\nassert depth(x) == 151",),
        "def depth(x): return 1 + max(map(depth, x), default=0)",
    ),
    Case(
        "ack",
        ("assert ack(2, 3) == 9",),
        "import sys\nsys.setrecursionlimit(10000)\ndef ack(m, n): return n + 1 if m == 0 else ack(m - 1, 1) if n == 0 else ack(m - 1, ack(m, n - 1))",
    ),
    Case(
        "invert",
        (
            "assert invert({1: 'a', (2, 3): 'b', None: 'c', True: 'd'}) == {'d': 1, 'b': (2, 3), 'c': None}",
            "assert invert({2.5: frozenset({1})}) == {frozenset({1}): 2.5}",
        ),
        "def invert(d): return {v: k for k, v in d.items()}",
    ),
    Case(
        "pack",
        (
            "assert pack(b'ab') == bytearray(b'ba') and isinstance(pack(b''), bytearray)\nb = bytearray(b'xy'); assert pack(b) == b'yx' and b == b'xy'",
        ),
        "def pack(b): return bytearray(reversed(b))",
    ),
    Case(
        "Singleton",
        ("assert Singleton() is Singleton() and Singleton().n == Singleton().n",),
        "class Singleton:\n    _one = None\n    def __new__(cls):\n        if cls._one is None: cls._one = super().__new__(cls); cls._one.n = 1\n        return cls._one",
    ),
    Case(
        "Node build",
        (
            "n = build([1, 2, 3])\nassert n.next.next.value == 3 and n.next.next.next is None and isinstance(n, Node)\nn.next.value = 7\nassert n.to_list() == [1, 7, 3]\nn.next = n.next.next\nassert n.to_list() == [1, 3]",
            "m = Node(5, build([6]))\nassert m.to_list() == [5, 6]",
        ),
        "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\n    def to_list(self): return [self.value] + (self.next.to_list() if self.next else [])\ndef build(xs):\n    h = None\n    for x in reversed(xs): h = Node(x, h)\n    return h",
    ),
    Case(
        "Graph",
        (
            "g = Graph()\ng.add(1, 2); g.add(2, 3)\nassert g.path(1, 3) == [1, 2, 3] and g.path(3, 1) is None and set(g.nodes) == {1, 2, 3}",
        ),
        "from collections import deque\nclass Graph:\n    def __init__(self): self.e = {}\n    def add(self, a, b): self.e.setdefault(a, []).append(b); self.e.setdefault(b, [])\n    @property\n    def nodes(self): return self.e.keys()\n    def path(self, a, b):\n        q = deque([[a]]); seen = {a}\n        while q:\n            p = q.popleft()\n            if p[-1] == b: return p\n            for n in self.e[p[-1]]:\n                if n not in seen: seen.add(n); q.append(p + [n])",
    ),
    Case(
        "Counter2",
        (
            "a, b = Counter2(), Counter2()\na.inc(); a.inc()\nassert a.n == 2 and b.n == 0 and Counter2.made == 2",
        ),
        "class Counter2:\n    made = 0\n    def __init__(self): self.n = 0; Counter2.made += 1\n    def inc(self): self.n += 1",
    ),
    Case(
        "bump total",
        ("bump(); bump()\nassert total() == 2", "bump()\nassert total() == 3"),
        "n = 0\ndef bump():\n    global n\n    n += 1\ndef total(): return n",
    ),
    Case(
        "transpose",
        (
            "import numpy as np\na = np.arange(6).reshape(2, 3)\nb = transpose(a)\nassert b.shape == (3, 2) and (b == a.T).all() and b.dtype == a.dtype and np.array_equal(b[0], [0, 3])",
        ),
        "def transpose(a): return a.T.copy()",
    ),
    Case(
        "normalise",
        (
            "import numpy as np\nr = normalise([3.0, 4.0])\nassert np.allclose(r, [0.6, 0.8]) and isinstance(r, np.ndarray) and r.dtype == np.float64 and abs(np.linalg.norm(r) - 1) < 1e-9",
        ),
        "import numpy as np\ndef normalise(v): v = np.asarray(v); return v / np.linalg.norm(v)",
    ),
    Case(
        "Perm",
        (
            "assert Perm.R | Perm.W == Perm.RW and Perm.R in Perm.RW and Perm.X not in Perm.RW and Perm['X'].value == 4 and int(Perm.W) == 2",
        ),
        "import enum\nclass Perm(enum.IntFlag):\n    R = 1; W = 2; X = 4\n    RW = 3",
    ),
    Case(
        "Planet",
        (
            "assert Planet.EARTH.mass == 5 and Planet.EARTH.weight(2) == 10 and Planet.EARTH is Planet['EARTH'] and len(Planet) == 2 and [p.name for p in Planet] == ['EARTH', 'MARS'] and Planet.MARS in {Planet.MARS: 1}",
        ),
        "import enum\nclass Planet(enum.Enum):\n    EARTH = (5, 6)\n    MARS = (1, 3)\n    def __init__(self, mass, radius): self.mass, self.radius = mass, radius\n    def weight(self, n): return self.mass * n",
    ),
    Case(
        "Item",
        (
            "i = Item('a', [1])\nj = Item('a', [1])\nassert i == j and i is not j and i.tags is not j.tags\nimport copy\nk = copy.copy(i); m = copy.deepcopy(i)\nassert k == i and k.tags is i.tags and m.tags is not i.tags and m == i\nm.tags.append(2)\nassert i.tags == [1] and m != i",
            "import dataclasses\nassert [f.name for f in dataclasses.fields(Item)] == ['name', 'tags'] and dataclasses.is_dataclass(Item)\ntry: hash(Item('a')); assert False\nexcept TypeError: pass",
        ),
        "from dataclasses import dataclass, field\n@dataclass\nclass Item:\n    name: str\n    tags: list = field(default_factory=list)",
    ),
    Case(
        "Stack",
        (
            "s = Stack([1, 2])\ns.push(3)\nassert s == [1, 2, 3] and len(s) == 3 and s[-1] == 3 and s.peek() == 3 and isinstance(s, list) and s[:2] == [1, 2]\ns.append(4)\nassert s.peek() == 4 and list(reversed(s)) == [4, 3, 2, 1]",
        ),
        "class Stack(list):\n    def push(self, x): self.append(x)\n    def peek(self): return self[-1]",
    ),
    Case(
        "Attrs",
        (
            "a = Attrs(x=1)\nassert a.x == 1 and a['x'] == 1\na.y = 2\nassert a['y'] == 2 and a == {'x': 1, 'y': 2} and sorted(a) == ['x', 'y'] and not hasattr(a, 'z')",
        ),
        "class Attrs(dict):\n    def __getattr__(self, k):\n        try: return self[k]\n        except KeyError: raise AttributeError(k) from None\n    def __setattr__(self, k, v): self[k] = v",
    ),
    Case(
        "hello",
        (
            "import io, contextlib\nb = io.StringIO()\nwith contextlib.redirect_stdout(b): r = hello('x')\nassert b.getvalue() == 'hi x\\nbye\\n' and r is None",
            "from unittest.mock import patch\nimport io\nwith patch('sys.stdout', new_callable=io.StringIO) as out: hello('y')\nassert out.getvalue().splitlines()[0] == 'hi y'",
        ),
        "import sys\ndef hello(n):\n    print('hi', n)\n    sys.stdout.write('bye\\n')",
    ),
    Case(
        "ask",
        (
            "from unittest.mock import patch\nwith patch('builtins.input', side_effect=['3', 'x', '4']): assert ask() == [3, 4]",
        ),
        "def ask():\n    r = []\n    while len(r) < 2:\n        try: r.append(int(input()))\n        except ValueError: pass\n    return r",
    ),
    Case(
        "roll",
        (
            "import random\nrandom.seed(1)\nwant = [random.randint(1, 6) for _ in range(3)]\nrandom.seed(1)\nassert [roll() for _ in range(3)] == want",
            "import random\nrandom.seed(5); a = roll(); b = random.random()\nrandom.seed(5); assert roll() == a and random.random() == b",
        ),
        "import random\ndef roll(): return random.randint(1, 6)",
    ),
    Case(
        "Bank",
        (
            "import threading\nb = Bank()\nts = [threading.Thread(target=b.add, args=(2,)) for _ in range(8)]\nfor t in ts: t.start()\nfor t in ts: t.join()\nassert b.total == 16",
        ),
        "import threading\nclass Bank:\n    def __init__(self): self.total, self.lock = 0, threading.Lock()\n    def add(self, n):\n        with self.lock: self.total += n",
    ),
    Case(
        "run_all",
        ("assert sorted(run_all([lambda: 1, lambda: 2])) == [1, 2]",),
        "from concurrent.futures import ThreadPoolExecutor\ndef run_all(fs):\n    with ThreadPoolExecutor(4) as ex: return list(ex.map(lambda f: f(), fs))",
    ),
    Case(
        "fetch_all",
        (
            "import asyncio\nassert asyncio.run(fetch_all([3, 1, 2])) == [3, 1, 2]",
            "import asyncio\nasync def slow():\n    try:\n        await asyncio.wait_for(fetch_all([10_000]), 0.05)\n    except asyncio.TimeoutError: return 'late'\nassert asyncio.run(slow()) == 'late'",
        ),
        "import asyncio\nasync def one(n): await asyncio.sleep(n / 1000); return n\nasync def fetch_all(ns): return await asyncio.gather(*map(one, ns))",
    ),
    Case(
        "ticks",
        (
            "import asyncio\nasync def main(): return [x async for x in ticks(3)]\nassert asyncio.run(main()) == [0, 1, 2]",
        ),
        "async def ticks(n):\n    for i in range(n): yield i",
    ),
    Case(
        "load",
        (
            "import json, tempfile, os\nwith tempfile.TemporaryDirectory() as d:\n    p = os.path.join(d, 'a.json')\n    with open(p, 'w') as f: json.dump({'a': [1]}, f)\n    assert load(p) == {'a': [1]}\n    try: load(os.path.join(d, 'none')); assert False\n    except FileNotFoundError: pass",
        ),
        "import json\ndef load(p):\n    with open(p) as f: return json.load(f)",
    ),
    Case(
        "match",
        (
            "m = match('ab12')\nassert m and m.group(1) == '12' and m.start(1) == 2 and m[0] == 'ab12'\nassert match('x') is None",
        ),
        "import re\ndef match(s): return re.fullmatch(r'[a-z]+(\\d+)', s)",
    ),
    Case(
        "kinds",
        ("assert kinds([1, 'a', None]) == [int, str, type(None)] and kinds([[]])[0] is list",),
        "def kinds(xs): return [type(x) for x in xs]",
    ),
    Case(
        "swap",
        (
            "a, b = [1], [2]\nx, y = swap(a, b)\nassert x is b and y is a\nt = (a, b); assert swap(*t) == (b, a)",
        ),
        "def swap(a, b): return b, a",
    ),
    Case(
        "rotate",
        (
            "m = [[1, 2], [3, 4]]\nrows = [m[0], m[1]]\nassert rotate(m) is None and m == [[3, 1], [4, 2]] and m[0] is rows[0]",
        ),
        "def rotate(m):\n    n = len(m); r = [[m[n - 1 - j][i] for j in range(n)] for i in range(n)]\n    for i in range(n): m[i][:] = r[i]",
    ),
    Case(
        "Poly",
        (
            "p = Poly(1, 2)\nassert p(3) == 7 and callable(p) and not callable(p.c) and hasattr(p, '__call__') and p == Poly(1, 2, 0) and hash(p) == hash(Poly(1, 2))",
        ),
        "class Poly:\n    def __init__(self, *c):\n        c = list(c)\n        while c and c[-1] == 0: c.pop()\n        self.c = c\n    def __call__(self, x): return sum(a * x ** i for i, a in enumerate(self.c))\n    def __eq__(self, o): return self.c == o.c\n    def __hash__(self): return hash(tuple(self.c))",
    ),
    Case(
        "Chain",
        ("assert Chain(5).add(3).mul(2).value == 16",),
        "class Chain:\n    def __init__(self, v): self.value = v\n    def add(self, n): self.value += n; return self\n    def mul(self, n): self.value *= n; return self",
    ),
    Case(
        "Obs",
        (
            "seen = []\no = Obs(); o.on(seen.append); o.on(lambda x: seen.append(x * 2)); o.fire(3)\nassert seen == [3, 6]\no.off(seen.append)\no.fire(1)\nassert seen == [3, 6, 2]",
        ),
        "class Obs:\n    def __init__(self): self.fs = []\n    def on(self, f): self.fs.append(f)\n    def off(self, f): self.fs.remove(f)\n    def fire(self, x):\n        for f in self.fs: f(x)",
    ),
)
