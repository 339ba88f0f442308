import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.main import main


def rlvr(*arguments: str, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, `path` on its module path."""
    env = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(path or ""), **environment}
    command = [sys.executable, "-W", "error", "-c", "from rlvr_gym.cli.main import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def install(folder: Path, *, modules: dict[str, str], entry_points: str) -> None:
    """Leave behind what pip leaves of a package: its modules and its metadata."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    metadata = folder / "guest-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(entry_points)


GUEST = '''
import rlvr_gym as rg

def greet(name: str = "world", fail: bool = False) -> None:
    """Say hello."""
    if fail:
        raise rg.TrainingError("the greeting diverged")
    print(f"hello {name}")
'''


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    points = "[rlvr_gym.commands]\ngreet = guest_commands:greet\nbroken = no_such_module:run\n"
    install(tmp_path, modules={"guest_commands": GUEST}, entry_points=points)
    return tmp_path


def test_help_lists_every_command_without_importing_torch(guest: Path):
    script = (
        "import sys\nfrom rlvr_gym.cli.main import main\n"
        "try:\n    main(['--help'])\nfinally:\n    assert not {'torch', 'transformers', 'sympy'} & set(sys.modules)"
    )
    env = {**os.environ, "COLUMNS": "200", "PYTHONPATH": str(guest)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    for line in ("envs", "eval", "new", "play", "train", "verify", "Say hello."):
        assert line in done.stdout
    assert "(cannot be loaded: ModuleNotFoundError: No module named 'no_such_module')" in done.stdout


def test_a_package_brings_commands_of_its_own(guest: Path):
    done = rlvr("greet", "--name", "you", path=guest)
    assert (done.returncode, done.stdout) == (0, "hello you\n")


def test_an_error_is_one_line_on_stderr_and_its_kind_the_exit_code(guest: Path):
    done = rlvr("greet", "--fail", path=guest)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: the greeting diverged\n")
    done = rlvr("envs", "gsm9k")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no environment 'gsm9k'; did you mean 'gsm8k'? registered: ")
    assert done.stderr.count("\n") == 1


def test_debugging_keeps_the_traceback(guest: Path):
    done = rlvr("greet", "--fail", path=guest, RLVR_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "TrainingError: the greeting diverged" in done.stderr


def test_a_missing_extra_is_named(tmp_path: Path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')\n")
    done = rlvr("eval", "arithmetic", "model.path=tiny", "--limit", "2", path=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: this command needs torch, which is not installed: {pip_install('train')}\n"


def test_ctrl_c_ends_with_130_and_one_line():
    command = [sys.executable, "-u", "-c", "from rlvr_gym.cli.main import main; main()", "play", "reverse"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while process.stdout.read(1) != ">":
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "interrupted\n")


def test_the_closest_command_is_suggested(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        main(["evla", "gsm8k"])
    assert exited.value.code == 2
    assert "error: no command 'evla'; did you mean 'eval'? possible: " in capsys.readouterr().err


def test_an_unknown_option_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        main(["play", "reverse", "--speed", "3"])
    assert exited.value.code == 2
    assert "--speed" in capsys.readouterr().err


def test_the_version_is_shown(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exited:
        main(["--version"])
    assert exited.value.code == 0
    assert capsys.readouterr().out == f"rlvr-gym {version('rlvr-gym')}\n"
