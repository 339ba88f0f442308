import pytest

import rlvr_gym as rg

TASK = rg.Task(id="1230", prompt="1230>", reference="0321")


def reward(text, **options):
    env = rg.make("reverse", style="symbols", **options)
    env.reset(options={"task": TASK})
    return env.step(text)[1]


def test_the_reference_is_the_string_read_backwards():
    env = rg.make("reverse", digits=6, style="symbols")
    for task in env.tasks.take(20):
        assert task.text == f"{task.id}>"
        assert task.reference == task.id[::-1]
        assert len(task.id) == 6


def test_all_or_nothing_counts_leading_zeros():
    assert reward("0321") == 1.0
    assert reward(" 0321\n") == 1.0
    assert [reward(text) for text in ("321", "321.0", "0322", "1230", "", "00321")] == [0.0] * 6


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("0321", 1.0),
        ("0320", 0.75),
        ("0000", 0.25),
        ("9999", 0.0),
        ("032", 0.75),
        ("03210", 0.8),
        ("0321" * 2, 0.5),
        ("0321" + "0" * 96, 0.04),
        ("x0321", 0.0),
        ("", 0.0),
    ],
)
def test_per_digit_pays_the_share_of_right_positions_of_the_longer_string(text, share):
    assert reward(text, reward="per_digit") == share


def test_going_on_after_the_answer_never_gains():
    for start in ("", "0", "03", "032", "0321", "9"):
        for digit in "0123456789":
            if len(start) >= 4:
                assert reward(start + digit, reward="per_digit") < reward(start, reward="per_digit")


def test_options_that_cannot_work_say_what_would():
    with pytest.raises(rg.ConfigError, match="reward must be 'exact' or 'per_digit', not 'both'"):
        rg.make("reverse", reward="both")
    with pytest.raises(rg.ConfigError, match="digits must be from 2 to 100, not 1"):
        rg.make("reverse", digits=1)


def test_all_strings_of_two_digits_are_in_one_split_each():
    ids = [
        {task.id for task in rg.make("reverse", split=s, digits=2).tasks.take(100)} for s in ("train", "test")
    ]
    assert len(ids[0]) + len(ids[1]) == len(ids[0] | ids[1]) == 100
    assert 10 <= len(ids[1]) <= 30
