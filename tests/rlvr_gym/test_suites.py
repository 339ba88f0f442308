import json

import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.cli.settings import with_suites
from rlvr_gym.environments.suites import find_suite, list_suites, register_suite


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["eval", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


@pytest.mark.parametrize("name", list_suites())
def test_every_member_of_every_suite_is_an_environment(name):
    assert find_suite(name).members
    assert list_suites()[name].about


def test_a_suite_stands_for_its_members_and_settings_by_hand_come_last():
    register_suite("test-pair", {"reverse": {"digits": 3}, "gsm8k": {"data": "a.jsonl"}})
    said = with_suites(["suite=test-pair", "model.path=tiny", "reverse.digits=2", "countdown"])
    assert said == [
        "reverse",
        "gsm8k",
        "countdown",
        "reverse.digits=3",
        'gsm8k.data="a.jsonl"',
        "model.path=tiny",
        "reverse.digits=2",
    ]


def test_an_environment_of_two_suites_is_evaluated_once():
    names = [one for one in with_suites(["suite=math", "suite=reasoning", "math500"]) if "=" not in one]
    assert len(names) == len(set(names))
    assert {"gpqa", "math500", "aime25"} <= set(names)


def test_all_unknown_members_are_named_before_anything_is_sampled(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("gsm8k: {data: test.jsonl}\ngsm9k:\nmoon: {}\n")
    code, out, err = run(capsys, f"suite={path}", "model.path=tiny")
    assert (code, out) == (2, "")
    assert "gsm9k: no environment 'gsm9k'; did you mean 'gsm8k'?" in err
    assert "moon: no environment 'moon'" in err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gsm8k: 7\n", "expected the options of 'gsm8k'"),
        ("{}\n", "has no members"),
        ("- gsm8k\n", "must hold a mapping"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(rg.ConfigError, match=message):
        find_suite(str(tmp_path / "a.yaml"))


def test_an_unknown_suite_is_answered_with_the_nearest_and_all_others(capsys):
    code, _, err = run(capsys, "suite=maths", "model.path=tiny")
    assert code == 2
    assert "no suite 'maths'; did you mean 'math'? possible: code, " in err


def test_every_member_whose_data_cannot_be_read_is_named_at_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    missing = [f"{name}.data={name}.jsonl" for name in find_suite("math").members]
    code, out, err = run(capsys, "suite=math", "model.path=tiny", *missing)
    assert (code, out) == (2, "")
    for name in find_suite("math").members:
        assert f"{name}: cannot read tasks from {name}.jsonl" in err


def test_a_suite_ends_in_one_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "aime.jsonl").write_text(
        json.dumps({"problem_idx": 1, "problem": "1+1?", "answer": 2}) + "\n"
    )
    (tmp_path / "mine.yaml").write_text("aime25: {data: aime.jsonl}\nreverse: {style: symbols, digits: 2}\n")
    settings = ("model.path=tiny", "sampling.max_tokens=4", "--limit", "1", "--n", "2", "--out", "runs/all")
    code, out, err = run(capsys, "suite=mine.yaml", *settings)
    assert code == 0, err
    table = out[out.index("all environments, with 95 % intervals") :]
    assert "aime25" in table
    assert "reverse" in table
    assert sorted(path.name for path in (tmp_path / "runs" / "all").iterdir()) == ["aime25", "reverse"]
