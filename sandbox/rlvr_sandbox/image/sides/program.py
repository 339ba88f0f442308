"""U: the process that runs the program. Everything here is within the program's reach, and decides nothing.

A fresh fork of the zygote; it has taken the program's uid before it reads the program.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import gc
import json
import linecache
import os
import random
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any, NoReturn

from rlvr_sandbox.image.layout import WORK
from rlvr_sandbox.image.sides.answers import Program, call
from rlvr_sandbox.image.sides.tests import judge_in_process
from rlvr_sandbox.image.talk.link import Link, read_all

FILE_NAME = f"{WORK}/solution.py"
INVALID_STATUS = 98
"""Exit status of a program that does not compile. A program may forge it: it fails either way."""
_FLUSH_FAILED_STATUS = 120
_INTERRUPTED_STATUS = 130


def run_stdio(source: int) -> NoReturn:
    """The program as a script."""
    leave(_as_script(_source_of(source)))


def run_call(source: int, request: int, answer: int) -> NoReturn:
    """One call of one function; what it returned is written to `answer`."""
    asked = json.loads(read_all(request))
    status, module = _load(_source_of(source))
    if module is None:
        leave(status)
    try:
        said = call(module, asked)
    except SystemExit as error:
        leave(_exit_status(error))
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        _print_traceback(error)
        leave(1)
    with open(answer, "wb") as pipe:
        pipe.write(said)
    leave(0)


def run_asserts(source: int, link: int) -> NoReturn:
    """The program as a module, whose functions the tests' process calls through `link`."""
    stream = Link(socket.socket(fileno=link))
    status, module = _load(_source_of(source))
    if module is None:
        stream.send({"ended": "invalid" if status == INVALID_STATUS else "crashed"})
        leave(status)
    answers = Program(module, stream)
    try:
        answers.begin()
        answers.answer_all()
    except SystemExit as error:
        leave(_exit_status(error))
    except KeyboardInterrupt:
        leave(_INTERRUPTED_STATUS)
    leave(0)


def run_in_process(source: int, tests: int, answer: int) -> NoReturn:
    """The program and its tests together, for tests that cannot be split: the program could forge the answer."""
    status, module = _load(_source_of(source))
    if module is None:
        leave(status)
    report = judge_in_process(json.loads(read_all(tests)), module)
    with open(answer, "wb") as pipe:
        pipe.write(json.dumps(report).encode())
    leave(0)


def run_session(control: int) -> NoReturn:
    """Cells, one after another, in one namespace; the last expression of a cell is printed like a prompt does."""
    stream = Link(socket.socket(fileno=control))
    module = _new_module("__main__")
    while (cell := stream.receive()) is not None:
        stream.send({"status": _run_cell(cell["source"], module)})
    leave(0)


# -- the program ---------------------------------------------------------------------------------------------


def _source_of(descriptor: int) -> str:
    return read_all(descriptor).decode("utf-8", "surrogatepass")


def _new_module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = FILE_NAME
    module.__dict__["__builtins__"] = builtins
    sys.modules[name] = module
    return module


def _compile(source: str) -> types.CodeType:
    _show_in_tracebacks(source)
    return compile(source.removeprefix("\ufeff"), FILE_NAME, "exec", dont_inherit=True)


def _show_in_tracebacks(source: str) -> None:
    linecache.cache[FILE_NAME] = (lambda: source,)  # type: ignore[assignment] - a lazy entry, as linecache makes


def compiled(source: str) -> types.CodeType | None:
    """The program's code; None, and why on standard error, where it is no Python."""
    try:
        return _compile(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError, UnicodeError):
        traceback.print_exc(limit=0)
        return None


def _as_script(source: str) -> int:
    code = compiled(source)
    if code is None:
        return INVALID_STATUS
    return _guarded(lambda: exec(code, _new_module("__main__").__dict__))


def _load(source: str) -> tuple[int, types.ModuleType | None]:
    """The program as an imported module; None, and the exit status, where it did not load."""
    code = compiled(source)
    if code is None:
        return INVALID_STATUS, None
    module = _new_module("solution")
    status = _guarded(lambda: exec(code, module.__dict__))
    return status, module if status == 0 else None


def _guarded(run: Callable[[], object]) -> int:
    """The exit status that an interpreter would end with."""
    leave_room_for_our_frames()
    try:
        run()
    except SystemExit as error:
        return _exit_status(error) or -1
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        _print_traceback(error)
        return 1
    return 0


def leave_room_for_our_frames() -> None:
    """Let what runs from here recurse as deep as it would at the bottom of the stack."""
    frame, frames = sys._getframe(), 0
    while frame is not None:
        frame, frames = frame.f_back, frames + 1
    sys.setrecursionlimit(sys.getrecursionlimit() + frames - 1)


def _print_traceback(error: BaseException) -> None:
    """As an interpreter would, beginning at the program's own lines."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename != FILE_NAME:
        at = at.tb_next
    traceback.print_exception(type(error), error, at or error.__traceback__)


def _exit_status(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)
    return 1


def leave(status: int) -> NoReturn:
    """End as an interpreter would: threads joined, exit functions run, output flushed, objects destroyed."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - a program may raise anything
        traceback.print_exc()
        status = status or 1
    flushed = _flush()
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    if sys.modules.pop("__main__", None) is not None:
        gc.collect()  # what only the program's names held: streams left open are flushed, destructors run
    flushed = _flush() and flushed
    status = status or (0 if flushed else _FLUSH_FAILED_STATUS)
    os._exit(status if status >= 0 else 0)


def _flush() -> bool:
    try:
        for stream in (sys.stdout, sys.__stdout__, sys.stderr):
            if not stream.closed:  # type: ignore[union-attr]
                stream.flush()  # type: ignore[union-attr]
    except BaseException:  # noqa: BLE001 - a program may have put anything there
        return False
    return True


def _run_cell(source: str, module: types.ModuleType) -> int:
    _show_in_tracebacks(source)
    try:
        tree = ast.parse(source, FILE_NAME)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, FILE_NAME, "exec"), module.__dict__)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), FILE_NAME, "eval"), module.__dict__)
            sys.displayhook(shown)
        status = 0
    except SystemExit as error:
        status = _exit_status(error)
    except BaseException as error:  # noqa: BLE001 - a program may raise anything
        _print_traceback(error)
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return status


# -- before the program is read ------------------------------------------------------------------------------


def prepare_streams() -> None:
    """Open the standard streams as an interpreter would, once, for the forks to come.

    On a file and pipes of the zygote's own, of the kinds that the forks will have under the same numbers.
    """
    reader, writer = os.pipe()
    standard_input = os.memfd_create("input")
    for number, descriptor in enumerate((standard_input, writer, writer)):
        os.dup2(descriptor, number)
    for descriptor in (reader, writer, standard_input):
        os.close(descriptor)
    sys.stdin = sys.__stdin__ = _text_stream(0, "r", "surrogateescape")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _text_stream(1, "w", "surrogateescape")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text_stream(2, "w", "backslashreplace")  # type: ignore[misc]
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def take_streams(stdin: int, stdout: int, stderr: int) -> None:
    """Make the three descriptors the process's standard streams."""
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _text_stream(number: int, mode: str, errors: str) -> Any:
    return open(number, mode, encoding="utf-8", errors=errors, closefd=False)


def settle() -> None:
    """Set what a program may rely on, the same in every run, once for the forks to come."""
    random.seed(0)
    sys.argv = [FILE_NAME]
    sys.setrecursionlimit(1000)
    sys.set_int_max_str_digits(0)  # as contest judges do: CPU time bounds long conversions
