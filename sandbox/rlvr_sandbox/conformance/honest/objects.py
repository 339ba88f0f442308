"""Right programs whose objects stay with them, while tests in a process of their own use those through handles."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import asserts, honest, text

STACK = text("""
    class Stack:
        def __init__(self, items=()):
            self._items = list(items)
            self.limit = 10

        def push(self, item):
            if len(self._items) >= self.limit:
                raise OverflowError("the stack is full")
            self._items.append(item)
            return self

        def pop(self):
            return self._items.pop()

        @property
        def top(self):
            return self._items[-1]

        def __len__(self):
            return len(self._items)

        def __iter__(self):
            return iter(self._items)

        def __getitem__(self, index):
            return self._items[index]
""")

HONEST = (
    honest(
        "items-deleted-and-hashed",
        "Is a class with items that the tests delete, and has equal objects that are one in a set.",
        asserts(
            "Table Point Place",
            """
            table = Table()
            table["a"] = 1
            del table["a"]
            assert "a" not in table and len(table) == 0
            """,
            "assert len({Point(1), Point(1), Point(2)}) == 2 and {Point(1): 'one'}[Point(1)] == 'one'",
            "assert issubclass(Point, Place) and not issubclass(Table, Place)",
        ),
        """
        from dataclasses import dataclass

        class Place:
            pass

        @dataclass(frozen=True)
        class Point(Place):
            x: int

        class Table:
            def __init__(self):
                self._items = {}

            def __setitem__(self, key, value):
                self._items[key] = value

            def __delitem__(self, key):
                del self._items[key]

            def __iter__(self):
                return iter(self._items)

            def __len__(self):
                return len(self._items)
        """,
    ),
    honest(
        "nodes-that-are-true",
        "Is a class whose instances the tests ask for their truth, as they walk along.",
        asserts(
            "Node reverse",
            """
            first = Node(1)
            first.next = Node(2)
            node, values = reverse(first), []
            while node:
                values.append(node.value)
                node = node.next
            assert values == [2, 1]
            """,
        ),
        """
        class Node:
            def __init__(self, value):
                self.value, self.next = value, None

        def reverse(node):
            before = None
            while node:
                node.next, before, node = before, node, node.next
            return before
        """,
    ),
    honest(
        "containers-with-methods",
        "Derives classes from list and OrderedDict, and gives them methods that the tests call.",
        asserts(
            "Cache Stack",
            """
            cache = Cache(2)
            cache.put(1, "a")
            cache.put(2, "b")
            assert cache.get(1) == "a"
            cache.put(3, "c")
            assert cache.get(2) == -1 and len(cache) == 2 and 3 in cache
            """,
            """
            stack = Stack()
            stack.push(1)
            stack.push(2)
            assert stack == [1, 2] and stack != [1] and stack == Stack([1, 2]) and stack != Stack([2, 1])
            assert stack.pop() == 2
            """,
        ),
        """
        from collections import OrderedDict

        class Cache(OrderedDict):
            def __init__(self, most):
                super().__init__()
                self.most = most

            def get(self, key):
                if key not in self:
                    return -1
                self.move_to_end(key)
                return self[key]

            def put(self, key, value):
                self[key] = value
                self.move_to_end(key)
                if len(self) > self.most:
                    self.popitem(last=False)

        class Stack(list):
            def push(self, item):
                self.append(item)
        """,
    ),
    honest(
        "methods-and-attributes",
        "Is a class whose methods the tests call and whose attributes they read and set.",
        asserts(
            "Stack",
            """
            s = Stack()
            s.push(1)
            s.push(2)
            assert s.pop() == 2 and s.top == 1 and len(s) == 1
            """,
            """
            s = Stack([1])
            s.limit = 1
            try:
                s.push(2)
                full = False
            except OverflowError:
                full = True
            assert full and s.limit == 1
            """,
            "assert Stack().push(1).push(2).push(3).pop() == 3",
            "s = Stack(range(3))\nassert list(s) == [0, 1, 2] and s[-1] == 2 and s[0:2] == [0, 1] == sorted(s)[:2]",
        ),
        STACK,
    ),
    honest(
        "operators-between-objects",
        "Defines operators and comparison for its own objects.",
        asserts(
            "Vector",
            "assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)",
            "assert Vector(1, 2) != Vector(2, 1) and (Vector(1, 1) - Vector(1, 1)).length() == 0",
            'assert str(Vector(1, 2)) == "(1, 2)" and repr(Vector(0, 0)) == "Vector(0, 0)"',
        ),
        """
        class Vector:
            def __init__(self, x, y): self.x, self.y = x, y
            def __add__(self, other): return Vector(self.x + other.x, self.y + other.y)
            def __sub__(self, other): return Vector(self.x - other.x, self.y - other.y)
            def __eq__(self, other): return (self.x, self.y) == (other.x, other.y)
            def __str__(self): return f"({self.x}, {self.y})"
            def __repr__(self): return f"Vector({self.x}, {self.y})"
            def length(self): return (self.x ** 2 + self.y ** 2) ** 0.5
        """,
    ),
    honest(
        "linked-lists",
        "Takes and returns linked nodes that the tests build and walk.",
        asserts(
            "Node reverse",
            """
            a = Node(1, Node(2, Node(3)))
            r, seen = reverse(a), []
            while r is not None:
                seen.append(r.value)
                r = r.next
            assert seen == [3, 2, 1]
            """,
            """
            n = Node(1)
            n.next = Node(2)
            assert reverse(n).value == 2 and reverse(None) is None
            """,
        ),
        """
        class Node:
            def __init__(self, value, next=None):
                self.value, self.next = value, next

        def reverse(node):
            before = None
            while node:
                node.next, before, node = before, node, node.next
            return before
        """,
    ),
    honest(
        "objects-in-lists",
        "Takes lists of its own objects, and returns lists and dicts of them.",
        asserts(
            "Item cheapest",
            'items = [Item("a", 3), Item("b", 1)]\nassert [i.name for i in cheapest(items, 1)] == ["b"]',
            'assert cheapest([Item("x", 2)], 5)[0].price == 2',
        ),
        """
        import heapq
        from dataclasses import dataclass

        @dataclass
        class Item:
            name: str
            price: float

        def cheapest(items, n):
            return heapq.nsmallest(n, items, key=lambda item: item.price)
        """,
    ),
    honest(
        "data-classes-compared",
        "Returns data classes, which tests compare with ones that they make.",
        asserts(
            "Point mirror",
            "assert mirror(Point(1, 2)) == Point(2, 1)",
            "assert mirror(Point(1, 1)).x == 1 and Point(1, 2) == Point(1, 2)",
        ),
        """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Point:
            x: int
            y: int
        def mirror(p): return Point(p.y, p.x)
        """,
    ),
    honest(
        "class-and-static-methods",
        "Has class methods, static methods and class attributes.",
        asserts(
            "Temperature",
            "assert Temperature.from_fahrenheit(212).celsius == 100 and Temperature.freezing == 0",
            "assert Temperature.to_kelvin(0) == 273.15",
        ),
        """
        class Temperature:
            freezing = 0
            def __init__(self, celsius): self.celsius = celsius
            @classmethod
            def from_fahrenheit(cls, f): return cls((f - 32) * 5 / 9)
            @staticmethod
            def to_kelvin(celsius): return celsius + 273.15
        """,
    ),
    honest(
        "inheritance",
        "Has subclasses that override methods, some of which are abstract.",
        asserts(
            "Square Circle",
            "assert Square(3).area() == 9 and abs(Circle(1).area() - 3.14159) < 1e-4",
            'assert Square(1).describe() == "Square of 1"',
        ),
        """
        import abc, math

        class Shape(abc.ABC):
            def __init__(self, size): self.size = size
            @abc.abstractmethod
            def area(self): ...
            def describe(self): return f"{type(self).__name__} of {self.area()}"

        class Square(Shape):
            def area(self): return self.size ** 2

        class Circle(Shape):
            def area(self): return math.pi * self.size ** 2
        """,
    ),
    honest(
        "the-same-object-twice",
        "Returns one object on every call.",
        asserts("instance", "a, b = instance(), instance()\nassert a == b\na.x = 5\nassert b.x == 5"),
        "class Single: x = 0\nonly = Single()\ndef instance(): return only\n",
    ),
    honest(
        "a-singleton",
        "Returns one object on every call, which the tests ask for by identity.",
        asserts(
            "Registry",
            "assert Registry() is Registry()",
            "a = Registry()\nassert a is Registry() and a is not None",
        ),
        """
        class Registry:
            only = None
            def __new__(cls):
                if cls.only is None:
                    cls.only = super().__new__(cls)
                return cls.only
        """,
    ),
    honest(
        "different-objects",
        "Returns a new object on every call, which is equal to itself alone.",
        asserts(
            "token",
            "assert token() != token() and token() is not token()",
            "t = token()\nassert t == t and not t == token()",
        ),
        "class Token: pass\ndef token(): return Token()\n",
    ),
    honest(
        "exceptions-of-its-own",
        "Raises exceptions that it defines, which the tests catch by their names.",
        asserts(
            "withdraw TooLittle",
            """
            try:
                withdraw(10, 20)
                refused = False
            except TooLittle as error:
                refused = "10" in str(error)
            assert refused and withdraw(20, 10) == 10
            """,
        ),
        """
        class TooLittle(Exception):
            pass

        def withdraw(balance, amount):
            if amount > balance:
                raise TooLittle(f"only {balance} left")
            return balance - amount
        """,
    ),
    honest(
        "classes-asked-for",
        "Returns instances of its classes, which the tests ask for with isinstance.",
        asserts(
            "Shape Square make",
            "assert isinstance(make(2), Square) and isinstance(make(2), Shape) and not isinstance(7, Square)",
            "assert make(3).n == 3 and not isinstance(make(2), str)",
        ),
        """
        class Shape: pass
        class Square(Shape):
            def __init__(self, n): self.n = n
        def make(n): return Square(n)
        """,
    ),
    honest(
        "signs-and-bounds",
        "Defines unary operators, abs and conversion for its own objects.",
        asserts(
            "Money",
            "assert -Money(3) == Money(-3) and abs(Money(-3)) == Money(3) and +Money(1) == Money(1)",
            "assert int(Money(3)) == 3 and float(Money(4)) == 4.0",
        ),
        """
        class Money:
            def __init__(self, n): self.n = n
            def __neg__(self): return Money(-self.n)
            def __pos__(self): return self
            def __abs__(self): return Money(abs(self.n))
            def __int__(self): return self.n
            def __float__(self): return float(self.n)
            def __eq__(self, other): return self.n == other.n
        """,
    ),
    honest(
        "enumerations",
        "Returns members of an enumeration, whose values and names the tests read.",
        asserts("light", 'assert light(0).name == "RED" and light(1).value == 2 and light(0) == light(0)'),
        """
        import enum
        class Light(enum.Enum):
            RED = 1
            GREEN = 2
        def light(n): return list(Light)[n]
        """,
    ),
    honest(
        "caches",
        "Is a class with items that the tests set and read.",
        asserts(
            "Cache",
            """
            c = Cache(2)
            c.put("a", 1)
            c.put("b", 2)
            c.get("a")
            c.put("c", 3)
            assert c.get("b") == -1 and c.get("a") == 1
            """,
            'c = Cache(1)\nc["x"] = [1]\nassert c["x"] == [1] and len(c) == 1',
        ),
        """
        from collections import OrderedDict

        class Cache:
            def __init__(self, size): self.size, self.items = size, OrderedDict()
            def get(self, key):
                if key not in self.items: return -1
                self.items.move_to_end(key)
                return self.items[key]
            def put(self, key, value):
                self.items[key] = value
                self.items.move_to_end(key)
                if len(self.items) > self.size: self.items.popitem(last=False)
            __setitem__ = put
            __getitem__ = get
            def __len__(self): return len(self.items)
        """,
    ),
)
