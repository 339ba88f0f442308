import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rlvr_gym.cli.main import main


def new(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(["new", *arguments])
    return int(exited.value.code or 0)


def test_the_package_passes_its_own_tests_and_its_environment_is_found(tmp_path: Path, capsys):
    assert new("time-units", "--dir", str(tmp_path)) == 0
    package = tmp_path / "time-units"
    env = {**os.environ, "PYTHONPATH": str(package), "COLUMNS": "200"}
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error"],
        cwd=package,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout
    assert "2 passed" in tests.stdout

    _install(package)
    found = subprocess.run(
        [sys.executable, "-c", "from rlvr_gym.cli.main import main; main()", "envs", "time-units"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "time_units/time-units-v0" in found.stdout
    assert "How many days do three weeks have?" in found.stdout


def _install(package: Path) -> None:
    """The metadata that pip writes for the package's pyproject.toml."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    metadata = package / "time_units-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    points = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(points))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys):
    (tmp_path / "mine").mkdir()
    assert new("mine", "--dir", str(tmp_path)) == 2
    assert f"error: {tmp_path}/mine is there already" in capsys.readouterr().err
    assert list((tmp_path / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["9lives", "My-Env", "a b", "class", "../up", "a.b", "tail-", "x/y", "é"])
def test_what_is_no_identifier_cannot_name_a_package(tmp_path: Path, capsys, name: str):
    assert new(name, "--dir", str(tmp_path)) == 2
    assert f"error: '{name}' cannot name a package" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("json", "there is a module 'json' already"), ("gsm8k", "there is an environment 'gsm8k' already")],
)
def test_a_name_that_would_hide_another_is_refused(tmp_path: Path, capsys, name: str, message: str):
    assert new(name, "--dir", str(tmp_path)) == 2
    assert message in capsys.readouterr().err
