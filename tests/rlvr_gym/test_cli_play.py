import io

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main


def play(monkeypatch, capsys: pytest.CaptureFixture[str], typed: str, *arguments: str) -> str:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    with pytest.raises(SystemExit) as exited:
        main(["play", *arguments])
    said = capsys.readouterr()
    assert exited.value.code == 0, said.err
    return said.out


def drawn(name: str, seed: int, **options: str | int) -> rg.Task:
    env = rg.make(name, split="test", **options)
    env.reset(seed=seed)
    assert env.task is not None
    return env.task


def test_answers_get_verdicts_and_ctrl_d_the_score(monkeypatch, capsys):
    task = drawn("reverse", 5, digits=3)
    out = play(
        monkeypatch,
        capsys,
        f"\\boxed{{{task.id[::-1]}}}\nno idea\n",
        "reverse",
        "env.digits=3",
        "--seed",
        "5",
    )
    assert task.text in out
    assert "correct, score 1" in out
    assert "malformed, score 0" in out
    assert "right would be: \\boxed{" in out
    assert out.rstrip().endswith("1 of 2 right")


def test_leaving_at_once_is_no_failure(monkeypatch, capsys):
    assert play(monkeypatch, capsys, "", "reverse").rstrip().endswith("0 of 0 right")


def test_an_empty_line_is_no_answer_and_a_backslash_goes_on(monkeypatch, capsys):
    task = drawn("reverse", 0, digits=3)
    out = play(monkeypatch, capsys, f"\n\nI think\\\n\\boxed{{{task.id[::-1]}}}\n", "reverse", "env.digits=3")
    assert out.rstrip().endswith("1 of 1 right")


def test_a_multi_turn_episode_is_played_turn_by_turn(monkeypatch, capsys):
    number = drawn("guess", 0).reference
    assert isinstance(number, int)
    wrong = number - 1 if number > 1 else number + 1
    out = play(monkeypatch, capsys, f"\\boxed{{{wrong}}}\n\\boxed{{{number}}}\n", "guess")
    assert "turn 2" in out
    assert f"than {wrong}" in out
    assert out.rstrip().endswith("1 of 1 right")


def test_an_unknown_option_of_the_environment_is_refused(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["play", "reverse", "env.digit=3"])
    assert exited.value.code == 2
    assert "has no option 'digit'" in capsys.readouterr().err
