"""IFBench: rows as published become tasks, and a kind that cannot be judged is named."""

import pytest

import rlvr_gym as rg


def reward(env, text, task: int | str = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_a_row_becomes_a_task_with_its_instructions(published, write_rows):
    first, second = rg.make("ifbench", data=write_rows(published["ifbench"])).tasks
    assert (first.id, first.text) == ("7", published["ifbench"][0]["prompt"])
    assert first.reference == {
        "instructions": [
            {"id": "count:numbers", "arguments": {"N": 2.0}},
            {"id": "format:title_case", "arguments": {}},
        ]
    }
    assert second.reference == {"instructions": [{"id": "custom:multiples", "arguments": {}}]}


def test_loose_judging_is_the_default_as_in_published_figures(published, write_rows):
    data = write_rows(published["ifbench"])
    env, strict = rg.make("ifbench", data=data), rg.make("ifbench", data=data, mode="strict")
    both, behind = "The Nile Has 2 Springs And 1 Delta", "Sure, here:\nThe Nile 1 2"
    assert reward(env, both) == reward(strict, both) == 1.0
    assert (reward(env, behind), reward(strict, behind)) == (1.0, 0.0)
    assert reward(env, "The Nile has 2 springs and 1 delta") == reward(env, "The Nile Has 12 Springs") == 0.0
    assert reward(rg.make("ifbench", data=data, score="instruction"), "The nile 1 2") == 0.5
    assert reward(env, "14, 21, 28, 35, 42, 49", "8") == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"instruction_id_list": ["words:start_verb", "format:title_case"], "kwargs": [{}, {}]},
            "nltk's tagger",
        ),
        ({"instruction_id_list": ["count:stars", "format:title_case"]}, "no instruction 'count:stars'"),
        ({"kwargs": [{"N": 2.0}]}, "2 instructions with the arguments of 1"),
        ({"kwargs": [{"N": -2}, {}]}, "N must be a whole number of at least 0, not -2"),
        ({"kwargs": [{}, {}]}, "takes N; given: none"),
    ],
)
def test_a_row_that_cannot_be_judged_is_named(published, write_rows, change, message):
    path = write_rows([published["ifbench"][1], {**published["ifbench"][0], **change}])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("ifbench", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")
