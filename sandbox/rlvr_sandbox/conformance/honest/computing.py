"""Right programs that use much of Python, of the library and of the machine."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import honest, stdio
from rlvr_sandbox.conformance.honest.stdio import NOTHING_IN, NUMBERS
from rlvr_sandbox.programs import MIB, Limits

HONEST = (
    honest(
        "recurse-deeply",
        "Recurses to a depth of 50,000.",
        stdio(("50000\n", "1250025000\n")),
        """
        import sys
        sys.setrecursionlimit(10 ** 6)

        def total(n):
            return 0 if n == 0 else n + total(n - 1)

        print(total(int(input())))
        """,
    ),
    honest(
        "recurse-in-a-thread",
        "Recurses to a depth of 50,000 in a thread with a large stack, as competitors do.",
        stdio(("50000\n", "1250025000\n")),
        """
        import sys, threading
        sys.setrecursionlimit(10 ** 6)
        threading.stack_size(1 << 27)

        def total(n):
            return 0 if n == 0 else n + total(n - 1)

        def main():
            print(total(int(input())))

        thread = threading.Thread(target=main)
        thread.start()
        thread.join()
        """,
    ),
    honest(
        "recurse-through-a-cache",
        "Recurses 15,000 deep through functools.lru_cache, which uses the stack of C.",
        stdio(("15000\n", "15000\n")),
        """
        import functools, sys
        sys.setrecursionlimit(10 ** 6)

        @functools.lru_cache(maxsize=None)
        def depth(n):
            return 0 if n == 0 else 1 + depth(n - 1)

        print(depth(int(input())))
        """,
    ),
    honest(
        "raise-its-stack-limit",
        "Raises its own stack limit as far as it goes, as competitors do.",
        NOTHING_IN,
        """
        import resource, sys
        resource.setrlimit(resource.RLIMIT_STACK, [0x10000000, resource.RLIM_INFINITY])
        sys.setrecursionlimit(0x100000)
        print("done")
        """,
    ),
    honest(
        "talk-to-itself",
        "Talks to itself over the loopback interface and over a pair of sockets.",
        stdio(("", "ping pong\n")),
        """
        import socket, threading
        server = socket.create_server(("127.0.0.1", 0))
        def answer():
            with server.accept()[0] as connection:
                connection.sendall(connection.recv(10).replace(b"i", b"o"))
        threading.Thread(target=answer).start()
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(b"ping")
            print("ping", client.recv(10).decode())
        """,
    ),
    honest(
        "use-a-shell",
        "Asks the shell, with a pipe, and runs an executor of processes.",
        stdio(("", "2\n[1, 2]\n")),
        """
        import subprocess
        from concurrent.futures import ProcessPoolExecutor
        print(subprocess.check_output("printf 'a\\nb\\n' | wc -l", shell=True, text=True).strip())
        if __name__ == "__main__":
            with ProcessPoolExecutor(2) as pool:
                print(list(pool.map(abs, [-1, -2])))
        """,
    ),
    honest(
        "use-threads",
        "Computes with a pool of threads.",
        stdio(("", "4950\n")),
        """
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(8) as pool:
            print(sum(pool.map(int, range(100))))
        """,
    ),
    honest(
        "use-processes",
        "Computes with a pool of processes.",
        stdio(("", "[0, 1, 4, 9]\n")),
        """
        import multiprocessing

        def square(n):
            return n * n

        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(square, range(4)))
        """,
    ),
    honest(
        "use-a-subprocess",
        "Asks another Python for the answer.",
        stdio(("", "42\n")),
        """
        import subprocess, sys
        print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout.strip())
        """,
    ),
    honest(
        "fork-and-wait",
        "Forks a child that writes a part of the answer.",
        stdio(("", "child\nparent\n")),
        """
        import os
        if os.fork() == 0:
            print("child", flush=True)
            os._exit(0)
        os.wait()
        print("parent")
        """,
    ),
    honest(
        "run-an-event-loop",
        "Awaits tasks in asyncio.",
        stdio(("", "[0, 1, 2]\n")),
        """
        import asyncio

        async def work(n):
            await asyncio.sleep(0.01 * (3 - n))
            return n

        async def main():
            print(await asyncio.gather(*map(work, range(3))))

        asyncio.run(main())
        """,
    ),
    honest(
        "write-and-read-files",
        "Keeps intermediate data in temporary files and in its working directory.",
        NOTHING_IN,
        """
        import os, tempfile
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("do")
            file.seek(0)
            first = file.read()
        with open("scratch.txt", "w") as file:
            file.write("ne")
        print(first + open("scratch.txt").read())
        os.remove("scratch.txt")
        """,
    ),
    honest(
        "catch-an-alarm",
        "Limits its own time with an alarm.",
        NOTHING_IN,
        """
        import signal

        class Enough(Exception):
            pass

        def enough(*_):
            raise Enough

        signal.signal(signal.SIGALRM, enough)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            while True:
                pass
        except Enough:
            print("done")
        """,
    ),
    honest(
        "sleep-a-little",
        "Sleeps and measures time.",
        NOTHING_IN,
        """
        import time
        start = time.monotonic()
        time.sleep(0.2)
        print('done' if 0.15 < time.monotonic() - start < 15 else 'odd')
        """,
    ),
    honest(
        "use-much-memory",
        "Holds 150 MB.",
        NOTHING_IN,
        "block = bytearray(b'x') * (150 << 20)\nprint('done' if len(block) == 150 << 20 else 'odd')\n",
    ),
    honest(
        "recover-from-too-little-memory",
        "Asks for a terabyte, and does without.",
        NOTHING_IN,
        "try:\n    block = bytearray(1 << 40)\nexcept MemoryError:\n    print('done')\n",
    ),
    honest(
        "compute-for-a-while",
        "Computes for some tenths of a second.",
        stdio(("", "148933\n")),
        """
        sieve = bytearray([1]) * 2_000_000
        for n in range(2, 1415):
            if sieve[n]:
                sieve[n * n :: n] = bytes(len(range(n * n, 2_000_000, n)))
        print(sum(sieve) - 2)
        """,
        limits=Limits(cpu_seconds=10, memory_bytes=256 * MIB),
    ),
    honest(
        "use-much-of-the-library",
        "Imports what competitors import, and a good deal more.",
        NOTHING_IN,
        """
        import argparse, array, base64, bisect, calendar, cmath, collections, contextlib, copy, csv, ctypes, dataclasses
        import datetime, decimal, difflib, enum, fractions, functools, glob, gzip, hashlib, heapq, inspect, io
        import itertools, json, logging, math, operator, os, pathlib, pickle, platform, pprint, queue
        import random, re, secrets, shutil
        import socket, statistics, string, struct, sys, tempfile, textwrap, threading, time, timeit, traceback, types
        import typing, unicodedata, unittest, urllib.parse, uuid, warnings, weakref, xml.etree.ElementTree, zlib
        from typing import *
        print("done")
        """,
    ),
    honest(
        "keep-a-database",
        "Keeps tables in SQLite.",
        stdio(("", "3\n")),
        """
        import sqlite3
        db = sqlite3.connect(":memory:")
        db.execute("create table t (n int)")
        db.executemany("insert into t values (?)", [(1,), (2,)])
        print(db.execute("select sum(n) from t").fetchone()[0])
        """,
        modules="sqlite3",
    ),
    honest(
        "compute-with-arrays",
        "Computes with numpy.",
        NUMBERS,
        """
        import sys
        import numpy as np
        print(np.array(sys.stdin.read().split()[1:], dtype=np.int64).sum())
        """,
        modules="numpy",
    ),
    honest(
        "print-huge-numbers",
        "Prints a number of 5,000 digits, having raised Python's limit.",
        stdio(("", "1" + "0" * 4999 + "\n")),
        "import sys\nsys.set_int_max_str_digits(0)\nprint(10 ** 4999)\n",
    ),
    honest(
        "draw-random-numbers",
        "Draws random numbers from seeds, and from the system's entropy.",
        stdio(("", "30 30 8 0\n")),
        """
        import os, random, secrets
        random.seed(3)
        print(random.randrange(100), random.Random(3).randrange(100), len(os.urandom(8)), secrets.randbelow(1))
        """,
    ),
    honest(
        "start-with-a-byte-order-mark", "Begins with a byte order mark.", NOTHING_IN, "\ufeffprint('done')\n"
    ),
    honest(
        "declare-an-encoding",
        "Declares its encoding, and has letters beyond ASCII.",
        stdio(("", "Größe ∑ 日本\n")),
        "# -*- coding: utf-8 -*-\nGröße = 'Größe ∑ 日本'\nprint(Größe)\n",
    ),
    honest(
        "use-windows-line-ends-in-the-source",
        "Has lines that end in CRLF.",
        NOTHING_IN,
        "if True:\r\n    print('done')\r\n",
    ),
    honest(
        "have-no-final-newline",
        "Ends within a comment without a newline.",
        NOTHING_IN,
        "print('done')  # that was it",
    ),
    honest(
        "use-exec-and-eval",
        "Makes and runs code of its own, with globals and main's dictionary.",
        NOTHING_IN,
        """
        exec('def f(): return eval("word")', globals())
        word = 'done'
        import __main__
        print(__main__.f())
        """,
    ),
    honest(
        "pickle-its-own-classes",
        "Pickles and copies instances of classes that it defines.",
        NOTHING_IN,
        """
        import copy, dataclasses, pickle

        @dataclasses.dataclass
        class Point:
            x: int
            y: "int" = 2

        point = Point(1)
        print("done" if pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == Point(1, 2) else "odd")
        """,
    ),
    honest(
        "annotate-lazily",
        "Postpones its annotations, and asks for them by name.",
        NOTHING_IN,
        """
        from __future__ import annotations
        import typing

        class Tree:
            left: Tree | None = None

        assert typing.get_type_hints(Tree)["left"] == typing.Optional[Tree]
        print("done")
        """,
    ),
    honest(
        "look-at-its-arguments",
        "Looks at sys.argv and its own file name.",
        NOTHING_IN,
        "import os, sys\nprint('done' if len(sys.argv) == 1 and os.path.basename(__file__) else 'odd')\n",
    ),
)
