"""T: the process that runs tests of assert style, and hands their verdict to MUX.

The program is not here: what stands for its functions and objects asks the program's process. So a program can lie
about values only, which is to answer; whether an answer is right is decided by objects of this process.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import socket
import types
from typing import Any, NoReturn

from rlvr_sandbox.image.messages import Message
from rlvr_sandbox.image.sides import evaluated
from rlvr_sandbox.image.sides.remote import SHOWN_CHARACTERS, CannotCross, ProgramGone, Remote
from rlvr_sandbox.image.stand_ins import proxies, standing
from rlvr_sandbox.image.talk.link import Link, read_all

Verdict = dict[str, str]

_builtins: dict[str, object] | None = None
"""Python's own names for one namespace. Made once for all forks, as making it touches every object that it holds."""


def settle() -> None:
    """Prepare for the forks to come, each of which runs tests once."""
    global _builtins
    _builtins = vars(builtins).copy()


def run(payload: int, link: int, verdict: int) -> NoReturn:
    """Run the tests in `payload` and write one verdict per test, in one piece, at the very end."""
    request = json.loads(read_all(payload))
    source = "\n".join([request["setup"], *request["tests"]])
    report = judge(request, Remote(Link(socket.socket(fileno=link)), source))
    with os.fdopen(verdict, "wb") as pipe:
        pipe.write(json.dumps(report).encode())
    os._exit(0)


def judge(request: Message, remote: Remote) -> list[Verdict]:
    """One verdict for each of `request["tests"]`."""
    names: dict[str, object] = {}
    try:
        names = remote.load(request["names"])
        standing.begin(_classes_asked_for(names))
        remote.asked += sum(not proxies.is_program_owned(value) for value in names.values())
        asked_before = remote.asked
        namespace = _namespace(request, names, split=True)
    except BaseException as error:  # noqa: BLE001 - tests may raise anything
        # Before any test: the program's doing where the setup uses it, else the setup's own fault.
        uses = (
            remote.asked or isinstance(error, ProgramGone) or _mention(request["names"], [request["setup"]])
        )
        missing = frozenset(request["names"]) - names.keys()
        said = _said(error, missing) if uses else _bad_setup(error)
        return [said for _ in request["tests"]]
    verdicts = [_judge_one(source, namespace, remote) for source in request["tests"]]
    if remote.asked == asked_before and not _mention(request["names"], [request["setup"], *request["tests"]]):
        never = _bad("the tests never call the program", None)
        return [never if each["outcome"] == "passed" else each for each in verdicts]
    if remote.asked == 0:
        never = "the test never calls the program"
        return [
            {"outcome": "failed", "reason": never} if each["outcome"] == "passed" else each
            for each in verdicts
        ]
    return verdicts


def judge_in_process(request: Message, module: types.ModuleType) -> list[Verdict]:
    """The same beside the program, for tests that cannot be split. The program can forge it."""
    found = {name: vars(module)[name] for name in request["names"] if name in vars(module)}
    namespace = _namespace(request, {**vars(module), **found}, split=False)
    return [_judge_one(source, namespace, None) for source in request["tests"]]


def _classes_asked_for(names: dict[str, object]) -> set[type]:
    """The classes that the tests ask for: those under a name that is written as a class's is.

    A class under a function's name is not asked for: it would stand for what the function was to return.
    """
    return {value for name, value in names.items() if isinstance(value, proxies.Meta) and name[:1].isupper()}


def _mention(names: list[str], sources: list[str]) -> bool:
    """Something in the tests goes by a name of the program's: whether it is asked is then up to the program."""
    for source in sources:
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        if any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree)):
            return True
    return False


def _namespace(request: Message, names: dict[str, object], *, split: bool) -> dict[str, object]:
    """Make the namespace that the tests run in. A name that the program lacks is no builtin of that name instead."""
    known = _known() if split else vars(builtins).copy()
    for name in request["names"]:
        known.pop(name, None)
    if split:
        evaluated.take_care(known, [request["setup"], *request["tests"]])
    namespace: dict[str, object] = {"__name__": "tests", "__builtins__": known, **names}
    setup = compile(request["setup"], "setup", "exec", dont_inherit=True)
    standing.run_next("setup", request["setup"])
    exec(setup, namespace)
    namespace.update({name: names[name] for name in request["names"] if name in names})
    namespace["__missing__"] = frozenset(request["names"]) - names.keys()
    return namespace


def _known() -> dict[str, object]:
    """Python's own names as they are now; `open` is watched where the tests use files."""
    if _builtins is None:
        return vars(builtins).copy()
    _builtins["open"] = builtins.open
    return _builtins


def _judge_one(source: str, namespace: dict[str, object], remote: Remote | None) -> Verdict:
    try:
        code = compile(source, "test", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return _bad("the test does not compile", error)
    standing.run_next("test", source)
    try:
        exec(code, namespace)
    except BaseException as error:  # noqa: BLE001 - tests may raise anything
        first = error if remote is None or remote.gone is None else remote.gone  # whatever came of that
        return {**_said(first, namespace.get("__missing__", ())), **(remote.last() if remote else {})}
    if remote and remote.gone is not None:
        return _said(remote.gone)
    if remote and remote.failed is not None:
        return _said(remote.failed)
    return {"outcome": "passed", "reason": ""}


def _said(error: BaseException, missing: Any = ()) -> Verdict:
    text = _text_of(error)
    name = getattr(error, "__program_raised__", None)
    if isinstance(error, ProgramGone):
        return {"outcome": "gone", "reason": text}
    if isinstance(error, CannotCross):
        return {"outcome": "bad_tests", "reason": text}
    if isinstance(error, NameError) and name is None and error.name in missing:
        reason = f"NameError: name '{error.name}' is not defined by the program"
        return {"outcome": "invalid", "reason": reason}
    if name is not None:
        return {"outcome": "crashed", "reason": f"{name}: {text}"[:SHOWN_CHARACTERS]}
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
    """Return an exception's text: the program's word, so it may be too much, or nothing that can be written."""
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - it may ask the program, which may raise anything or be gone
        return "(it cannot be shown)"


def _bad_setup(error: BaseException) -> Verdict:
    said = _bad("the setup fails", error)
    # The program is loaded by now, and may have filled the disk and the memory, or taken the file's name.
    return {**said, "outcome": "failed"} if isinstance(error, OSError | MemoryError) else said


def _bad(what: str, error: BaseException | None) -> Verdict:
    because = f": {type(error).__name__}: {error}" if error else ""
    return {"outcome": "bad_tests", "reason": f"{what}{because}"[:SHOWN_CHARACTERS]}
