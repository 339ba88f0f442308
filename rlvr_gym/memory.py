"""Memory of this process, and what there still is."""

import os
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")


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


def available_memory_bytes() -> int:
    """Memory that this process can still take: the machine's, or its control group's where that is less."""
    free = [_of_machine(), *_of_control_group(Path("/sys/fs/cgroup"))]
    return max(0, min(free))


def _of_machine() -> int:
    if _MEMINFO.exists():
        for line in _MEMINFO.read_bytes().splitlines():
            if line.startswith(b"MemAvailable"):
                return int(line.split()[1]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def _of_control_group(folder: Path) -> list[int]:
    """Memory that the limit leaves, file pages that the kernel would give up included; none without a limit."""
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        pages = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        return [limit - used + int(pages.get("inactive_file", 0))]
    except (OSError, ValueError):  # "max" is no number
        return []
