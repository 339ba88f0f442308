import io
import json
from pathlib import Path

import pytest

from rlvr_gym import make
from rlvr_gym.cli.main import main

ENV = ("reverse", "env.digits=3")
TASKS = make("reverse", digits=3, split="test").tasks.take(100)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict], str]:
    with pytest.raises(SystemExit) as exited:
        main(["verify", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), [json.loads(line) for line in said.out.splitlines()], said.err


def answer(index: int, *, right: bool = True) -> str:
    return f"\\boxed{{{TASKS[index].id[::-1] if right else 'x'}}}"


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_verdicts_come_out_in_order_with_all_their_fields(tmp_path: Path, capsys):
    file = tmp_path / "completions.jsonl"
    rows = [{"task": TASKS[i].id, "completion": answer(i, right=i % 3 != 0)} for i in range(100)]
    file.write_text(lines(*rows))
    code, verdicts, err = run(capsys, *ENV, "--completions", str(file))
    assert code == 0
    assert [v["task"] for v in verdicts] == [task.id for task in TASKS]
    assert [v["outcome"] for v in verdicts[:4]] == ["incorrect", "correct", "correct", "incorrect"]
    assert verdicts[1] == {
        "task": TASKS[1].id,
        "outcome": "correct",
        "score": 1.0,
        "detail": verdicts[1]["detail"],
        "answer": TASKS[1].id[::-1],
        "parts": {},
        "expected": answer(1),
    }
    assert err == "judged 100 completions: 66 correct, 34 incorrect\n"


def test_stdin_and_stdout_are_the_default_and_an_index_names_a_task(monkeypatch, capsys):
    asked = lines({"task": 2, "completion": answer(2)}, {"task": 0, "completion": "", "sample": 7})
    monkeypatch.setattr("sys.stdin", io.StringIO(asked + "\n"))
    code, verdicts, _ = run(capsys, *ENV)
    assert code == 0
    assert [(v["task"], v["outcome"]) for v in verdicts] == [
        (TASKS[2].id, "correct"),
        (TASKS[0].id, "malformed"),
    ]


def test_a_file_of_verdicts_appears_once_it_is_whole(tmp_path: Path, monkeypatch, capsys):
    out = tmp_path / "deep" / "verdicts.jsonl"
    monkeypatch.setattr("sys.stdin", io.StringIO(lines({"task": 0, "completion": "?"}) + "{broken\n"))
    code, _, err = run(capsys, *ENV, "--out", str(out))
    assert code == 2
    assert "error: stdin, line 2 is broken: " in err
    assert not out.parent.exists()
    monkeypatch.setattr("sys.stdin", io.StringIO(lines({"task": 0, "completion": "?"})))
    assert run(capsys, *ENV, "--out", str(out))[0] == 0
    assert json.loads(out.read_text())["outcome"] == "malformed"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"task": "no-such", "completion": "x"}', "line 2: no task 'no-such' "),
        ('{"task": -1, "completion": "x"}', "line 2: "),
        ('{"task": 0}', 'line 2: completion: Field required; lines look like {"task": "ID"'),
        ('{"task": 0, "completion": 5}', "line 2: completion: Input should be a valid string"),
        ('{"task": 0, "completion": "x"', "line 2 is broken: "),
        ("[1, 2]", "line 2: the line: it is no JSON object"),
        pytest.param("[" * 100_000, "line 2 is broken: ", id="deep"),
        pytest.param('{"task": ' + "9" * 5000 + "}", "line 2 is broken: ", id="long number"),
        ('{"task": true, "completion": "x"}', "line 2: task: "),
        ('{"task": 0, "completion": "x", "finish_reason": "tired"}', "line 2: finish_reason: "),
    ],
)
def test_a_line_that_cannot_be_judged_is_named_by_number(monkeypatch, capsys, line: str, message: str):
    monkeypatch.setattr("sys.stdin", io.StringIO(lines({"task": 0, "completion": "?"}) + line + "\n"))
    code, _, err = run(capsys, *ENV)
    assert code == 2
    assert f"error: stdin, {message}" in err


