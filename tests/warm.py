"""Commands that need not wait for imports: `rlvr` and `python`, run by a process that has done them (`warm_server.py`).

For tests that start many programs. A test whose claim is about starting (what is imported, how long it takes), about
hash seeds or about a process's parent runs the real command instead.
"""

import atexit
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PYTHON = Path(sys.executable)
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""For small models, which a second thread slows down; the usual variables for `commands`."""


def commands(**environment: str) -> Path:
    """A folder with `rlvr` and `python`, which are quick where they are started with these variables on top."""
    if not hasattr(os, "pidfd_open") or not Path("/proc/self/task").exists():
        return PYTHON.parent
    own = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    return _commands(frozenset((own | environment).items()))


@functools.cache
def _commands(environment: frozenset[tuple[str, str]]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rlvr-warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    served = {
        "python": sys.executable,
        "rlvr": str(PYTHON.with_name("rlvr")),
        "environment": dict(environment),
    }
    (folder / "served.json").write_text(json.dumps(served), encoding="utf-8")
    client = (HERE / "warm_client.py").read_text(encoding="utf-8")
    for name in ("rlvr", "python"):
        (folder / name).write_text(f"#!{sys.executable} -IS\n{client}", encoding="utf-8")
        (folder / name).chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, "-W", "error", str(HERE / "warm_server.py"), str(listener.fileno())],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
    atexit.register(_stop, server)
    return folder


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.communicate()
