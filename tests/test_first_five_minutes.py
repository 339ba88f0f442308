"""The first five minutes of a new user: the command line as it is typed, in folders of its own, on tiny models."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = (
    "train", "quickstart", "warmup.steps=20", "run.steps=2", "eval.tasks=20", "batch.prompts=4",
    "batch.group_size=8", "dynamic_sampling=null", "run.samples_per_step=8",
)  # fmt: skip
EVAL = ("eval", "reverse", "model.path=tiny", "sampling.max_tokens=4", "--limit", "5")


def rlvr(folder: Path, *arguments: str, said: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in `folder`, with `said` on its stdin."""
    env = {**os.environ, "COLUMNS": "200", "OMP_NUM_THREADS": "1", **more}
    command = [str(Path(sys.executable).with_name("rlvr")), *arguments]
    return subprocess.run(
        command, cwd=folder, input=said, capture_output=True, text=True, env=env, timeout=120, check=False
    )


def refused(folder: Path, *arguments: str, code: int = 2, **more: str) -> str:
    """What a command says that cannot work: one line, and nothing else."""
    done = rlvr(folder, *arguments, **more)
    assert (done.returncode, done.stdout) == (code, ""), done.stdout + done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def content(folder: Path) -> dict[str, bytes]:
    """Every file under `folder`."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a user has trained a tiny model, and evaluated another."""
    folder = tmp_path_factory.mktemp("user")
    for arguments in (TRAIN, (*EVAL, "--out", "runs/eval-5")):
        done = rlvr(folder, *arguments)
        assert done.returncode == 0, done.stderr
    return folder


# No command writes into a folder that is not its own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "quickstart", "run.dir=runs/eval-5"), "runs/eval-5 holds an evaluation"),
        (("train", "quickstart", "run.dir=runs/quickstart-arithmetic/model"), "model holds a model"),
        (("train", "quickstart", "run.dir=."), ". holds other files (runs)"),
        ((*EVAL, "--out", "runs/quickstart-arithmetic"), "runs/quickstart-arithmetic holds a training run"),
        ((*EVAL, "--out", "runs/quickstart-arithmetic/model"), "model holds a model"),
        ((*EVAL, "--out", "."), ". holds other files (runs)"),
        ((*EVAL, "--out", "runs/eval-5/config.yaml"), "is a file, and an evaluation needs a folder"),
        (
            (*EVAL, "arithmetic", "--out", "runs/eval-5"),
            "runs/eval-5 holds an evaluation, and is no place for",
        ),
        (("rescore", "runs/quickstart-arithmetic"), "holds a training run, not an evaluation"),
        (("compare", "runs/eval-5", "runs/quickstart-arithmetic"), "holds a training run, not an evaluation"),
        (("report", "runs/eval-5", "--out", "runs/eval-5/samples.jsonl"), "that is another file"),
        (("verify", "reverse", "--out", "runs/eval-5/samples.jsonl"), "that is another file"),
    ],
)
def test_no_command_writes_over_what_is_not_its_own(place: Path, arguments, message):
    before = content(place)
    assert message in refused(place, *arguments)
    assert content(place) == before


def test_a_folder_of_its_own_is_written_to_again(place: Path):
    assert rlvr(place, *EVAL, "--out", "runs/eval-5").returncode == 0
    for _ in range(2):
        assert rlvr(place, "report", "runs/eval-5", "--out", "one.html").returncode == 0
    line = '{"task": 0, "completion": "1"}\n'
    for _ in range(2):
        assert rlvr(place, "verify", "reverse", "--out", "verdicts.jsonl", said=line).returncode == 0
    for file in ("one.html", "verdicts.jsonl"):
        (place / file).unlink()


# What cannot work is one line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("eval", "gsm8k", "env.data=", "model.path=tiny"), "option 'data' of environment 'gsm8k' is empty"),
        (("eval", "jsonl", "env.data=nothing", "model.path=tiny"), "the folder 'nothing' holds no data"),
        (("report", "nowhere"), "nowhere is no folder"),
        (
            ("report", "nothing"),
            "nothing holds no evaluation and no training run: `rlvr eval` and `rlvr train`",
        ),
        (("report", "runs"), "in it are runs/eval-5, runs/quickstart-arithmetic"),
        (("train", "quickstart", "env.data="), "environment 'arithmetic' has no option 'data'"),
    ],
)
def test_what_cannot_work_is_one_line(place: Path, arguments, message):
    (place / "nothing").mkdir(exist_ok=True)
    assert message in refused(place, *arguments)


def test_all_that_a_recipe_lacks_is_said_as_the_command_line_takes_it(place: Path):
    done = rlvr(place, "train", "grpo", "modle.path=tiny")
    assert done.returncode == 2
    assert "give model.path=..." in done.stderr
    assert "give env.id=..." in done.stderr
    assert "modle: no such setting; did you mean 'model'?" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits there")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*EVAL, "--out", "new/eval"), "error: new/eval/config.yaml: File too large\n"),
        (("report", "runs/eval-5", "--out", "new.html"), "error: new.html: File too large\n"),
        (("verify", "reverse", "--out", "new.jsonl"), "error: new.jsonl: File too large\n"),
        (("new", "new-env"), "error: new-env/pyproject.toml: File too large\n"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(place: Path, arguments, message):
    import resource

    before = content(place)
    done = subprocess.run(
        [str(Path(sys.executable).with_name("rlvr")), *arguments],
        cwd=place,
        input='{"task": 0, "completion": "1"}\n',
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20)),
    )
    assert (done.returncode, done.stderr.splitlines(keepends=True)[-1]) == (1, message)
    assert "Traceback" not in done.stderr
    assert content(place) == before
    assert not list(place.glob("new*"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "arguments", [("envs",), ("verify", "reverse"), ("report", "runs/eval-5", "--out", "said.html")]
)
def test_standard_output_that_takes_nothing_is_one_line(place: Path, arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("rlvr")), *arguments],
            cwd=place,
            input='{"task": 0, "completion": "1"}\n',
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "error: cannot write what there is to say: No space left on device"
    )
    assert "Traceback" not in done.stderr
