"""Using up processes, memory, files, time and patience."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import (
    CHECK,
    ENDED,
    ONE_CALL,
    ONE_LINE,
    TIGHT,
    Attack,
    attack,
)
from rlvr_sandbox.conformance.machine.leftovers import CALLED, CLEAN
from rlvr_sandbox.programs import Tests
from rlvr_sandbox.results import ProgramOutcome

NEVER_ENDS = frozenset({ProgramOutcome.TIMEOUT})
TOO_LARGE = frozenset(
    {ProgramOutcome.MEMORY, ProgramOutcome.CRASHED, ProgramOutcome.TIMEOUT, ProgramOutcome.KILLED_SANDBOX}
)


def bomb(
    name: str, says: str, source: str, tests: Tests = ONE_LINE, outcomes: frozenset[ProgramOutcome] = ENDED
) -> Attack:
    """An attack within tight limits, after which honest programs run as if nothing had been."""
    return attack(name, says, tests, source, limits=TIGHT, outcomes=outcomes, after=(CLEAN, CALLED))


ATTACKS = (
    bomb(
        "fork-bomb",
        "Forks as fast as it can.",
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    ),
    bomb(
        "fork-bomb-in-sessions",
        "Forks into sessions of their own that ignore signals, in the call.",
        """
        import os, signal

        def add(a, b):
            for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGALRM):
                signal.signal(sig, signal.SIG_IGN)
            while True:
                try:
                    if os.fork() == 0:
                        os.setsid()
                except OSError:
                    pass
        """,
        CHECK,
    ),
    bomb(
        "fork-bomb-before-the-tests",
        "Forks as fast as it can while it is loaded, so that the tests find no process left to run in.",
        """
        import os
        for _ in range(1000):
            try:
                if os.fork() == 0:
                    while True:
                        pass
            except OSError:
                pass
        def add(a, b): return None
        """,
        CHECK,
        outcomes=ENDED | {ProgramOutcome.FAILED},
    ),
    bomb(
        "allocate-before-the-tests",
        "Takes all memory while it is loaded, so that the tests find none.",
        """
        blocks = []
        try:
            while True:
                blocks.append(bytearray(b"x") * (1 << 20))
        except MemoryError:
            pass
        def add(a, b): return None
        """,
        CHECK,
        outcomes=TOO_LARGE | {ProgramOutcome.FAILED},
    ),
    bomb(
        "thread-bomb",
        "Starts threads without end, each of which waits.",
        """
        import threading, time
        while True:
            try:
                threading.Thread(target=time.sleep, args=(60,)).start()
            except RuntimeError:
                time.sleep(0.001)
        """,
    ),
    bomb(
        "spin-in-many-processes",
        "Spreads its computing over children, each below the limit of CPU time, and sleeps itself.",
        """
        import os, time
        for _ in range(20):
            if os.fork() == 0:
                while True:
                    pass
        time.sleep(60)
        """,
    ),
    bomb(
        "spin-in-short-lived-children",
        "Computes in a succession of children that end before anyone looks.",
        """
        import os
        while True:
            if os.fork() == 0:
                sum(range(300_000))
                os._exit(0)
            os.wait()
        """,
    ),
    bomb(
        "allocate-for-ever",
        "Takes memory, and writes to it, until there is none.",
        """
        blocks = []
        while True:
            blocks.append(bytearray(b"x") * (1 << 22))
        """,
        outcomes=TOO_LARGE,
    ),
    bomb(
        "allocate-in-the-call",
        "The same in a call made by the tests.",
        "def add(a, b): return len([bytearray(b'x') * (1 << 22) for _ in range(10_000)])\n",
        CHECK,
        outcomes=TOO_LARGE,
    ),
    bomb(
        "allocate-at-one-go",
        "Asks for a terabyte.",
        "print(len('x' * (1 << 40)))\n",
        outcomes=TOO_LARGE,
    ),
    bomb(
        "allocate-in-many-processes",
        "Takes memory in many children, each below the limit.",
        """
        import os, time
        for _ in range(25):
            if os.fork() == 0:
                block = bytearray(b"x") * (100 << 20)
                time.sleep(60)
        time.sleep(60)
        """,
    ),
    bomb(
        "allocate-and-swallow-the-error",
        "Catches every MemoryError and goes on taking memory in smaller pieces.",
        """
        blocks, size = [], 1 << 26
        while True:
            try:
                blocks.append(bytearray(b"x") * size)
            except MemoryError:
                size = max(size // 2, 1)
        """,
    ),
    bomb(
        "allocate-shared-memory",
        "Takes shared memory, memory files and pipe buffers, which no process owns.",
        """
        import mmap, os
        kept = []
        while True:
            file = os.memfd_create("bomb")
            os.ftruncate(file, 1 << 24)
            kept.append(mmap.mmap(file, 1 << 24))
            kept[-1].write(b"x" * (1 << 24))
        """,
    ),
    bomb(
        "fill-the-disk",
        "Writes files until there is no room, and goes on trying.",
        """
        import os
        n = 0
        while True:
            for folder in ("/tmp", "/dev/shm", "."):
                try:
                    n += 1
                    with open(os.path.join(folder, f"leftover-{n}"), "wb") as file:
                        while True:
                            file.write(bytes(1 << 20))
                except OSError:
                    continue
        """,
    ),
    bomb(
        "fill-the-inodes",
        "Makes empty files without end.",
        """
        import os
        n = 0
        while True:
            n += 1
            try:
                os.close(os.open(f"/tmp/leftover-{n}", os.O_CREAT | os.O_WRONLY))
            except OSError:
                continue
        """,
    ),
    bomb(
        "a-huge-sparse-file",
        "Makes a file of a petabyte that holds nothing, and maps it.",
        """
        import mmap, os
        with open("/tmp/leftover", "w+b") as file:
            os.truncate(file.fileno(), 1 << 50)
            print(len(mmap.mmap(file.fileno(), 0)[:]))
        """,
    ),
    bomb(
        "open-everything",
        "Opens descriptors of all kinds until there are none, then tries to answer.",
        """
        import os, socket

        def add(a, b):
            kept = []
            try:
                while True:
                    kept += [os.open("/dev/null", 0), *os.pipe(), *socket.socketpair(), os.memfd_create("x")]
            except OSError:
                return kept
        """,
        ONE_CALL,
        outcomes=frozenset({ProgramOutcome.FAILED, ProgramOutcome.CRASHED}),
    ),
    bomb(
        "flood-the-output",
        "Writes to standard output without end.",
        """
        import os
        while True:
            os.write(1, b"x" * 65536)
        """,
        outcomes=frozenset({ProgramOutcome.OUTPUT, ProgramOutcome.TIMEOUT}),
    ),
    bomb(
        "flood-the-output-in-the-call",
        "The same where nobody reads the output.",
        """
        def add(a, b):
            while True:
                print("x" * 65536)
        """,
        CHECK,
        outcomes=frozenset({ProgramOutcome.OUTPUT, ProgramOutcome.TIMEOUT}),
    ),
    bomb(
        "flood-the-errors",
        "Writes to standard error without end.",
        """
        import os
        while True:
            os.write(2, b"x" * 65536)
        """,
        outcomes=frozenset({ProgramOutcome.OUTPUT, ProgramOutcome.TIMEOUT}),
    ),
    bomb(
        "flood-in-drops",
        "Writes single characters without end.",
        """
        import os
        while True:
            os.write(1, b"x")
        """,
        outcomes=frozenset({ProgramOutcome.OUTPUT, ProgramOutcome.TIMEOUT}),
    ),
    bomb(
        "flood-the-link",
        "Writes garbage without end on every descriptor that it has inherited.",
        """
        import os

        def add(a, b):
            for fd in range(3, 64):
                try:
                    os.set_blocking(fd, False)
                except OSError:
                    pass
            while True:
                for fd in range(3, 64):
                    try:
                        os.write(fd, b"\\x00\\x00\\x00\\x02{}" * 10_000)
                    except OSError:
                        continue
        """,
        CHECK,
    ),
    bomb(
        "promise-a-long-message",
        "Announces gigabytes on every descriptor, and sends none of them.",
        """
        import os, time

        def add(a, b):
            for fd in range(3, 64):
                try:
                    os.write(fd, b"\\x7f\\xff\\xff\\xff")
                except OSError:
                    continue
            time.sleep(60)
        """,
        CHECK,
    ),
    bomb("loop", "Loops.", "while True: pass\n", outcomes=NEVER_ENDS),
    bomb("loop-at-import", "Loops before its function is defined.", "while True: pass\n", CHECK, NEVER_ENDS),
    bomb(
        "loop-in-the-call",
        "Loops in a call that the host compares.",
        "def add(a, b):\n    while True: pass\n",
        ONE_CALL,
        NEVER_ENDS,
    ),
    bomb(
        "loop-in-c",
        "Computes in one long step that no Python signal handler interrupts.",
        "print(sum(range(10 ** 12)))\n",
        outcomes=NEVER_ENDS,
    ),
    bomb(
        "loop-in-a-regular-expression",
        "Matches a pattern with exponential backtracking.",
        "import re\nprint(re.match('(a+)+$', 'a' * 60 + 'b'))\n",
        outcomes=NEVER_ENDS,
    ),
    bomb(
        "a-tower-of-powers",
        "Computes an int that does not fit into memory.",
        "print(9 ** 9 ** 9 ** 9)\n",
    ),
    bomb("sleep", "Sleeps.", "import time\ntime.sleep(3600)\n", outcomes=NEVER_ENDS),
    bomb(
        "wait-for-input",
        "Waits for input that never comes, on a pipe of its own and on standard output.",
        "import os, select\nselect.select([os.pipe()[0]], [], [])\n",
        outcomes=NEVER_ENDS,
    ),
    bomb(
        "hang-without-output",
        "Closes all standard streams and sleeps.",
        "import os, time\nos.closerange(0, 3)\ntime.sleep(3600)\n",
        outcomes=NEVER_ENDS,
    ),
    bomb(
        "ignore-all-signals",
        "Ignores every signal, the one for exceeded CPU time included, raises its own limits, and loops.",
        """
        import resource, signal
        for sig in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(sig, signal.SIG_IGN)
        for limit in (resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_AS):
            try:
                resource.setrlimit(limit, (resource.getrlimit(limit)[1],) * 2)
                resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2)
            except (OSError, ValueError):
                continue
        while True:
            pass
        """,
        outcomes=NEVER_ENDS | {ProgramOutcome.CRASHED},
    ),
    bomb(
        "swallow-all-exceptions",
        "Catches every exception, interrupts included, and goes on.",
        """
        def loop():
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    continue
        loop()
        """,
        outcomes=NEVER_ENDS,
    ),
    bomb(
        "never-finish-exiting",
        "Ends, but for an exit handler, a thread and a destructor that do not.",
        """
        import atexit, threading, time
        atexit.register(time.sleep, 3600)
        threading.Thread(target=time.sleep, args=(3600,)).start()
        print("almost done")
        """,
        outcomes=NEVER_ENDS | {ProgramOutcome.FAILED},
    ),
    bomb(
        "kill-everything",
        "Kills everything that it may kill, itself included.",
        "import os, signal\nos.kill(-1, signal.SIGKILL)\nos.kill(0, signal.SIGKILL)\n",
    ),
    bomb(
        "stop-everything",
        "Stops everything that it may stop, itself included.",
        """
        import os, signal

        def add(a, b):
            os.kill(-1, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
        CHECK,
    ),
    bomb(
        "stop-the-parents",
        "Stops its parent and the first process, then itself.",
        """
        import os, signal
        for pid in (os.getppid(), 1, os.getpid()):
            try:
                os.kill(pid, signal.SIGSTOP)
            except OSError:
                continue
        """,
    ),
    bomb(
        "overflow-the-stack",
        "Recurses without end and without Python's limit.",
        """
        import sys
        sys.setrecursionlimit(2 ** 31 - 1)
        def deeper(n): return deeper(n + 1) + 1
        print(deeper(0))
        """,
    ),
    bomb(
        "overflow-the-stack-in-c",
        "Recurses without end through C code that does not look at limits.",
        """
        import sys
        sys.setrecursionlimit(2 ** 31 - 1)
        value = []
        for _ in range(50_000_000):
            value = [value]
        print(repr(value))
        """,
    ),
    bomb(
        "a-catastrophic-traceback",
        "Raises exceptions that cause each other in a circle, with messages of megabytes.",
        """
        class Loud(Exception):
            def __str__(self): return "x" * (20 << 20)

        def add(a, b):
            one, two = Loud(), Loud()
            one.__cause__, two.__context__ = two, one
            raise ExceptionGroup("many", [one] * 100) from two
        """,
        CHECK,
    ),
    bomb(
        "realtime-priority",
        "Asks for real-time scheduling and the highest priority, and loops.",
        """
        import os
        for act in (lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)), lambda: os.nice(-20)):
            try:
                act()
            except OSError:
                pass
        while True:
            pass
        """,
        outcomes=NEVER_ENDS,
    ),
)
