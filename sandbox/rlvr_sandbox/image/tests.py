"""T: the process that runs tests of assert style, and hands their verdict to MUX.

The program is not here: its names are handles, and what they are asked is asked of the program's process. So a
program can lie about values only, which is to answer; whether an answer is right is decided by objects of this
process.
"""

from __future__ import annotations

import builtins
import json
import os
import socket
import types
from typing import Any, NoReturn

from rlvr_sandbox.image.link import Link, read_all
from rlvr_sandbox.image.remote import SHOWN_CHARACTERS, CannotCross, ProgramGone, Remote

Verdict = dict[str, str]


def run(payload: int, link: int, verdict: int) -> NoReturn:
    """Run the tests in `payload` and write one verdict per test, in one piece, at the very end."""
    request = json.loads(read_all(payload))
    report = judge(request, Remote(Link(socket.socket(fileno=link))))
    with open(verdict, "wb") as pipe:
        pipe.write(json.dumps(report).encode())
    os._exit(0)


def judge(request: dict[str, Any], remote: Remote) -> list[Verdict]:
    """One verdict for each of `request["tests"]`."""
    try:
        remote.wait_until_loaded(request["names"])
        namespace = _namespace(request, {name: remote.named(name) for name in request["names"]})
    except BaseException as error:  # noqa: BLE001 - tests may raise anything
        # Before any test: the program's doing if it was asked anything, else the setup's own fault.
        said = (
            _said(error)
            if remote.calls or remote.stand_ins or isinstance(error, ProgramGone)
            else _bad_setup(error)
        )
        return [said for _ in request["tests"]]
    return [_judge_one(source, namespace, remote) for source in request["tests"]]


def judge_in_process(request: dict[str, Any], module: types.ModuleType) -> list[Verdict]:
    """The same beside the program, for tests that cannot be split. The program can forge it."""
    found = {name: vars(module)[name] for name in request["names"] if name in vars(module)}
    namespace = _namespace(request, {**vars(module), **found})
    return [_judge_one(source, namespace, None) for source in request["tests"]]


def _namespace(request: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, **names}
    exec(compile(request["setup"], "setup", "exec"), namespace)
    namespace.update({name: names[name] for name in request["names"] if name in names})
    return namespace


def _judge_one(source: str, namespace: dict[str, Any], remote: Remote | None) -> Verdict:
    try:
        code = compile(source, "test", "exec")
    except (SyntaxError, ValueError) as error:
        return _bad("the test does not compile", error)
    calls_before = remote.calls if remote else 0
    try:
        exec(code, namespace)
    except BaseException as error:  # noqa: BLE001 - tests may raise anything
        return {**_said(error), **(remote.last() if remote else {})}
    if remote and remote.gone is not None:
        return _said(remote.gone)
    if remote and remote.calls == calls_before:
        never = "the test never calls the program"
        # What the program says of its exceptions may be why: it must not get away without a verdict.
        return {"outcome": "failed", "reason": never} if remote.stand_ins else _bad(never, None)
    return {"outcome": "passed", "reason": ""}


def _said(error: BaseException) -> Verdict:
    text = _text_of(error)
    name = getattr(error, "__program_raised__", None)
    if isinstance(error, ProgramGone):
        return {"outcome": "gone", "reason": text}
    if isinstance(error, CannotCross):
        return {"outcome": "bad_tests", "reason": text}
    if name is not None:
        missing = name == "NameError" and "is not defined by the program" in text
        return {
            "outcome": "invalid" if missing else "crashed",
            "reason": f"{name}: {text}"[:SHOWN_CHARACTERS],
        }
    if isinstance(error, AssertionError):
        return {
            "outcome": "failed",
            "reason": f"assertion failed{': ' if error.args else ''}{text}"[:SHOWN_CHARACTERS],
        }
    return {
        "outcome": "failed",
        "reason": f"the test raised {type(error).__name__}: {text}"[:SHOWN_CHARACTERS],
    }


def _text_of(error: BaseException) -> str:
    """What an exception says: of what the program told, so it may be too much, or nothing that can be written."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - it may ask a handle, whose program may raise anything or be gone
        return "(it cannot be shown)"


def _bad_setup(error: BaseException) -> Verdict:
    said = _bad("the setup fails", error)
    # The program is loaded by now, and may have filled the disk and the memory, or taken the file's name.
    return {**said, "outcome": "failed"} if isinstance(error, OSError | MemoryError) else said


def _bad(what: str, error: BaseException | None) -> Verdict:
    because = f": {type(error).__name__}: {error}" if error else ""
    return {"outcome": "bad_tests", "reason": f"{what}{because}"[:SHOWN_CHARACTERS]}
