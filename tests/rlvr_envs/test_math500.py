import pytest

import rlvr_gym as rg


def reward(env, text, task: int | str | rg.Task = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_rows_keep_their_id_subject_and_level(published, write_rows):
    env = rg.make("math500", data=write_rows(published["math500"]))
    task = env.tasks["test/precalculus/807.json"]
    assert task.metadata == {"subject": "Precalculus", "level": 2}
    assert task.reference == "\\left( 3, \\frac{\\pi}{2} \\right)"
    assert task.text.startswith("Convert $(0,3)$")
    assert "\\boxed{}" in task.text


def test_answers_are_compared_for_equivalence(published, write_rows):
    env = rg.make("math500", data=write_rows(published["math500"]))
    assert reward(env, "\\boxed{(3, \\pi/2)}") == 1.0
    assert reward(env, "\\boxed{(\\pi/2, 3)}") == 0.0
    assert reward(env, "\\boxed{0.25}", 1) == 1.0
    assert reward(env, "\\boxed{2^{-2}}", 1) == 1.0
    assert reward(env, "\\boxed{4}", 1) == 0.0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("answer", " ", "the gold answer is empty"),
        ("answer", "}", "the reference '}' cannot be read"),
        ("answer", None, "not a task of 'math500'"),
        ("unique_id", "test/precalculus/807.json", "already stands at .*line 1"),
    ],
)
def test_a_broken_row_is_named_with_file_and_line(published, write_rows, field, value, message):
    first, second = published["math500"]
    path = write_rows([first, {**second, field: value}])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("math500", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")


def test_a_missing_field_is_named(published, write_rows):
    row = {key: value for key, value in published["math500"][0].items() if key != "subject"}
    with pytest.raises(rg.DataError, match="no field 'subject'; the row has answer, level, problem"):
        _ = rg.make("math500", data=write_rows([row])).tasks.size


def test_the_published_file_loads_and_every_gold_answer_is_right(real_data):
    env = rg.make("math500", data=str(real_data / "math500" / "test.jsonl"))
    assert env.tasks.size == 500
    assert all(reward(env, f"\\boxed{{{task.reference}}}", task) == 1.0 for task in env.tasks)
