"""Every example runs as its first lines say, without a warning, wherever it is started."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SAYS = {
    "search.py": "1.0; ",
    "own_tools.py": "1.0 correct",
}


def test_there_are_examples() -> None:
    assert set(SAYS) <= {path.name for path in EXAMPLES}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_says_what_it_shows(path: Path, tmp_path: Path) -> None:
    assert f"python examples/{path.name}" in path.read_text(encoding="utf-8").split('"""')[1]
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    assert SAYS.get(path.name, "") in ran.stdout
    assert ran.stdout.strip()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_fits_on_two_screens(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 100
