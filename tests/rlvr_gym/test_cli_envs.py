import pytest

import rlvr_gym as rg
from rlvr_gym import registry
from rlvr_gym.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exited:
        main(["envs", *arguments])
    said = capsys.readouterr()
    assert exited.value.code == 0, said.err
    return said.out


def test_every_registered_environment_is_listed(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    out = run(capsys)
    for id in rg.list_environments():
        assert registry.short_name(id) in out


def test_the_list_is_one_row_for_each_environment_at_eighty_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(capsys).splitlines()
    assert len([line for line in lines if "│" in line]) == len(rg.list_environments())
    assert max(map(len, lines)) <= 80


def test_environments_of_a_family_stand_together_under_its_name(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    rows = [[cell.strip() for cell in line.split("│")] for line in run(capsys).splitlines() if "│" in line]
    family, families = "", {}
    for heading, name, *_ in rows:
        family = heading or family
        families.setdefault(family, []).append(name.removesuffix(" ✓"))
    assert {"aime24", "gsm8k", "olympiadbench", "deepscaler"} <= set(families["math"])
    assert {"humaneval", "mbpp"} <= set(families["code"])
    assert len([heading for heading, *_ in rows if heading]) == len(families)


def test_the_suites_are_listed_with_their_members(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert "suite=math: gsm8k, math500, " in run(capsys)


def test_a_card_comes_with_options_and_an_example(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    out = run(capsys, "reverse", "env.digits=3")
    task = rg.make("reverse", digits=3, split="test").tasks[0]
    assert "rlvr/Reverse-v0" in out
    assert "digits" in out
    assert f"example, task {task.id}" in out
    assert task.text in out
    assert task.id[::-1] in out


def test_an_environment_that_needs_data_is_not_fetched_for_an_example(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert "give env.data=... to see one" in run(capsys, "gsm8k")
    assert "(required)" in run(capsys, "jsonl")


def test_an_example_from_data_that_cannot_be_read_says_why(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "300")
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "What is 1 + 1?", "answer": "2"}\n')
    assert "What is 1 + 1?" in run(capsys, "jsonl", f"env.data={file}")
    assert "no example" in run(capsys, "jsonl", f"env.data={tmp_path}/other.jsonl")


def test_an_option_that_cannot_be_is_refused_beside_the_card(capsys):
    with pytest.raises(SystemExit) as exited:
        main(["envs", "gsm8k", "env.splitt=test"])
    said = capsys.readouterr()
    assert exited.value.code == 2
    assert "no option 'splitt'; possible: split, data" in said.err
    assert "licence" in said.out
