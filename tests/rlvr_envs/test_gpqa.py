import csv

import pytest

import rlvr_gym as rg
from tests.rlvr_envs.problem_rows import gpqa


def env_of(write_rows, rows, **options):
    return rg.make("gpqa", data=write_rows(rows), **options)


def verdict(env, answer, task: int | str = 0):
    env.reset(options={"task": task})
    return env.step(answer)[4]["verdict"]


MANY = [gpqa(n, f"Question {n}?", f"right {n}", f"wrong {n}", f"false {n}", f"bad {n}") for n in range(40)]


def test_the_letter_of_the_right_option_is_right_and_every_other_is_wrong(published, write_rows):
    env = env_of(write_rows, published["gpqa"])
    task = env.tasks[0]
    line = next(line for line in task.text.splitlines() if line.endswith(") its colours"))
    assert line[1] == task.reference
    said = {letter: verdict(env, f"\\boxed{{{letter}}}").outcome for letter in "ABCD"}
    assert [letter for letter, outcome in said.items() if outcome == "correct"] == [task.reference]


def test_two_letters_are_wrong_however_they_are_joined(published, write_rows):
    env = env_of(write_rows, published["gpqa"])
    right = str(env.tasks[0].reference)
    other = next(letter for letter in "ABCD" if letter != right)
    for said in (
        f"\\boxed{{({right}) and ({other})}}",
        f"\\boxed{{{right}, {other}}}",
        f"\\boxed{{{right} or {other}}}",
        f"\\boxed{{{right}{other}}}",
        f"\\boxed{{{right}}} and \\boxed{{{other}}}",
        "\\boxed{ABCD}",
    ):
        assert not verdict(env, said).correct, said
    assert verdict(env, f"\\boxed{{({right})}}").correct
    assert verdict(env, f"\\boxed{{\\text{{{right}. its colours}}}}").correct


def test_the_right_option_is_at_every_place_equally_often_and_moves_with_the_seed(write_rows):
    first, again, other = (env_of(write_rows, MANY, seed=seed) for seed in (0, 0, 1))
    places = [str(task.reference) for task in first.tasks]
    assert all(4 <= places.count(letter) <= 17 for letter in "ABCD")
    assert [task.text for task in again.tasks] == [task.text for task in first.tasks]
    assert [task.reference for task in other.tasks] != places
    assert [task.id for task in other.tasks] == [task.id for task in first.tasks]


def test_no_verdict_tells_the_right_letter_to_one_who_was_wrong(published, write_rows):
    env = env_of(write_rows, published["gpqa"])
    task = env.tasks[0]
    for letter in "ABCD":
        said = verdict(env, f"\\boxed{{{letter}}}")
        assert said.correct or f"expected {task.reference}" not in said.detail
        assert said.correct or said.answer == letter
    assert env.expected(task) is None


def test_options_that_are_the_same_make_no_question(write_rows):
    path = write_rows([gpqa(1, "One?", "a", "b", "c", "a")])
    with pytest.raises(rg.DataError, match="line 1: two of the four options are the same"):
        _ = rg.make("gpqa", data=path).tasks.size


def test_the_published_table_is_read_as_it_is(published, tmp_path):
    with open(tmp_path / "gpqa_diamond.csv", "w", newline="") as file:
        rows = [{**row, "Question": f'{row["Question"]}\nReally, "truly"?'} for row in published["gpqa"]]
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    env = rg.make("gpqa", data=str(tmp_path / "gpqa_diamond.csv"))
    assert [task.id for task in env.tasks] == ["rec1", "rec2"]
    assert env.tasks[0].text.startswith('What does a prism split white light into?\nReally, "truly"?\n\n(A) ')


def test_a_subset_that_is_not_published_is_refused(published, write_rows):
    with pytest.raises(rg.ConfigError, match="no subset 'golden'; possible: diamond, main, extended"):
        env_of(write_rows, published["gpqa"], subset="golden")
