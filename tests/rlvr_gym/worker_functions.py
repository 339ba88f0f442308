"""Functions that worker processes are asked to run in the tests."""

import os
import time
from typing import Any


def misbehave(task: Any) -> Any:
    match task:
        case ["echo", value]:
            return value
        case ["spin"]:
            return 9**9**9 % 10
        case ["sleep", seconds]:
            return time.sleep(seconds)
        case ["die"]:
            os._exit(3)
        case ["hoard"]:
            return len(bytearray(4 << 30))
        case ["raise"]:
            raise ValueError("no such thing")
        case ["print"]:
            print("noise")
            return os.write(1, b"more noise")
        case ["write", path]:
            try:
                with open(path, "w") as file:
                    file.write("x")
            except OSError:
                return "refused"
            return "written"
        case ["environment"]:
            return dict(os.environ)
        case ["pid"]:
            return os.getpid()
        case ["fork"]:
            if (child := os.fork()) == 0:
                time.sleep(600)
            return child
        case _:
            raise KeyError(task)
