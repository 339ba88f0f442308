"""Every snippet of the README and of the docs runs, or says in the page's source why a test cannot run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rlvr_sandbox import SandboxUnavailable
from rlvr_sandbox.backends.choice import choose

from tests import warm
from tests.snippets import REASONS, RUN, blocks, commands, program

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUNS = [page for page in PAGES if program(page.read_text(encoding="utf-8"))]
NEEDS_A_SANDBOX = {"docs/sandbox.md", "docs/verifiers.md", "docs/environments.md"}
"""Pages that run programs; skipped where this machine has nothing to run them in."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.timeout(1800)  # a page is many commands, and the machine may have other work
@pytest.mark.parametrize("page", RUNS, ids=name)
def test_a_page_runs_from_top_to_bottom_without_a_network(page: Path, tmp_path: Path) -> None:
    if name(page) in NEEDS_A_SANDBOX:
        _skip_without_a_sandbox()
    source = program(page.read_text(encoding="utf-8"))
    assert source is not None
    (tmp_path / "page.py").write_text(source, encoding="utf-8")
    offline = {"HF_HUB_OFFLINE": "1", **warm.ONE_THREAD}
    quick = warm.commands(**offline)
    path = os.pathsep.join([str(quick), str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, **offline, "PATH": path, "COLUMNS": "120"}
    done = subprocess.run(
        [str(quick / "python"), "-W", "error", "page.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _skip_without_a_sandbox() -> None:
    try:
        for backend in choose("auto", allow_unsafe=False):
            backend.close()
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_that_is_not_run_says_why(page: Path) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.mark == "not run":
            assert block.said.startswith(REASONS), f"{name(page)}:{block.line}"
        assert block.language, f"{name(page)}:{block.line} names no language"
        assert block.language not in ("py", "bash", "shell"), f"{name(page)}:{block.line} would not be run"
        if block.language == "console" and block.mark != "not run":
            assert commands(block.text), f"{name(page)}:{block.line} holds no command"


def test_most_blocks_are_run() -> None:
    found = [b for page in PAGES for b in blocks(page.read_text(encoding="utf-8")) if b.language in RUN]
    assert sum(block.mark != "not run" for block in found) > len(found) / 2


# The mechanism itself: a page that does not work must fail.


def run(page: str, folder: Path) -> subprocess.CompletedProcess[str]:
    source = program(page)
    assert source is not None
    command = [sys.executable, "-c", source]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "page",
    [
        "```python\nassert 1 == 2\n```\n",
        "```sh\nfalse\n```\n",
        "```sh\nfalse | cat\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one two three\none ... four\n```\n",
        "- in a list\n\n    ```sh\n    exit 3\n    ```\n",
        "<!-- run: false -->\n```sh\ntrue\n```\n",
    ],
)
def test_a_snippet_that_is_wrong_fails(page: str, tmp_path: Path) -> None:
    assert run(page, tmp_path).returncode != 0


def test_blocks_share_their_names_and_their_folder(tmp_path: Path) -> None:
    page = """
<!-- file: mine.py -->
```python
six = 6
```

```python
from mine import six
```

```console
$ echo "$(cat mine.py) \\
and more"
six = 6 ... more
```

```python
assert six == 6
```

<!-- not run: needs a GPU -->
```python
raise SystemExit(1)
```
"""
    done = run(page, tmp_path)
    assert done.returncode == 0, done.stderr
