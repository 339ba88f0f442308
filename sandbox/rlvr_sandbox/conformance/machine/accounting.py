"""Using more than the limits allow where it is charged to nobody, and then answering rightly."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import Attack, attack, stdio
from rlvr_sandbox.programs import MIB, Limits
from rlvr_sandbox.results import ProgramOutcome

ANSWER = stdio(("", "42\n"))
SECOND = Limits(cpu_seconds=1.0, wall_seconds=8.0, memory_bytes=256 * MIB, output_bytes=MIB)
SMALL = Limits(cpu_seconds=4.0, wall_seconds=8.0, memory_bytes=96 * MIB, output_bytes=MIB)

OVER_TIME = frozenset({ProgramOutcome.TIMEOUT})
OVER_MEMORY = frozenset(
    {ProgramOutcome.MEMORY, ProgramOutcome.CRASHED, ProgramOutcome.TIMEOUT, ProgramOutcome.KILLED_SANDBOX}
)

_SPIN = """
import ctypes, mmap, os, signal, socket, sys, threading, time

def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

"""
_HOLD = """
import mmap, os, socket, sys, time
MIB = 1 << 20

def written(descriptor, data):
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view):]

"""


def launder(name: str, says: str, source: str) -> Attack:
    """Three times the limit of CPU time, in pieces that are each below it, then the right answer."""
    return attack(
        name, says, ANSWER, f"{_SPIN}{_flush(source)}print(42)\n", limits=SECOND, outcomes=OVER_TIME
    )


def hoard(name: str, says: str, source: str) -> Attack:
    """More than the limit of memory, for longer than a look at it takes to come, then the right answer."""
    held = f"{_HOLD}{_flush(source)}time.sleep(0.4)\nprint(42)\n"
    return attack(name, says, ANSWER, held, limits=SMALL, outcomes=OVER_MEMORY)


def _flush(source: str) -> str:
    return "\n".join(line.removeprefix("        ") for line in source.lstrip("\n").splitlines()) + "\n"


ATTACKS = (
    launder(
        "compute-in-orphans",
        "Computes in grandchildren whose parents have ended, so that nobody waits for them.",
        """
        reader, writer = os.pipe()
        for _ in range(6):
            if os.fork() == 0:
                if os.fork() == 0:
                    spin(0.5)
                    os.write(writer, b"x")
                os._exit(0)
            os.wait()
            os.read(reader, 1)
        """,
    ),
    launder(
        "compute-in-ignored-children",
        "Ignores the end of its children, so that the kernel forgets them and the time that they took.",
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        reader, writer = os.pipe()
        for _ in range(6):
            if os.fork() == 0:
                spin(0.5)
                os.write(writer, b"x")
                os._exit(0)
            os.read(reader, 1)
        """,
    ),
    launder(
        "compute-in-very-short-ignored-children",
        "The same in children that end long before anyone looks.",
        """
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        reader, writer = os.pipe()
        for _ in range(300):
            if os.fork() == 0:
                spin(0.01)
                os.write(writer, b"x")
                os._exit(0)
            os.read(reader, 1)
        """,
    ),
    launder(
        "compute-under-a-reaper-of-its-own",
        "Has orphans come to a child that ignores their end, and not to the supervisor.",
        """
        reader, writer = os.pipe()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            for _ in range(6):
                if os.fork() == 0:
                    if os.fork() == 0:
                        spin(0.5)
                        os.write(writer, b"x")
                    os._exit(0)
                time.sleep(0.01)
            time.sleep(60)
        for _ in range(6):
            os.read(reader, 1)
        """,
    ),
    launder(
        "compute-in-orphans-that-live-on",
        "Computes in orphans that are still there when it has answered.",
        """
        reader, writer = os.pipe()
        for _ in range(4):
            if os.fork() == 0:
                if os.fork() == 0:
                    spin(0.7)
                    os.write(writer, b"x")
                    time.sleep(60)
                os._exit(0)
            os.wait()
        for _ in range(4):
            os.read(reader, 1)
        """,
    ),
    launder(
        "compute-in-threads",
        "Computes in threads that end one after another.",
        """
        for _ in range(6):
            thread = threading.Thread(target=spin, args=(0.5,))
            thread.start()
            thread.join()
        """,
    ),
    launder(
        "compute-in-other-programs",
        "Computes in interpreters of its own, which nobody waits for.",
        """
        reader, writer = os.pipe()
        code = "import time\\nwhile time.process_time() < 0.5: pass"
        for _ in range(6):
            if os.fork() == 0:
                os.set_inheritable(writer, True)
                if os.fork() == 0:
                    python = "/proc/self/exe"
                    os.execv(python, ["python3", "-I", "-S", "-c", code + f"\\nimport os; os.write({writer}, b'x')"])
                os._exit(0)
            os.wait()
            os.read(reader, 1)
        """,
    ),
    hoard(
        "hoard-in-memory-files",
        "Holds files in memory that no process has mapped.",
        """
        kept = [os.memfd_create("x") for _ in range(4)]
        for file in kept:
            written(file, bytes(60 * MIB))
        """,
    ),
    hoard(
        "hoard-in-shared-maps",
        "Holds maps that are shared, and so are no process's own.",
        """
        kept = [mmap.mmap(-1, 60 * MIB) for _ in range(4)]
        for each in kept:
            each.write(bytes(60 * MIB))
        """,
    ),
    hoard(
        "hoard-in-children",
        "Holds memory in orphans, each below the limit.",
        """
        for _ in range(6):
            if os.fork() == 0:
                if os.fork() == 0:
                    block = bytearray(b"x") * (40 * MIB)
                    time.sleep(60)
                os._exit(0)
            os.wait()
        """,
    ),
    hoard(
        "hoard-in-files",
        "Holds files in the folders that it may write to, which are memory.",
        """
        for folder in ("/tmp", "/work"):
            with open(f"{folder}/kept", "wb") as file:
                written(file.fileno(), bytes(60 * MIB))
        """,
    ),
    hoard(
        "hoard-in-buffers-of-sockets",
        "Holds what nobody reads in the buffers of sockets, in several processes.",
        """
        for _ in range(8):
            if os.fork() == 0:
                kept = []
                for _ in range(110):
                    pair = socket.socketpair()
                    kept.append(pair)
                    pair[0].setblocking(False)
                    try:
                        while True:
                            pair[0].send(bytes(1 << 16))
                    except BlockingIOError:
                        continue
                time.sleep(60)
        time.sleep(1.5)
        """,
    ),
    hoard(
        "hoard-in-messages",
        "Holds files in memory by descriptors that are on their way between two sockets, and in no process.",
        """
        one, other = socket.socketpair()
        for _ in range(4):
            file = os.memfd_create("x")
            written(file, bytes(60 * MIB))
            socket.send_fds(one, [b"x"], [file])
            os.close(file)
        """,
    ),
)
