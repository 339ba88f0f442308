"""Commands that cannot work are refused in one line, before any work is done, and leave nothing behind."""

import os
from pathlib import Path

import pytest

from rlvr_gym.cli.main import main

EVAL = ("eval", "reverse", "model.path=tiny", "sampling.max_tokens=4", "--limit", "5")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an evaluation in it, and with files and folders that are not what they are taken for."""
    folder = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as exited:
            main([*EVAL, "--out", "runs/eval-5"])
    assert not exited.value.code
    for name in ("nothing", "folder.jsonl"):
        (folder / name).mkdir()
    for name in ("binary.jsonl", "binary.yaml"):
        (folder / name).write_bytes(b"\x00\xff\xfe")
    return folder


@pytest.fixture
def refused(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A function that runs a command which must be refused, and returns its message."""
    monkeypatch.chdir(place)

    def run(*arguments: str) -> str:
        before = sorted(place.rglob("*"))
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        out, err = capsys.readouterr()
        assert (exited.value.code, out) == (2, ""), out + err
        assert err.startswith("error: "), err
        assert err.count("\n") == 1, err
        assert sorted(place.rglob("*")) == before
        return err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "quickstart", "model.path="), "model.path: "),
        (("train", "quickstart", "reward.right=.nan"), "reward.right: Input should be a finite number"),
        (("train", "quickstart", "batch.prompts=1" + "0" * 15), "batch.prompts: Input should be less than"),
        (
            ("train", "quickstart", "model=tiny"),
            "model is a group of settings, not 'tiny'; to name one, write model.path=tiny; possible: model.path, ",
        ),
        (("train", "quickstart", "eval=true"), "eval is a group of settings, not True; possible: eval.env, "),
        (("train", "quickstart", "eval={"), "cannot read the value of 'eval={' as YAML: "),
        (
            ("train", "quickstart", "run.dir=binary.jsonl/x"),
            "binary.jsonl is a file, and binary.jsonl/x cannot",
        ),
        (("train", "quickstart", "--model", "a", "model.path=b"), "the model is named twice"),
        (("train", "binary.yaml"), "binary.yaml is not UTF-8 text: "),
        (("train", "nothing.yaml"), "no recipe file nothing.yaml"),
        (("eval", "jsonl", "env.data=binary.jsonl", "model.path=tiny"), "binary.jsonl, line 1 is "),
        (("eval", "jsonl", "env.data=folder.jsonl", "model.path=tiny"), "folder.jsonl: Is a directory"),
        (
            ("eval", "binary.jsonl", "model.path=tiny"),
            "but a file: `jsonl env.data=binary.jsonl` reads tasks",
        ),
        (("eval", "runs/eval-5"), "runs/eval-5 holds an evaluation, which is no environment"),
        (("eval", "reverse", "model.path="), "which model? give model.path="),
        (
            ("eval", "reverse", "model.path=nothing", "--limit", "2"),
            "no model 'nothing': the folder holds no model",
        ),
        (("eval", "reverse", "model.path=tiny", "--n", "9" * 20), "--n must be at most 1,000,000"),
        (("eval", "reverse", "model.path=tiny", "--limit", "9" * 20), "--limit must be at most 1,000,000"),
        (("eval", "reverse", "model.path=tiny", "--limit", "two"), "Invalid value for '--limit'"),
        (("eval", "reverse", "model.path=tiny", "--limits", "2"), "No such option: --limits"),
        (("eval", "reverse", "model.path=tiny", "env.digits=.nan"), "Out of range float values"),
        ((*EVAL, "sampling.temperature=.inf"), "sampling.temperature: Input should be a finite number"),
        ((*EVAL, "--out", "binary.jsonl/x"), "binary.jsonl is a file, and binary.jsonl/x cannot"),
        (("report", "runs/eval-5", "--out", "nowhere/x.html"), "there is no folder nowhere; make it first"),
        (("report", "runs/eval-5", "--out", "binary.jsonl/x.html"), "binary.jsonl is a file"),
        (("report", "binary.jsonl"), "binary.jsonl is no folder"),
        (("compare", "runs/eval-5", "nothing"), "nothing holds no evaluation"),
        (("compare", "runs/eval-5", "runs/eval-5", "--picture", "nothing"), "nothing: it is a folder"),
        (("rescore", "runs/eval-5", "--max-unscored", "nan"), "Invalid value for '--max-unscored'"),
        (("plot", "runs/eval-5"), "no metrics in runs/eval-5"),
        (("plot", "runs/quickstart-reverse", "--out", "nothing"), "nothing: it is a folder"),
        (("verify", "reverse", "--out", "binary.jsonl/x"), "binary.jsonl is a file"),
        (("verify", "reverse", "--completions", "binary.jsonl"), "binary.jsonl is not UTF-8 text"),
        (("verify", "reverse", "--completions", "nothing"), "cannot read completions from nothing"),
        (("audit", "reverse", "--deadline", "nan"), "Invalid value for '--deadline'"),
        (("new", "my-env", "--dir", "binary.jsonl"), "binary.jsonl is a file"),
        (("sandbox", "nothing"), "No such command 'nothing'; `rlvr sandbox --help` says"),
        (("--nothing",), "No such option: --nothing; `rlvr --help` says what it takes"),
        (("compare", "runs/eval-5"), "Missing argument 'RUN_B'; `rlvr compare --help` says what it takes"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(refused, arguments: tuple[str, ...], message: str):
    assert message in refused(*arguments)


def test_a_hub_that_is_not_reached_is_one_line(refused, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert refused("eval", "reverse", "model.path=some/model", "--limit", "2").startswith(
        "error: no model 'some/model': "
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to_is_refused_before_work_starts(refused, place: Path):
    (place / "closed").mkdir(mode=0o500, exist_ok=True)
    assert "no permission to write into closed" in refused(*EVAL, "--out", "closed/x")
    assert "no permission to write into closed" in refused("train", "quickstart", "run.dir=closed/x")
