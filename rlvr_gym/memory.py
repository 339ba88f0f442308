"""Peak memory of this process."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory_bytes() -> int:
    """The largest resident size of this process since it was started.

    `getrusage` alone would not do on Linux, where a program's figure begins at that of the process that started it.
    """
    lines = _STATUS.read_bytes().splitlines() if _STATUS.exists() else []
    peak = next((line for line in lines if line.startswith(b"VmHWM")), None)
    if peak is not None:
        return int(peak.split()[1]) << 10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
