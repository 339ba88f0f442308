import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.instructions import IFEVAL, Instructed, accuracies


def reward(env, text, task: int | str | rg.Task = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_a_row_becomes_a_task_with_its_instructions(published, write_rows):
    env = rg.make("ifeval", data=write_rows(published["ifeval"]))
    first, second = env.tasks
    assert (first.id, first.text) == ("1000", "Write three words, without commas.")
    assert first.metadata == {"instructions": ["punctuation:no_comma", "length_constraints:number_words"]}
    assert second.reference == {
        "instructions": [
            {"id": "detectable_content:number_placeholders", "arguments": {"num_placeholders": 1}}
        ]
    }


def test_all_instructions_must_be_followed_and_loose_looks_at_variants(published, write_rows):
    data = write_rows(published["ifeval"])
    strict = rg.make("ifeval", data=data)
    assert reward(strict, "one two three") == 1.0
    assert reward(strict, "one, two, three") == 0.0
    assert reward(strict, "Sure, here:\none two three") == 0.0
    assert reward(rg.make("ifeval", data=data, mode="loose"), "Sure, here:\none two three") == 1.0
    assert reward(rg.make("ifeval", data=data, score="instruction"), "one, two, three") == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instruction_id_list": ["punctuation:no_comma"]}, "1 instructions with the arguments of 2"),
        ({"kwargs": [{}, {"num_words": 3}]}, "takes num_words, relation; given: num_words"),
        ({"instruction_id_list": ["be:brief", "punctuation:no_comma"]}, "no instruction 'be:brief'"),
        (
            {"kwargs": [{}, {"relation": "at least", "num_words": -1}]},
            "must be a whole number of at least 0, not -1",
        ),
    ],
)
def test_a_broken_row_is_named_with_file_and_line(published, write_rows, change, message):
    path = write_rows([published["ifeval"][1], {**published["ifeval"][0], **change}])
    with pytest.raises(rg.DataError, match=message) as raised:
        _ = rg.make("ifeval", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: ")


def test_without_the_extra_tasks_that_need_it_are_refused_when_they_load(published, write_rows, monkeypatch):
    asked = {"instruction_id_list": ["language:response_language"], "kwargs": [{"language": "de"}]}
    path = write_rows([published["ifeval"][0], {**published["ifeval"][1], **asked}])
    monkeypatch.setitem(sys.modules, "langdetect", None)
    with pytest.raises(rg.DataError, match=r"needs langdetect: pip install .*\[ifeval\]") as raised:
        _ = rg.make("ifeval", data=path).tasks.size
    assert str(raised.value).startswith(f"{path}, line 2: task '1005': ")


def test_options_are_checked(published, write_rows):
    with pytest.raises(rg.ConfigError, match="option 'mode'"):
        rg.make("ifeval", data=write_rows(published["ifeval"]), mode="lax")


RESPONSES = (
    "Sure, here it is:\n\n<<A title>>\n\nDear [name], here is a *short* text with **two** highlights.\n"
    "* one\n* two\n\nP.S. Bye!",
    "My answer is no.",
    '"' + "All of this is one long quotation about a river and a forest. " * 12 + '"',
    "```json\n{}\n```",
    "this is an answer in lowercase letters only, and it says next to nothing about what was asked",
    "Das ist eine Antwort auf Deutsch, die niemandem etwas nützt.",
    "One\n***\nTwo\n******\nThree",
    "42",
)


def test_all_published_prompts_load_and_judge_alike_in_every_thread(real_data):
    tasks = list(rg.make("ifeval", data=str(real_data / "ifeval" / "input_data.jsonl")).tasks)
    assert len(tasks) == 541
    listed = [Instructed.model_validate(task.reference).instructions for task in tasks]
    assert Counter(map(len, listed)) == {1: 305, 2: 179, 3: 57}
    assert {each.id for instructions in listed for each in instructions} == set(IFEVAL)
    verifier = rg.verifiers.instructions.Instructions()
    asked = [
        (task, rg.Completion(text=RESPONSES[(i + j) % len(RESPONSES)]))
        for i, task in enumerate(tasks)
        for j in range(2)
    ]
    first = [verifier.verify(*pair) for pair in asked]
    assert all(verdict.scored for verdict in first)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda pair: verifier.verify(*pair), asked)) == first
    strict, loose = (accuracies(first, mode=mode) for mode in ("strict", "loose"))
    assert 0 < strict.prompt <= loose.prompt < loose.instruction < 1
    assert strict.prompt < strict.instruction <= loose.instruction


def test_saying_nothing_follows_no_published_prompt(real_data):
    env = rg.make("ifeval", data=str(real_data / "ifeval" / "input_data.jsonl"), mode="loose")
    assert not any(reward(env, text, task) for task in env.tasks for text in ("", " \n", "\u200b"))
