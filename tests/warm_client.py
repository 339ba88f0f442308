"""Stands in for `python` and for `rlvr`: has the warm server beside it run the program, and ends as that does.

Copied by `warm.py` to files of both names. What the server could not run as a new process would, a new process runs.
"""

import json
import os
import resource
import signal
import socket
import sys

AS_CALLED = {
    "COLUMNS", "LINES", "PATH", "PWD", "OLDPWD", "SHLVL", "_", "PYTEST_CURRENT_TEST", "TORCHELASTIC_RUN_ID",
    "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
}  # fmt: skip
"""Variables that are read when they are used, and not already at an import."""
HERE = os.path.dirname(os.path.abspath(__file__))
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def wanted(arguments: list[str]) -> dict | None:
    """The program that the arguments of `python` name; None for an option that the server does not know."""
    errors = arguments[:2] == ["-W", "error"]
    if errors:
        arguments = arguments[2:]
    code = None
    if arguments[:1] == ["-c"] and len(arguments) > 1:
        code, arguments = arguments[1], ["-c", *arguments[2:]]
    elif not arguments or arguments[0].startswith("-"):
        return None
    return {"arguments": arguments, "code": code, "warnings_are_errors": errors}


def is_as_the_server(served: dict[str, str]) -> bool:
    """No variable that an import may have read is another one here, and nobody sits at a terminal."""
    differing = {name for name, _ in os.environ.items() ^ served.items()}
    return differing <= AS_CALLED and not any(map(os.isatty, range(3)))


def ask(asked: dict) -> socket.socket:
    """Hand the program and this process's surroundings to the server."""
    limits = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
    os.umask(umask := os.umask(0))
    asked |= {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": umask,
        "limits": [(kind, resource.getrlimit(kind)) for kind in sorted(set(limits))],
    }
    message = json.dumps(asked).encode()
    server = socket.socket(socket.AF_UNIX)
    server.connect(os.path.join(HERE, "socket"))
    server.sendall(len(message).to_bytes(4, "big"))
    sent = socket.send_fds(server, [message], [0, 1, 2])
    server.sendall(message[sent:])
    return server


def end(status: int) -> None:
    """End as the program did."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def main(name: str, arguments: list[str]) -> None:
    with open(os.path.join(HERE, "served.json"), encoding="utf-8") as file:
        served = json.load(file)
    command = [served["python"], *([served["rlvr"]] if name == "rlvr" else []), *arguments]
    asked = wanted(command[1:])
    if asked is None or not is_as_the_server(served["environment"]):
        os.execv(command[0], command)
    server = ask(asked)
    for number in PASSED_ON:
        signal.signal(number, lambda number, _: server.send(bytes([number])))
    said = server.recv(4)
    if len(said) < 4:
        sys.exit("the warm server has ended")
    end(int.from_bytes(said, "big"))


if __name__ == "__main__":
    main(os.path.basename(sys.argv[0]), sys.argv[1:])
