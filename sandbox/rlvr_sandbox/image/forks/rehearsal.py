"""One program and its tests, run in the zygote itself before its first fork, so that the forks find everything warm.

What Python does only the first time (filling caches of attributes, specialising code) it would else do in every fork
anew, each time in pages that the fork has to copy. The program is written here: nothing of a user's is ever run so.
"""

from __future__ import annotations

import socket
import types
from collections.abc import Callable

from rlvr_sandbox.image.messages import Encoded
from rlvr_sandbox.image.sides import program, tests
from rlvr_sandbox.image.sides.answers import Program
from rlvr_sandbox.image.sides.remote import Remote
from rlvr_sandbox.image.stand_ins import proxies, standing
from rlvr_sandbox.image.stand_ins.asks import Asks
from rlvr_sandbox.image.talk.link import Link

_ROUNDS = 10
"""Python specialises a function that has run eight times."""
_SOURCE = """
def add(a, b):
    return a + b

def ordered(values):
    return sorted(values)
"""
_REQUEST = {
    "names": ["add", "ordered"],
    "setup": "",
    "tests": ["assert add(3, 4) == 7", "assert ordered([2, 1]) == [1, 2]", "assert add('a', 'b') == 'ab'"],
}


class _Prompted(Link):
    """The tests' link in a process that is the program's as well: before they wait for an answer, it is given."""

    def __init__(self, stream: socket.socket, prompt: Callable[[], None]) -> None:
        super().__init__(stream)
        self._prompt = prompt

    def receive(self) -> Encoded:
        self._prompt()
        return super().receive()


def rehearse() -> None:
    """Run the program and its tests some times; nothing of it is left but what Python remembers."""
    for _ in range(_ROUNDS):
        _run_once()
    proxies.speak_for(Asks())
    standing.begin(set())


def _run_once() -> None:
    here, there = socket.socketpair()
    with here, there:
        code = program.compiled(_SOURCE)
        assert code is not None
        module = types.ModuleType("rehearsal")
        exec(code, module.__dict__)
        answers = Program(module, Link(there))
        steps = [answers.begin]
        remote = Remote(_Prompted(here, lambda: steps.pop()() if steps else answers.answer_one()), "")
        report = tests.judge(_REQUEST, remote)
    assert all(each["outcome"] == "passed" for each in report), report
