"""Things that one program leaves for the next: files, processes, memory, sockets, patched modules."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import (
    ASSERTS,
    CALLS,
    ONE_LINE,
    QUICK,
    SECRET,
    STDIO_SECRET,
    Attack,
    asserts,
    attack,
    stdio,
    text,
)
from rlvr_sandbox.conformance.verdicts.reading_the_tests import PRINT, SEARCH
from rlvr_sandbox.programs import Program

FOLDERS = text("""
    import os
    FOLDERS = [folder for folder in dict.fromkeys(["/tmp", "/dev/shm", "/var/tmp", os.getcwd()])
               if os.access(folder, os.W_OK)]
""")
"""A definition for the programs below: where files can be left."""

CLEAN = Program(
    source=FOLDERS
    + text("""
        import time
        time.sleep(0.05)
        left = [name for folder in FOLDERS for name in os.listdir(os.fsencode(folder)) if b"leftover" in name]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/comm") as comm:
                    left += [pid] * ("leftover" in comm.read())
            except OSError:
                continue
        for path in ("/proc/net/unix", "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"):
            try:
                with open(path) as table:
                    left += [line for line in table.readlines()[1:] if "sysvipc" in path or "leftover" in line]
            except OSError:
                continue
        for folder in FOLDERS:
            for n in range(10):
                with open(os.path.join(folder, f"mine-{n}"), "wb") as file:
                    file.write(bytes(50_000))
        print(left or "clean", input())
    """),
    tests=stdio(("as it was\n", "clean as it was\n")),
)
"""Passes when it finds nothing left over, and room to write."""

CALLED = Program(
    source=text("""
        import builtins, collections, copy, io, json, math, os, random, re, string, sys

        def add(a, b):
            assert math.isclose(math.sqrt(4), 2) and not math.isclose(1, 2) and not any([]) and len("ab") == 2
            assert json.loads(json.dumps({"a": [1]})) == {"a": [1]} and copy.deepcopy([1]) == [1]
            assert isinstance(1, int) and not isinstance(1, str) and sys.getrecursionlimit() >= 1000
            assert re.sub("a", "b", "aa") == "bb" and "leftover" not in os.environ and "leftover" not in sys.modules
            random.seed(5)
            assert random.random() == random.Random(5).random() and os.getcwd()
            return a + b
    """),
    tests=CALLS,
)
"""Passes when Python is as it should be."""


def leaving(name: str, says: str, source: str, *after: Program) -> Attack:
    """An attack that leaves something behind; the next programs must not be disturbed."""
    program = FOLDERS + text(source) + 'print("something else")\n'
    return attack(name, says, ONE_LINE, program, after=(*after, CLEAN, CALLED))


VICTIMS = (
    Program(
        source=f'secret = "{SECRET}" + input()\nwith open("/tmp/s", "w") as file:\n    file.write(secret)\n',
        tests=stdio((SECRET, "")),
        limits=QUICK,
    ),
    Program(
        source=f'secret = ["{SECRET}"] * 100\ndef tell(what): return secret[0]\n',
        tests=asserts("tell", f'assert tell("{SECRET}") == "{SECRET}"', f'assert tell(2) == "{SECRET}"'),
        limits=QUICK,
    ),
)
"""Honest programs that hold the secret, in source, input, output, files and tests."""

ATTACKS = (
    attack(
        "read-what-the-last-program-left",
        "Searches files and its own inherited memory for the source, input and tests of the program before it.",
        STDIO_SECRET,
        SEARCH
        + FOLDERS
        + text("""
            def look():
                search_memory("self")
                for top in FOLDERS:
                    for folder, _, files in os.walk(top):
                        for name in files:
                            search_file(os.path.join(folder, name))
        """)
        + PRINT,
        before=VICTIMS,
    ),
    attack(
        "read-what-the-last-tests-left",
        "Searches its neighbours' memory for the tests of the program before it.",
        STDIO_SECRET,
        SEARCH
        + text("""
            def look():
                for pid in pids():
                    search_memory(pid)
        """)
        + PRINT,
        before=VICTIMS,
    ),
    leaving(
        "leave-files",
        "Leaves files and folders, some of which nobody may read or enter.",
        r"""
        for folder in FOLDERS:
            for name in (b"leftover", b".leftover", b"leftover \n\xff*", b"-rf leftover"):
                with open(os.path.join(os.fsencode(folder), name), "wb") as file:
                    file.write(b"x" * 1000)
                os.chmod(file.name, 0)
            os.makedirs(os.path.join(folder, "leftover-folder/a/b/c"))
            os.chmod(os.path.join(folder, "leftover-folder/a"), 0)
        """,
    ),
    leaving(
        "leave-many-files",
        "Leaves thousands of files.",
        """
        for folder in FOLDERS[:1]:
            os.mkdir(os.path.join(folder, "leftover"))
            for n in range(5000):
                os.close(os.open(os.path.join(folder, "leftover", str(n)), os.O_CREAT | os.O_WRONLY))
        """,
    ),
    leaving(
        "leave-a-deep-folder",
        "Leaves a chain of folders deeper than any path may be long.",
        """
        for folder in FOLDERS[:1]:
            os.chdir(folder)
            for _ in range(600):
                os.mkdir("leftover-leftover-leftover")
                os.chdir("leftover-leftover-leftover")
        """,
    ),
    leaving(
        "leave-links",
        "Leaves links to system folders and files, which a careless clean-up would follow.",
        """
        for folder in FOLDERS:
            for n, target in enumerate(("/", "/usr", "/etc/passwd", "/proc", "/proc/self/root", "leftover-5", "..")):
                os.symlink(target, os.path.join(folder, f"leftover-{n}"))
            try:
                os.link("/etc/passwd", os.path.join(folder, "leftover-hard"))
            except OSError:
                pass
        """,
    ),
    leaving(
        "leave-pipes-and-sockets",
        "Leaves named pipes and sockets, on which opening and reading block.",
        """
        import socket
        for folder in FOLDERS:
            os.mkfifo(os.path.join(folder, "leftover-fifo"))
            server = socket.socket(socket.AF_UNIX)
            server.bind(os.path.join(folder, "leftover-socket"))
            server.listen()
        """,
    ),
    leaving(
        "leave-locked-folders",
        "Takes all rights from the folders that it may write to, and from its working directory.",
        """
        for folder in FOLDERS:
            for path in (os.path.join(folder, "leftover"), folder):
                try:
                    os.makedirs(path, exist_ok=True)
                    os.chmod(path, 0)
                except OSError:
                    continue
        """,
    ),
    leaving(
        "leave-no-folders",
        "Removes or renames the folders that programs write to.",
        """
        for folder in FOLDERS:
            for act in (os.rmdir, lambda path: os.rename(path, path + "-leftover")):
                try:
                    act(folder)
                except OSError:
                    continue
        """,
    ),
    leaving(
        "leave-a-full-disk",
        "Fills every folder that it may write to.",
        """
        for folder in FOLDERS:
            try:
                for n in range(100):
                    with open(os.path.join(folder, f"leftover-{n}"), "wb") as file:
                        for _ in range(16):
                            file.write(bytes(1 << 20))
            except OSError:
                continue
        """,
    ),
    leaving(
        "leave-a-daemon",
        "Leaves a process, forked twice into a session of its own, that deaf to signals goes on writing files.",
        """
        import ctypes, signal, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
                for sig in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                    signal.signal(sig, signal.SIG_IGN)
                os.closerange(0, 64)
                while True:
                    for folder in FOLDERS:
                        try:
                            os.close(os.open(os.path.join(folder, "leftover"), os.O_CREAT | os.O_WRONLY))
                        except OSError:
                            pass
                    time.sleep(0.001)
            os._exit(0)
        """,
    ),
    leaving(
        "leave-forking-daemons",
        "Leaves processes that replace themselves by forking, faster than they can be listed.",
        """
        import ctypes, time
        for _ in range(5):
            if os.fork() == 0:
                os.setsid()
                ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
                os.closerange(0, 64)
                while True:
                    try:
                        if os.fork():
                            os._exit(0)
                    except OSError:
                        time.sleep(0.001)
        """,
    ),
    leaving(
        "leave-a-daemon-that-holds-the-output",
        "Leaves a process that keeps standard output open, so that its end never comes.",
        """
        import ctypes, sys, time
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
            time.sleep(60)
        sys.stdout.flush()
        """,
    ),
    leaving(
        "leave-a-killer",
        "Leaves a process that kills and stops whatever else it may, for as long as it lives.",
        """
        import ctypes, signal
        if os.fork() == 0:
            os.setsid()
            ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
            while True:
                for pid in os.listdir("/proc"):
                    if pid.isdigit() and int(pid) != os.getpid():
                        for sig in (signal.SIGSTOP, signal.SIGKILL):
                            try:
                                os.kill(int(pid), sig)
                            except OSError:
                                continue
        """,
    ),
    leaving(
        "leave-a-daemon-from-a-thread",
        "Starts a process from a thread and at exit, after the main program has ended.",
        """
        import atexit, ctypes, time

        def daemon():
            if os.fork() == 0:
                os.setsid()
                ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
                os.closerange(0, 64)
                time.sleep(60)
                os._exit(0)

        atexit.register(daemon)
        """,
    ),
    leaving(
        "leave-shared-memory",
        "Leaves System V shared memory, semaphores and message queues, and POSIX shared memory.",
        """
        import ctypes
        libc = ctypes.CDLL(None)
        segment = libc.shmget(0x5EC, 4096, 0o1666)
        libc.semget(0x5EC, 1, 0o1666)
        libc.msgget(0x5EC, 0o1666)
        if os.path.isdir("/dev/shm"):
            try:
                open("/dev/shm/leftover", "wb").write(bytes(1000))
            except OSError:
                pass
        """,
    ),
    leaving(
        "leave-an-abstract-socket",
        "Leaves a process that listens on an abstract Unix socket, which no clean-up of files removes.",
        r"""
        import ctypes, socket, time
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0leftover")
        server.listen()
        if os.fork() == 0:
            os.setsid()
            ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
            time.sleep(60)
        """,
    ),
    leaving(
        "leave-zombies",
        "Leaves children that have ended and that it never waited for.",
        """
        for _ in range(25):
            if os.fork() == 0:
                os._exit(0)
        """,
    ),
    leaving(
        "leave-stopped-children",
        "Leaves children that are stopped, and so hear no signal but the last.",
        """
        import ctypes, signal
        for _ in range(10):
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(15, b"leftover", 0, 0, 0)
                os.kill(os.getpid(), signal.SIGSTOP)
                os._exit(0)
        """,
    ),
    attack(
        "leave-patched-modules",
        "Replaces builtins and functions of modules, the recursion limit and the environment.",
        ASSERTS,
        """
        import builtins, json, math, os, random, sys, types

        def add(a, b):
            os.environ["leftover"] = "1"
            sys.modules["leftover"] = types.ModuleType("leftover")
            math.isclose = builtins.any = builtins.isinstance = lambda *args, **kwargs: True
            math.sqrt = builtins.len = lambda x: 99
            json.dumps = lambda *args, **kwargs: "[]"
            random.seed = lambda *args: None
            sys.setrecursionlimit(100)
            os.chdir("/")
        """,
        after=(CALLED, CLEAN),
    ),
    attack(
        "leave-a-changed-interpreter",
        "Overwrites cached integers and type objects in memory that later programs could be forked from.",
        CALLS,
        """
        import ctypes

        def add(a, b):
            ctypes.memmove(id(7) + 24, id(9) + 24, 4)
            ctypes.memmove(id(True) + 24, id(False) + 24, 4)
        """,
        after=(CALLED, CLEAN),
    ),
    attack(
        "leave-unread-input",
        "Ends without reading a large input, which the next program could take for its own.",
        stdio(("left\n" * 100_000, "all read\n")),
        "print(input())\n",
        after=(CLEAN,),
    ),
    attack(
        "leave-unread-calls",
        "Ends in the middle of the tests' conversation, with answers sent that nobody asked for.",
        asserts("add", *(f"assert add({n}, {n}) == {2 * n}" for n in range(1, 9))),
        """
        import os, socket, stat, struct

        def add(a, b):
            for fd in range(3, 64):
                try:
                    if stat.S_ISSOCK(os.fstat(fd).st_mode):
                        for body in (b'{"value": 99}', b'{"ready": true, "value": 98}', b'{"gone": "passed"}'):
                            os.write(fd, struct.pack(">I", len(body)) + body)
                except OSError:
                    continue
            os._exit(0)
        """,
        after=(CALLED, CLEAN),
    ),
)
