"""Say how to install an optional part of this distribution, from where it was installed itself."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlparse

DISTRIBUTION = "rlvr-gym"


def pip_install(extra: str) -> str:
    """The command that installs an extra, such as `train`: from the clone, the repository or the registry."""
    try:
        stored = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        stored = None
    return command(extra, json.loads(stored) if stored else None)


def command(extra: str, direct_url: dict | None, *, here: Path | None = None) -> str:
    """The same, of what an installer's `direct_url.json` says (PEP 610), None where it wrote none."""
    if direct_url is None:
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    url = direct_url["url"]
    if "dir_info" not in direct_url:
        vcs = direct_url.get("vcs_info")
        source = f"{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else url
        return f"pip install '{DISTRIBUTION}[{extra}] @ {source}'"
    folder = Path(unquote(urlparse(url).path))
    place = "." if folder == (here or Path.cwd()) else str(folder)
    editable = "-e " if direct_url["dir_info"].get("editable") else ""
    return f"pip install {editable}'{place}[{extra}]'"
