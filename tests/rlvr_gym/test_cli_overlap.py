import json

import pytest

from rlvr_gym.cli.main import main


@pytest.fixture
def files(tmp_path):
    for name, numbers in {"a": range(6), "b": range(4, 9), "c": range(9, 12)}.items():
        rows = ({"prompt": f"What is 7 x {n}?", "answer": str(7 * n)} for n in numbers)
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["overlap", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


def test_shared_prompts_are_counted_shown_and_exit_with_1(files, capsys):
    code, out, _ = run(capsys, "jsonl", "jsonl", f"a.data={files}/a.jsonl", f"b.data={files}/b.jsonl")
    assert code == 1
    assert "of 5 prompts" in out
    assert "2 stand word for word" in out
    assert "what is 7 x 4" in out


def test_sets_apart_exit_with_0(files, capsys):
    code, out, _ = run(
        capsys, "jsonl", "jsonl", f"a.data={files}/a.jsonl", f"b.data={files}/c.jsonl", "--json"
    )
    assert code == 0
    assert json.loads(out)["exact"] == 0


def test_splits_are_train_and_test_unless_told_otherwise(capsys):
    code, out, _ = run(capsys, "arithmetic", "arithmetic")
    assert code == 0
    assert "'arithmetic' (test)" in out
    assert "'arithmetic' (train)" in out
    assert run(capsys, "arithmetic", "arithmetic", "b.split=train")[0] == 1


def test_options_of_neither_environment_are_refused(capsys):
    code, _, err = run(capsys, "arithmetic", "arithmetic", "digits=3")
    assert code == 2
    assert "look like a.KEY=VALUE" in err


@pytest.fixture
def problems(tmp_path):
    """A set to train on and a benchmark; their rows have nothing in common."""
    train = {"problem": "How many primes are below twenty?", "answer": "8", "solution": ""}
    test = {"problem_idx": 1, "problem": "Find the largest divisor of ninety-one.", "answer": 91}
    (tmp_path / "train.jsonl").write_text(json.dumps(train) + "\n")
    (tmp_path / "test.jsonl").write_text(json.dumps(test) + "\n")
    return (f"a.data={tmp_path}/train.jsonl", f"b.data={tmp_path}/test.jsonl")


def test_sets_of_the_same_contest_are_said_to_be_such_though_no_row_shows_it(problems, capsys):
    code, out, _ = run(capsys, "deepscaler", "aime25", *problems)
    assert code == 0
    assert out.startswith(
        "known: both hold problems of AIME; rows that say the same in other words are not found\n"
    )
    code, out, _ = run(capsys, "deepscaler", "aime25", *problems, "--json")
    assert json.loads(out)["known"] == "both hold problems of AIME"


def test_what_is_known_is_said_before_any_row_is_read(capsys):
    code, out, err = run(capsys, "big-math", "amc23", "a.data=nowhere.jsonl", "b.data=nowhere.jsonl")
    assert code != 0
    assert out.startswith("known: both hold problems of AMC;")
    assert "nowhere.jsonl" in err


def test_nothing_is_known_of_two_splits_of_one_set_and_of_sets_of_other_contests(problems, files, capsys):
    out = run(capsys, "gsm8k", "gsm8k", "a.data=nowhere.jsonl", "b.data=nowhere.jsonl")[1]
    assert "known:" not in out
    assert "known:" not in run(capsys, "deepscaler", "jsonl", problems[0], f"b.data={files}/a.jsonl")[1]
