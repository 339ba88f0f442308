"""The address of a Ray cluster that answers: Ray itself waits long for one that was killed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_KNOCK_SECONDS = 10.0


def running_cluster(address: str = "auto") -> str:
    """The address of a cluster to join, `local` for one that has yet to be started.

    `auto` is the one that `RAY_ADDRESS` names, else the one that runs on this machine. Raises OSError or ValueError
    where nobody listens at an address that was named.
    """
    named = os.environ.get("RAY_ADDRESS", "auto") if address == "auto" else address
    if named not in ("auto", "local"):
        _knock(named)
        return named
    try:
        recorded = (Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / "ray_current_cluster").read_text()
        _knock(recorded.strip())
    except (OSError, ValueError):  # a cluster that was killed leaves its address behind
        return "local"
    return recorded.strip()


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nobody listens."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
