"""Honest programs that ask more of the machine than a computation: threads, children, files, clocks."""

from __future__ import annotations

from rlvr_sandbox.conformance.cases import honest
from rlvr_sandbox.conformance.honest.stdio import NOTHING_IN
from rlvr_sandbox.programs import MIB, Limits

HONEST = (
    honest(
        "a-pool-of-threads",
        "Sleeps in a pool of a hundred threads at a time.",
        NOTHING_IN,
        """
        from concurrent.futures import ThreadPoolExecutor
        import threading, time
        everybody = threading.Barrier(100)
        with ThreadPoolExecutor(max_workers=100) as pool:
            met = list(pool.map(lambda k: everybody.wait(10) * 0 + k, range(100)))
        print("done" if met == list(range(100)) else met)
        """,
        limits=Limits(memory_bytes=256 * MIB),
    ),
    honest(
        "time-zones",
        "Asks for the time in other places, by their names.",
        NOTHING_IN,
        """
        from datetime import datetime, timedelta
        from zoneinfo import ZoneInfo
        noon = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("America/New_York"))
        there = noon.astimezone(ZoneInfo("Asia/Kolkata"))
        print("done" if (there.hour, there.minute) == (21, 30) else there)
        """,
    ),
    honest(
        "children-that-nobody-waits-for",
        "Ignores the end of its children, which take little time.",
        NOTHING_IN,
        """
        import os, signal
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        reader, writer = os.pipe()
        for _ in range(20):
            if os.fork() == 0:
                os.write(writer, b"x")
                os._exit(0)
        os.close(writer)
        said = b""
        while more := os.read(reader, 100):
            said += more
        print("done" if said == b"x" * 20 else said)
        """,
    ),
    honest(
        "files-and-shared-memory-within-its-limits",
        "Keeps a third of its memory in files, shared maps and blocks each.",
        NOTHING_IN,
        """
        import mmap, multiprocessing.shared_memory, time
        shared = mmap.mmap(-1, 30 << 20)
        shared.write(b"x" * (30 << 20))
        block = bytearray(b"x") * (30 << 20)
        with open("/tmp/file", "wb") as file:
            file.write(bytes(30 << 20))
        time.sleep(0.2)
        print("done" if shared[:1] == block[:1] else "odd")
        """,
        limits=Limits(memory_bytes=160 * MIB),
    ),
)
