"""`rlvr sandbox` says what works, what does not, and why."""

import shutil
from pathlib import Path

import pytest

from rlvr_gym.cli.commands import sandbox
from rlvr_gym.cli.main import main

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")


def rlvr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["sandbox", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


@needs_bubblewrap
def test_a_check_names_what_is_missing_attacks_what_works_and_measures_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sandbox, "SAMPLE", 1)
    code, out, err = rlvr(capsys, "check", "--host", f"unix://{tmp_path}/docker.sock", "--seconds", "0.1")
    assert (code, err) == (0, "")
    assert "docker: no Docker host can be used" in out
    assert "is dockerd running?" in out
    assert "bubblewrap: works, trust 'namespace'" in out
    assert "none fooled it, none was refused" in out
    rates = [line for line in out.splitlines() if "bubblewrap" in line][-1].split()[1:]
    assert len([word for word in rates if word.isdecimal() and int(word) > 0]) == 3


def test_where_nothing_works_a_check_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = rlvr(capsys, "check")
    assert code == 1
    assert "docker: no Docker engine answers" in out
    assert "bubblewrap: " in out
    assert err == "error: no sandbox works on this machine\n"


def test_a_build_without_an_engine_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    code, _, err = rlvr(capsys, "build", "--host", f"unix://{tmp_path}/docker.sock")
    assert code == 1
    assert err.startswith("error: no Docker engine answers at unix:")
    assert err.count("\n") == 1
