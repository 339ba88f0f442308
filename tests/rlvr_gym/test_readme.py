"""What the README says of the project's files is true."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("rlvr_gym", "envs/rlvr_envs", "sandbox/rlvr_sandbox", "trainers/rlvr_trainers")


def test_the_rooms_that_the_readme_names_exist_and_none_is_left_out():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1]
    named = {room for line in text.splitlines() for room in re.findall(r"`([\w/]+)/`", line.split(" | ")[0])}
    assert all((ROOT / room).is_dir() for room in named)
    rooms = {path.parent for path in (ROOT / "rlvr_gym").glob("*/__init__.py")}
    assert {*PACKAGES, *(str(room.relative_to(ROOT)) for room in rooms)} <= named


def test_the_pages_and_pictures_that_pages_point_to_exist():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} points to {target}"


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def ran(arguments: list[str], folder: Path) -> str:
    """What a command prints that succeeds without a warning, without a network and from another folder."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_example_runs_offline_and_pays(readme: str, tmp_path: Path):
    block = re.findall(r"## Use\n\n```python\n(.*?)```", readme, re.DOTALL)[0]
    said = ran([sys.executable, "-W", "error", "-c", block], tmp_path)
    assert said.splitlines()[-1].startswith("1.0 correct ")


def test_a_task_of_ones_own_is_evaluated_audited_and_trained_by_the_commands_that_stand_there(
    readme: str, tmp_path: Path
):
    section = readme.split("## A task of your own")[1].split("\n## ")[0]
    (source,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    (tmp_path / "my_tasks.py").write_text(source, encoding="utf-8")
    lines = commands.strip().splitlines()
    assert [line.split()[1] for line in lines] == ["eval", "audit", "train"]
    for line in lines:
        small = ["batch.prompts=2", "batch.group_size=2", "batch.minibatches=1"] if " train " in line else []
        _, *arguments = shlex.split(line)
        ran([str(Path(sys.executable).with_name("rlvr")), *arguments, *small], tmp_path)
    assert (tmp_path / "runs" / "dapo-double" / "model" / "rlvr.json").exists()
