"""Stored completions, judged again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import read_history, read_run, read_samples
from rlvr_gym.evaluation.rescore import keep, rescore
from tests.rlvr_gym.scripted import ScriptedGenerator, echo_tasks, same_text

Judge = Callable[[rg.Task, rg.Completion], rg.Verdict]
SAID = ["say {}", " SAY {} ", "no", ""]


def env(judge: Judge = same_text, count: int = 3) -> rg.Environment:
    return rg.Environment(echo_tasks(count), rg.FunctionVerifier(judge))


def kinder(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
    """Case and spaces do not matter, and nothing said is an answer that is wrong."""
    text = completion.text.strip().lower()
    return rg.Verdict.right(answer=text) if text == task.reference else rg.Verdict.wrong(answer=text)


def broken(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
    raise rg.VerifierFault("the sandbox is down today")


def run(folder: Path) -> Path:
    def say(prompt: rg.GenerationRequest, sample: int) -> str:
        return SAID[sample].format(prompt.messages[0].content.removeprefix("say "))

    rg.evaluate(
        env(), ScriptedGenerator(say), n=4, k=(1, 4), sampling=rg.SamplingParams(), run_dir=folder, limit=3
    )
    return folder


def test_what_flips_is_counted_and_shown(tmp_path: Path):
    rescoring = rescore(read_run(run(tmp_path)), env(kinder), k=(1, 4))
    flips = {(str(then), str(now)): count for (then, now), count in rescoring.matrix.items()}
    assert flips == {
        ("correct", "correct"): 3,
        ("incorrect", "correct"): 3,
        ("incorrect", "incorrect"): 3,
        ("malformed", "incorrect"): 3,
    }
    assert (rescoring.before.pass_at_k[1].value, rescoring.after.pass_at_k[1].value) == (0.25, 0.5)
    shown = rescoring.examples((rg.Outcome.INCORRECT, rg.Outcome.CORRECT), 2)
    assert [(one.stored.task, one.stored.completion) for one in shown] == [
        ("t0", " SAY 0 "),
        ("t1", " SAY 1 "),
    ]
    assert shown[0].stored.verdict.detail == "not say 0"
    assert shown[0].today.verdict.correct


def test_new_verdicts_count_and_the_old_ones_stay_in_the_history(tmp_path: Path):
    run(tmp_path)
    file = tmp_path / "samples.jsonl"
    before, old = file.read_bytes(), read_samples(file)
    rescoring = rescore(read_run(tmp_path), env(kinder), k=(1, 4))
    assert file.read_bytes() == before
    keep(tmp_path, rescoring)
    assert file.read_bytes().startswith(before)
    now = read_samples(file)
    assert [sample.key for sample in now] == [sample.key for sample in old]
    assert sum(sample.verdict.correct for sample in now) == 6
    second = [s.verdict.outcome for s in read_history(file) if s.key == ("t0", 1)]
    assert second == ["incorrect", "correct"]
    assert json.loads((tmp_path / "summary.json").read_text())["pass_at_k"]["1"]["value"] == 0.5
    (record,) = [json.loads(line) for line in (tmp_path / "rescorings.jsonl").read_text().splitlines()]
    assert record["flips"]["incorrect -> correct"] == 3
    assert record["changed"] == 9


def test_a_rescored_run_keeps_its_bootstrap_and_its_majority(tmp_path: Path, capsys):
    environment = rg.make("arithmetic", split="test", digits=1, style="symbols")
    says = ScriptedGenerator(lambda prompt, sample: str(12 + sample))
    rg.evaluate(
        environment, says, n=3, k=(1, 3), sampling=rg.SamplingParams(), limit=12, seed=5, majority=True,
        run_dir=tmp_path,
    )  # fmt: skip
    before = json.loads((tmp_path / "summary.json").read_text())
    assert before["maj_at_k"]["3"]["value"] > 0
    assert told(capsys, tmp_path)[0] == 0
    assert json.loads((tmp_path / "summary.json").read_text()) == before


def test_the_same_verifier_flips_nothing_and_appends_nothing(tmp_path: Path):
    run(tmp_path)
    before = (tmp_path / "samples.jsonl").read_bytes()
    rescoring = rescore(read_run(tmp_path), env())
    keep(tmp_path, rescoring)
    assert all(then is now for then, now in rescoring.matrix)
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_a_verifier_that_is_down_today_takes_no_verdict_away(tmp_path: Path):
    run(tmp_path)
    with pytest.raises(
        rg.TooManyUnscored, match=r"12 of 12 samples.*could not be judged today.*sandbox is down"
    ):
        rescore(read_run(tmp_path), env(broken))
    rescoring = rescore(read_run(tmp_path), env(broken), max_unscored_share=1.0)
    assert rescoring.matrix[rg.Outcome.CORRECT, rg.Outcome.UNSCORED] == 3
    assert rescoring.changed == []
    assert rescoring.after.pass_at_k == rescoring.before.pass_at_k


def test_other_tasks_are_refused(tmp_path: Path):
    run(tmp_path)
    with pytest.raises(rg.ConfigError, match="verdicts on other prompts or references"):
        rescore(read_run(tmp_path), env(count=4))


def test_a_run_that_changed_meanwhile_is_left_alone(tmp_path: Path):
    run(tmp_path)
    rescoring = rescore(read_run(tmp_path), env(kinder))
    file = tmp_path / "samples.jsonl"
    row = json.loads(file.read_text().splitlines()[0]) | {"sample": 4}
    with file.open("a") as lines:
        lines.write(json.dumps(row) + "\n")
    with pytest.raises(rg.ConfigError, match="has changed while"):
        keep(tmp_path, rescoring)


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["rescore", *map(str, arguments)])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


def stored_by_an_older_verifier(folder: Path) -> Path:
    """A run of the registered arithmetic, in which every right answer was once judged wrong."""
    environment = rg.make("arithmetic", split="test", digits=1, style="symbols")

    def say(prompt: rg.GenerationRequest, sample: int) -> str:
        a, b = prompt.messages[0].content.removesuffix("=").split("+")
        return str(int(a) + int(b) + sample)

    rg.evaluate(
        environment,
        ScriptedGenerator(say),
        n=2,
        k=(1, 2),
        sampling=rg.SamplingParams(),
        limit=4,
        run_dir=folder,
    )
    file = folder / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        row["verdict"] = {"outcome": "incorrect", "score": 0.0, "detail": "an old mistake"}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_command_prints_the_matrix_examples_and_what_became_of_the_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    folder = stored_by_an_older_verifier(tmp_path / "run")
    untouched = (folder / "samples.jsonl").read_bytes()
    code, out, err = told(capsys, folder, "--dry-run", "--examples", "1")
    assert code == 0, err
    assert (folder / "samples.jsonl").read_bytes() == untouched
    rows = [line.replace("│", " ").split() for line in out.splitlines() if line.startswith("│")]
    assert rows == [["correct", ".", "."], ["incorrect", "4", "4"]]
    assert out.count("incorrect -> correct") == 1
    assert "then  no answer; an old mistake" in out
    assert "pass@1 0.0000 then, 0.5000 now" in out
    assert "truncated 0.0% of 8 samples" in out
    assert "nothing was written (--dry-run)" in out
    code, out, _ = told(capsys, folder)
    assert "8 of 8 verdicts are others now" in out
    assert sum(sample.verdict.correct for sample in read_samples(folder / "samples.jsonl")) == 4
    code, out, _ = told(capsys, folder)
    assert "none of 8 verdicts is another one now" in out


def test_an_environment_that_is_not_registered_is_named(tmp_path, capsys):
    code, _, err = told(capsys, run(tmp_path))
    assert code == 2
    assert "'Environment of 'echo'', which is not registered here" in err
