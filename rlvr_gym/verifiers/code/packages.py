"""The libraries that programs find in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rlvr_gym.errors import VerifierFault
from rlvr_gym.verifiers.code.running import shared_sandbox

_PROGRAM = """
import importlib.util, json
def found(name):
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
print(json.dumps([name for name in NAMES if not found(name)]))
"""


def lacking(modules: Sequence[str]) -> list[str]:
    """Find those of `modules` that no program could import in the sandbox; none of them where no sandbox works.

    Raises VerifierFault where the sandbox fails.
    """
    from rlvr_sandbox import SandboxError

    if not modules:
        return []
    try:
        session = shared_sandbox().session()
    except SandboxError:
        return []
    try:
        said = session.execute(f"NAMES = {json.dumps(list(modules))}\n{_PROGRAM}").stdout
        names: list[str] = json.loads(said)
    except (SandboxError, ValueError) as error:
        raise VerifierFault(f"the sandbox does not say which libraries it has: {error}") from error
    finally:
        session.close()
    return names
