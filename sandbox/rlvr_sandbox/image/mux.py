"""MUX: the supervisor, process 1 of the sandbox. Pumps bytes, keeps time and caps, forks nothing untrusted.

It reads programs and what they are given from the host's pipe, has the zygotes' children run them, and sends back
what came out. It holds no expected output and decides nothing about a program; the verdict of assert tests it
passes on as their own process wrote it. When the host's pipe closes it ends, and everything in the sandbox with it.

    python3 -I -S .../image/mux.py [--folder DIR] [--one-uid] [--zygote JSON]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import types
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":  # the package around this folder is the host's, and may not be here
    _package = types.ModuleType("rlvr_sandbox")
    _package.__path__ = [str(Path(__file__).parents[1])]
    sys.modules["rlvr_sandbox"] = _package

from rlvr_sandbox.image.frames import Reader, pack
from rlvr_sandbox.image.layout import SITE, WORK
from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.supervisor.accounts import account
from rlvr_sandbox.image.supervisor.execution import Execution, Session, sealed
from rlvr_sandbox.image.supervisor.zygotes import Ground, Zygote, ZygoteGone, Zygotes
from rlvr_sandbox.image.version import supervisor_version

CLEAN_WITHIN_SECONDS = 3.0
_UIDS_EACH = 1 << 16


class HostGone(Exception):
    """The host's pipe has closed."""


class Mux:
    """Serves one host.

    Uids are fresh for every program. As limits on a uid's processes hold across all sandboxes of a machine, each
    supervisor counts from a place of its own, drawn at random.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._in, self._out = _take_standard_streams()
        self._reader = Reader(lambda: os.read(self._in, 1 << 20))
        self._account = account(lambda: self._zygotes.pids, alone=not ground.one_uid)
        self._zygotes = Zygotes(replace(ground, memory_files=self._account.counts_memory_files))
        self._first_uid = random.SystemRandom().randrange(1, 1 << 14) * _UIDS_EACH
        self._uids_used = 0
        self._told_to_stop = False
        self._unsent = b""

    def serve(self) -> None:
        """Say hello, then run what is asked until the host is gone."""
        self._say(
            {"said": "hello", "supervisor": supervisor_version(), "python": sys.version, "site": _site()}
        )
        while True:
            header, blobs = self._next_frame()
            if header["do"] == "run":
                self._run(header, blobs)
            elif header["do"] == "session":
                self._serve_session(header)
            self._zygotes.prepare()

    def _run(self, header: Message, blobs: list[bytes]) -> None:
        self._told_to_stop = False
        source = sealed(blobs[0])
        clean = True
        try:
            for index, given in enumerate(blobs[1:]):
                clean = self._execute(header, index, source, given, last=index == len(blobs) - 2)
                if self._told_to_stop or not clean:
                    break
        finally:
            os.close(source)
        self._say({"said": "done", "clean": clean})

    def _execute(self, header: Message, index: int, source: int, given: bytes, *, last: bool) -> bool:
        """Run once and tell the host, of the last one together with what follows. Whether all is as before."""
        program_by = self._zygotes.take(header["preload"])
        tests_by = self._zygotes.take(header["preload"]) if header["kind"] == "asserts" else program_by
        uids = self._fresh_uids()
        try:
            execution = Execution(**self._setting(header, uids, program_by, tests_by))
            facts, outputs = execution.run(header["kind"], source, given)
            self._say({"said": "ran", "index": index, **facts}, outputs, hold=last)
            return self._ground.one_uid or _clean(program_by, uids)
        finally:
            for used in {program_by, tests_by}:
                self._zygotes.give_back(used)

    def _setting(
        self, header: Message, uids: tuple[int, int], program_by: Zygote, tests_by: Zygote
    ) -> Message:
        bare = self._ground.one_uid and not self._ground.wrapper
        # Without a uid or a namespace of its own, a program's processes are counted with all of the user's.
        limits = {**header["limits"], "processes": None} if bare else header["limits"]
        return {
            "limits": limits,
            "uids": uids,
            "folder": self._ground.folder,
            "program_by": program_by,
            "tests_by": tests_by,
            "account": self._account,
            "host": (self._in, self._listen),
        }

    def _serve_session(self, header: Message) -> None:
        """Run the host's cells until one ends the session. The host ends it by closing its pipe."""
        by = self._zygotes.take(header["preload"])
        session = Session(**self._setting(header, self._fresh_uids(), by, by))
        session.begin()
        alive = True
        while alive:
            _, (source,) = self._next_frame()
            facts, outputs = session.run_cell(source)
            self._say({"said": "cell", **facts}, outputs)
            alive = facts["alive"]
        raise HostGone

    def _fresh_uids(self) -> tuple[int, int]:
        self._uids_used += 2
        first = self._first_uid + self._uids_used % _UIDS_EACH
        return first, first + 1

    def _listen(self) -> None:
        """The host speaks while a program runs: it wants no more of it, or is gone."""
        header, _ = self._next_frame()
        self._told_to_stop = header["do"] == "stop"

    def _next_frame(self) -> tuple[Message, list[bytes]]:
        frame = self._reader.frame()
        if frame is None:
            raise HostGone
        return frame

    def _say(self, header: Message, blobs: list[bytes] | None = None, *, hold: bool = False) -> None:
        """Tell the host; on `hold` together with the next, as each write wakes up all that is in between."""
        self._unsent += pack(header, blobs or [])
        if hold:
            return
        view, self._unsent = memoryview(self._unsent), b""
        while view:
            view = view[os.write(self._out, view) :]


def _clean(zygote: Zygote, uids: tuple[int, int]) -> bool:
    zygote.order({"do": "clean", "uids": list(uids), "within_seconds": CLEAN_WITHIN_SECONDS})
    return zygote.expect("clean", CLEAN_WITHIN_SECONDS + 10.0)["clean"]


def _take_standard_streams() -> tuple[int, int]:
    """The host's pipes under other numbers, so that nothing else reads or writes them by accident."""
    taken = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return taken


def _site() -> list[str]:
    """The packages that programs can import besides the standard library."""
    if not os.path.isdir(SITE):
        return []
    names = (name.removesuffix(".py") for name in os.listdir(SITE) if "-" not in name and "__" not in name)
    return sorted(name for name in names if name.isidentifier())


def main() -> None:
    """Serve until the host is gone, or the sandbox of no more use."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", default=WORK)
    parser.add_argument("--one-uid", action="store_true")
    parser.add_argument("--zygote", type=json.loads, default={}, help="how to start one: see Ground")
    given = parser.parse_args()
    try:
        Mux(Ground(folder=given.folder, one_uid=given.one_uid, **given.zygote)).serve()
    except (HostGone, BrokenPipeError):
        os._exit(0)
    except ZygoteGone as error:
        print(f"the supervisor gives up: {error}", file=sys.stderr)
        os._exit(3)


if __name__ == "__main__":
    main()
