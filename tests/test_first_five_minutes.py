"""The first five minutes of a new user: the command line as it is typed, in folders of its own, on tiny models."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

pytestmark = pytest.mark.long

TRAIN = (
    "train", "quickstart", "warmup.steps=20", "warmup.batch_size=32", "run.steps=2", "eval.tasks=20", "batch.prompts=4",
    "batch.group_size=8", "dynamic_sampling=null", "run.samples_per_step=8",
)  # fmt: skip
EVAL = ("eval", "reverse", "model.path=tiny", "sampling.max_tokens=4", "--limit", "5")


def command(*arguments: str) -> list[str]:
    return [str(warm.commands(**warm.ONE_THREAD) / "rlvr"), *arguments]


def rlvr(folder: Path, *arguments: str, said: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run `rlvr` in `folder`, with `said` on its stdin."""
    env = {**os.environ, "COLUMNS": "200", **warm.ONE_THREAD, **more}
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        input=said,
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
        check=False,
    )


def refused(folder: Path, *arguments: str, code: int = 2, **more: str) -> str:
    """Run a command that cannot work, and return its one line of output."""
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
    """A folder in which a user has trained a tiny model, and evaluated another."""
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
        (("train", "quickstart", "run.dir=runs/quickstart-reverse/model"), "model holds a model"),
        (("train", "quickstart", "run.dir=."), ". holds other files (runs)"),
        ((*EVAL, "--out", "runs/quickstart-reverse"), "runs/quickstart-reverse holds a training run"),
        ((*EVAL, "--out", "runs/quickstart-reverse/model"), "model holds a model"),
        ((*EVAL, "--out", "."), ". holds other files (runs)"),
        ((*EVAL, "--out", "runs/eval-5/config.yaml"), "is a file, and an evaluation needs a folder"),
        (
            (*EVAL, "arithmetic", "--out", "runs/eval-5"),
            "runs/eval-5 holds an evaluation, and is no place for",
        ),
        (("rescore", "runs/quickstart-reverse"), "holds a training run, not an evaluation"),
        (("compare", "runs/eval-5", "runs/quickstart-reverse"), "holds a training run, not an evaluation"),
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
        (("report", "runs"), "in it are runs/eval-5, runs/quickstart-reverse"),
        (("train", "quickstart", "env.data="), "environment 'reverse' has no option 'data'"),
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
        command(*arguments),
        cwd=place,
        env={**os.environ, **warm.ONE_THREAD},
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
            command(*arguments),
            cwd=place,
            env={**os.environ, **warm.ONE_THREAD},
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


# A trained model's folder knows how it was prompted and sampled


