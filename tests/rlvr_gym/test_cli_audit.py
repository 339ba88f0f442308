import json
from pathlib import Path

import pytest

from rlvr_gym.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["audit", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


def test_a_sound_verifier_exits_with_0_and_its_rates(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, _ = run(capsys, "reverse", "env.digits=3", "--tasks", "1", "--per-family", "20", "--strict")
    assert code == 0
    assert "near misses" in out
    assert "false positives: 0 of" in out
    assert out.rstrip().endswith("sound")


def test_an_unsound_verifier_exits_with_1_and_the_shortest_attack(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(capsys, "rlvr_gym.audit.weak:weak/AnyMatch-v0", "--tasks", "1")
    assert code == 1
    assert "false positive: hedges, two final answers side by side" in out
    assert "NOT SOUND: false positive: " in out
    assert "Do not train on this verifier yet" in out


WORDS = """
import rlvr_gym as rg

TASKS = rg.TaskSet.from_tasks([rg.Task(id=w, prompt=f"Say {w}.", reference=w) for w in ("one", "two")], name="words")


def says(task, completion):
    return task.reference in completion.text.split()


@rg.register("acme/Blind-v0")
def blind():
    return rg.Environment(TASKS, rg.FunctionVerifier(says))


@rg.register("acme/Seen-v0")
def seen():
    return rg.Environment(TASKS, rg.FunctionVerifier(says, solution=lambda task: task.reference))
"""


def test_a_verifier_that_knows_no_solution_is_not_shown_to_be_sound(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("words.py").write_text(WORDS)
    code, out, _ = run(capsys, "words.py:blind", "--tasks", "1")
    assert code == 1
    assert "NOT SHOWN TO BE SOUND: no task's solution is known" in out
    assert "FunctionVerifier(check, solution=...)" in out
    code, out, _ = run(capsys, "words.py:seen", "--tasks", "1")
    assert code == 1
    assert "NOT SOUND: false positive: " in out


def test_the_report_is_json_for_machines(capsys):
    code, out, _ = run(capsys, "rlvr_gym.audit.weak:weak/Substring-v0", "--tasks", "1", "--json")
    report = json.loads(out)
    assert code == 1
    assert report["sound"] is False
    assert report["held_against"][0].endswith("(at most 1% is let pass)")
    assert report["environment"] == "weak/Substring-v0"
    hedges = next(family for family in report["families"] if family["name"] == "hedges")
    assert hedges["false_positives"]["count"] == hedges["false_positives"]["of"]
    assert hedges["examples"][0]["failure"] == "false positive"


def test_where_nothing_can_be_judged_the_exit_status_is_neither_sound_nor_unsound(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    code, out, err = run(capsys, "unsound:test/Unsound-v0", "env.ways=unavailable")
    assert (code, out) == (2, "")
    assert "nothing can be audited here, as the solutions of 1 tasks get no verdict: Unsound failed" in err


def test_a_gold_that_cannot_be_used_is_not_called_unsound_but_named(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    code, out, err = run(capsys, "unsound:test/Goldless-v0")
    assert (code, out) == (2, "")
    assert "'test/Goldless-v0' cannot be audited: task 'goldless' has no gold" in err


def test_what_a_verifier_says_cannot_steer_the_terminal(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    code, out, _ = run(capsys, "unsound:test/Unsound-v0", "env.ways=steers", "--per-family", "5")
    assert code == 1
    assert r"\x1b[2J\ud800" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which environment? give its name, or --all"),
        (["gsm9k"], "no environment 'gsm9k'; did you mean 'gsm8k'?"),
        (["--all", "nowhere.data=x"], "with --all, options look like gsm8k.data=PATH"),
        (["reverse", "--tasks", "0"], "'--tasks': Input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_audited_is_refused_with_what_can(capsys, arguments, message):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert message in err
