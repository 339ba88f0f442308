"""The first process of a command's sandbox: it relays its connections, and tells the host how it ended.

Runs alone, with nothing but the standard library. Standard input holds the settings, as JSON; descriptor `report` takes
one line of JSON at the end.
"""

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading

_PR_SET_DUMPABLE = 4
_PIECE = 1 << 16


def main() -> None:
    """Run the command of the settings."""
    # Nothing that the command starts may reach into this process: it says what the verdict hangs on.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    settings = json.load(sys.stdin)
    report = settings["report"]
    os.chdir(settings["folder"])
    for name, text in settings["files"].items():
        os.makedirs(os.path.dirname(os.path.abspath(name)), mode=0o755, exist_ok=True)
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
    listener = socket.create_server(("127.0.0.1", settings["port"]))
    try:
        child = _started(settings)
    except OSError as error:
        _tell(report, {"error": f"cannot run {settings['command'][0]}: {error.strerror}"})
        return
    threading.Thread(target=_relay, args=(listener, settings["socket"]), daemon=True).start()
    threading.Thread(target=_say, args=(child, settings["input"]), daemon=True).start()
    status = None
    while status is None:
        pid, ended = os.wait()  # orphans of the command too: this process is the first one
        if pid == child.pid:
            status = os.waitstatus_to_exitcode(ended)
    _tell(report, {"status": status})
    os._exit(0)


def _started(settings: dict) -> "subprocess.Popen[bytes]":
    sys.path.insert(0, settings["image"])
    from rlvr_sandbox.image.forks.limits import limit, limit_all_forks
    from rlvr_sandbox.image.forks.seccomp import Filter

    refusals = Filter()
    uid = settings["uid"]

    def confine() -> None:
        limit_all_forks()
        limit(settings["limits"])
        if uid is not None:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        refusals.put_on()

    return subprocess.Popen(
        settings["command"], stdin=subprocess.PIPE, env=settings["environment"], preexec_fn=confine
    )


def _say(child: "subprocess.Popen[bytes]", text: str) -> None:
    with contextlib.suppress(OSError):  # it does not want to know
        assert child.stdin is not None
        child.stdin.write(text.encode())
        child.stdin.close()


def _relay(listener: socket.socket, path: str) -> None:
    """Pass on every connection of the command to the socket that the host listens at."""
    while True:
        inner, _ = listener.accept()
        outer = socket.socket(socket.AF_UNIX)
        try:
            outer.connect(path)
        except OSError:
            inner.close()
            continue
        for one, other in ((inner, outer), (outer, inner)):
            threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
    for end in (one, other):  # either side is gone: the other one learns of it
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def _tell(report: int, line: dict) -> None:
    os.write(report, json.dumps(line).encode())


main()