def samples(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def test_the_folder_of_a_training_run_is_evaluated_as_it_stands(place: Path):
    for named in ("runs/quickstart-reverse", "runs/quickstart-reverse/model"):
        done = rlvr(place, "eval", named, "--out", "runs/as-it-stands")
        assert done.returncode == 0, done.stderr
    rows = samples(place / "runs" / "as-it-stands")
    assert len(rows) == 20
    assert rows[0]["sampling"] == {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "max_tokens": 6}
    assert {"digits": 4, "style": "symbols", "split": "test"}.items() <= rows[0]["options"].items()
    assert rows[0]["prompt"][0]["content"].endswith(">")


def test_what_is_asked_for_goes_before_what_a_folder_says(place: Path):
    done = rlvr(
        place, "eval", "reverse", "model.path=runs/quickstart-reverse", "--limit", "3", "env.digits=2",
        "sampling.max_tokens=5", "--out", "runs/otherwise",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = samples(place / "runs" / "otherwise")
    assert (len(rows), rows[0]["sampling"]["max_tokens"], rows[0]["options"]["digits"]) == (3, 5, 2)
    assert rows[0]["options"]["style"] == "symbols"


def test_all_that_is_missing_or_wrong_is_said_at_once_in_the_words_of_the_command_line(place: Path):
    done = rlvr(place, "eval", "arithmetic", "modle.path=tiny", "env.digit=2", "--until-half-width", "3")
    assert done.returncode == 2
    for said in (
        "--until-half-width must lie",
        "modle: no such setting; did you mean 'model'?",
        "which model?",
    ):
        assert said in done.stderr
    done = rlvr(place, "eval", "arithmetic", "model.path=tiny", "--out", "runs/quickstart-reverse")
    assert done.returncode == 2
    for said in ("such as --limit 200", "holds a training run"):
        assert said in done.stderr


# The next commands that a run suggests


def test_the_commands_that_a_run_ends_with_work_as_they_are_printed(place: Path):
    said = rlvr(place, *TRAIN, PATH="/usr/bin:/bin").stdout
    found = {
        line.split()[0]: line.split()[1:]
        for line in said.splitlines()
        if " rlvr " in f" {line} " or "/rlvr " in line
    }
    assert set(found) == {"report", "evaluate", "curves"}
    env = {**os.environ, "PATH": "/usr/bin:/bin"}
    for words in found.values():  # new processes: what is printed names the installed command
        assert Path(words[0]).parent == Path(sys.executable).parent
        done = subprocess.run(words, cwd=place, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr


# A task of one's own, by its file or its module


def test_what_a_file_of_tasks_cannot_give_is_one_line(place: Path):
    (place / "mine.py").write_text("import rlvr_gym as rg\n1 / 0\n")
    (place / "json.py").write_text("")
    for name, message in {
        "nowhere.py:double": "no file ",
        "mine.py:double": "cannot import 'mine.py', which 'mine.py:double' names: ZeroDivisionError",
        "mine:double": "cannot import 'mine', which 'mine:double' names: ZeroDivisionError",
        "json.py:double": "'json' is another module already; rename the file",
    }.items():
        assert message in refused(place, "eval", name, "model.path=tiny", "--limit", "2")


# The expected answer


def test_the_expected_answer_stands_beside_the_one_that_was_given(place: Path):
    """In samples of evaluations and training runs, in verdicts, in the report and in the game."""
    evaluated = samples(place / "runs" / "eval-5")
    for row in evaluated:
        digits = re.findall("[0-9]+", row["prompt"][0]["content"])[0]
        assert re.findall("[0-9]+", row["expected"]) == [digits[::-1]]
    trained = samples(place / "runs" / "quickstart-reverse")
    assert trained
    for row in trained:
        assert row["expected"] == row["prompt"].removesuffix(">")[::-1]
    line = json.dumps({"task": evaluated[0]["task"], "completion": "0"})
    (verdict,) = map(json.loads, rlvr(place, "verify", "reverse", said=line).stdout.splitlines())
    assert verdict["expected"] == evaluated[0]["expected"]
    assert rlvr(place, "report", "runs/eval-5", "--out", "shown.html").returncode == 0
    assert f'"expected":{json.dumps(verdict["expected"])}' in (place / "shown.html").read_text()
    assert "right would be: " in rlvr(place, "play", "reverse", said="nothing\n").stdout


SECRET = """
import rlvr_gym as rg

CARD = rg.EnvironmentCard(summary="Secret.", source="here", licence="none", answer="boxed", answers_withheld=True)

@rg.register("acme/Secret-v0", card=CARD)
def build():
    tasks = [rg.Task(id="one", prompt="What is 6 * 7?", reference="42")]
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="secret"), rg.verifiers.Math("boxed"))
"""


def test_an_answer_that_may_not_be_published_is_shown_nowhere(place: Path):
    (place / "secret.py").write_text(SECRET)
    arguments = ("model.path=tiny", "sampling.max_tokens=4", "--out", "runs/secret")
    done = rlvr(place, "eval", "secret.py:secret", *arguments)
    assert done.returncode == 0, done.stderr
    assert [row["expected"] for row in samples(place / "runs" / "secret")] == [None]
    line = json.dumps({"task": 0, "completion": "\\boxed{1}"})
    assert json.loads(rlvr(place, "verify", "secret.py:secret", said=line).stdout)["expected"] is None
    assert "42" not in rlvr(place, "play", "secret.py:secret", said="\\boxed{1}\n").stdout


# What a run of nothing but failures says


def test_an_evaluation_of_nothing_but_failures_says_what_to_do(place: Path):
    said = rlvr(place, *EVAL, "--out", "runs/eval-5").stdout
    assert "every completion was cut off at 4 tokens: raise sampling.max_tokens" in said
    assert "no answer could be read in any completion: read some with `rlvr report`" in said
    said = rlvr(place, "eval", "runs/quickstart-reverse", "--out", "runs/as-it-stands").stdout
    assert "every completion" not in said
    assert "no answer could be read" not in said


def test_two_files_are_not_said_to_have_splits(place: Path):
    for name in ("a.jsonl", "b.jsonl"):
        (place / name).write_text(json.dumps({"prompt": f"What is {name}?", "answer": "1"}) + "\n")
    said = rlvr(place, "overlap", "jsonl", "jsonl", "a.data=a.jsonl", "b.data=b.jsonl").stdout
    assert said.startswith("of 1 prompts of 'b.jsonl', 0 stand word for word in 'a.jsonl' (1 prompts)")


SPLITLESS = """
import rlvr_gym as rg

@rg.register("acme/Plain-v0")
def build():
    tasks = [rg.Task(id="one", prompt="What is 6 * 7?", reference="42")]
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="plain"), rg.verifiers.Math("boxed"))
"""


def test_no_split_is_named_that_an_environment_does_not_have(place: Path):
    (place / "plain.py").write_text(SPLITLESS)
    said = rlvr(place, "overlap", "plain.py:plain", "arithmetic").stdout
    assert "of 'arithmetic' (test), 0 stand word for word in 'plain' (1 prompts)" in said


# What would be done, and what programs read


def test_a_dry_run_says_what_would_be_done_and_does_nothing(place: Path):
    before = content(place)
    said = rlvr(place, *TRAIN, "run.dir=runs/other", "--dry-run").stdout
    for line in ("model     tiny:0123456789>", "task      reverse env.digits=4 env.style=symbols",
                 "steps     2: 4 prompts x 8 samples of at most 6 tokens", "folder    runs/other"):  # fmt: skip
        assert line in said
    said = rlvr(place, *EVAL, "--limit", "7", "--out", "runs/eval-5", "--dry-run").stdout
    assert "samples      7 tasks x 1: 2 to draw, 5 are there already" in said
    plan = json.loads(rlvr(place, *TRAIN, "--dry-run", "--json").stdout)
    assert (plan["resumes_after"], plan["steps"], plan["samples_per_step"]) == (2, 2, 32)
    assert content(place) == before


def test_a_dry_run_refuses_what_the_run_would_refuse(place: Path):
    for arguments, message in {
        (*TRAIN, "batch.prompts=8", "--dry-run"): "holds a run with other settings",
        (
            *TRAIN,
            "run.dir=runs/x",
            "sampling.max_tokens=9999",
            "--dry-run",
        ): "leave no room for sampling.max_tokens",
        (*EVAL, "--out", "runs/eval-5", "sampling.max_tokens=5", "--dry-run"): "must not be mixed",
    }.items():
        done = rlvr(place, *arguments)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "key", "value"),
    [
        ((*EVAL, "--out", "runs/eval-5"), "problems", 5),
        (("report", "runs/eval-5", "--out", "json.html"), "report", "json.html"),
        (("compare", "runs/eval-5", "runs/eval-5"), "problems", 5),
        (("rescore", "runs/eval-5", "--dry-run"), "changed", 0),
        (("envs", "reverse"), "name", "reverse"),
        (TRAIN, "finished", True),
    ],
)
def test_every_command_that_reports_does_so_as_json_alone(place: Path, arguments, key: str, value):
    done = rlvr(place, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[key] == value
    (place / "json.html").unlink(missing_ok=True)


def test_quiet_says_results_alone_and_verbose_a_line_of_each_step(place: Path):
    done = rlvr(place, *EVAL, "--out", "runs/eval-5", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    assert "pass@1" in done.stdout
    quiet = rlvr(place, *TRAIN, "-q").stdout
    assert quiet.startswith("held-out pass@1 before")
    done = rlvr(place, *TRAIN, "run.dir=runs/verbose", "-v")
    assert re.findall(r"^training step (\d)/2", done.stdout, re.M) == ["1", "2"]


def test_what_torchrun_does_when_it_is_stopped_is_said_beforehand(place: Path):
    note = "torchrun ends with a traceback of its own behind the run's last words"
    assert note in rlvr(place, *TRAIN, TORCHELASTIC_RUN_ID="x").stdout
    assert note not in rlvr(place, *TRAIN).stdout


def test_a_model_is_named_by_its_option_as_by_its_setting(place: Path):
    plans = [
        rlvr(
            place,
            "train",
            "dr_grpo",
            "env.id=reverse",
            "sampling.max_tokens=9",
            *named,
            "--dry-run",
            "--json",
        ).stdout
        for named in (("--model", "tiny"), ("model.path=tiny",))
    ]
    assert json.loads(plans[0])["model"] == "tiny"
    assert plans[0] == plans[1]
