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


def test_every_module_stands_in_the_readme_with_a_line_that_says_what_it_is():
    tree = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1].split("```")[1]
    described = dict(re.findall(r"^\s*([\w/]+\.py)\s{2,}(\S.*)$", tree, re.MULTILINE))
    folders = set(re.findall(r"^\s*([\w/]+)/\s{2,}\S", tree, re.MULTILINE))
    modules = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    missing = {
        str(path.relative_to(ROOT))
        for path in modules
        if path.name != "__init__.py" and "templates" not in path.parts and path.name not in described
    }
    assert not missing
    assert set(PACKAGES) <= folders
    assert not set(described) - {path.name for path in modules}


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