def test_a_missing_file_is_named(tmp_path: Path, capsys):
    code, _, err = run(capsys, *ENV, "--completions", str(tmp_path / "none.jsonl"))
    assert (code, err) == (
        2,
        f"error: cannot read completions from {tmp_path}/none.jsonl: No such file or directory\n",
    )


def test_of_a_multi_turn_environment_the_final_turn_is_judged_and_that_is_said(monkeypatch, capsys):
    task = make("guess", split="test").tasks[0]
    rows = [{"task": task.id, "completion": f"\\boxed{{{guess}}}"} for guess in (task.reference, 0)]
    monkeypatch.setattr("sys.stdin", io.StringIO(lines(*rows)))
    code, verdicts, err = run(capsys, "guess")
    assert code == 0
    assert [v["outcome"] for v in verdicts] == ["correct", "incorrect"]
    assert "note: 'guess' is multi-turn; only the final turn is judged" in err


def test_the_samples_of_an_evaluation_can_be_judged_again(tmp_path: Path, capsys):
    row = {
        "task": TASKS[0].id,
        "completion": answer(0),
        "finish_reason": "length",
        "verdict": {},
        "seconds": 1.0,
    }
    file = tmp_path / "samples.jsonl"
    file.write_text(lines(row))
    assert run(capsys, *ENV, "--completions", str(file))[1][0]["outcome"] == "correct"


def test_a_place_for_verdicts_that_cannot_be_is_named(tmp_path: Path, capsys):
    completions = tmp_path / "completions.jsonl"
    completions.write_text(lines({"task": 0, "completion": "?"}))
    code, _, err = run(capsys, *ENV, "--completions", str(completions), "--out", str(tmp_path))
    assert (code, err) == (2, f"error: verdicts cannot go to {tmp_path}: it is a folder; give --out a file\n")
    code, _, err = run(
        capsys, *ENV, "--completions", str(completions), "--out", str(completions / "verdicts")
    )
    assert code == 1
    assert err.startswith(f"error: {completions}")


def test_test_cases_are_held_to_what_they_expect(tmp_path: Path, capsys):
    cases = [
        {"task": TASKS[0].id, "completion": answer(0), "expectation": "must pass", "label": "fine"},
        {"task": TASKS[1].id, "completion": answer(1, right=False), "expectation": "must fail"},
        {"task": TASKS[2].id, "completion": answer(2, right=False), "expectation": "must not pass"},
        {"task": TASKS[3].id, "completion": "", "expectation": "must not crash"},
        {"task": TASKS[4].id, "completion": answer(4)},
    ]
    file = tmp_path / "labels.jsonl"
    file.write_text(lines(*cases))
    code, verdicts, err = run(capsys, *ENV, "--completions", str(file))
    assert code == 0
    assert [verdict.get("met") for verdict in verdicts] == [True, True, True, True, None]
    assert err.splitlines()[1:] == ["4 of 4 verdicts are as expected"]


def test_a_hack_that_is_paid_fails_the_command_and_is_named(tmp_path: Path, capsys):
    cases = [
        {"task": TASKS[0].id, "completion": answer(0), "expectation": "must not pass", "label": "hack"},
        {"task": TASKS[1].id, "completion": answer(1, right=False), "expectation": "must pass"},
    ]
    file = tmp_path / "labels.jsonl"
    file.write_text(lines(*cases))
    code, verdicts, err = run(capsys, *ENV, "--completions", str(file))
    assert code == 1
    assert [verdict["met"] for verdict in verdicts] == [False, False]
    assert err.splitlines()[1:] == [
        "0 of 2 verdicts are as expected",
        f"  {TASKS[0].id} must not pass, and is correct",
        f"  {TASKS[1].id} must pass, and is incorrect",
    ]


def test_an_expectation_that_nobody_knows_is_refused_with_its_line(tmp_path: Path, capsys):
    file = tmp_path / "labels.jsonl"
    file.write_text(lines({"task": 0, "completion": "", "expectation": "must sing"}))
    code, _, err = run(capsys, *ENV, "--completions", str(file))
    assert code == 2
    assert "line 1: expectation" in err
    assert "must not pass" in err
