"""Facts that a report derives from texts: where an answer was read, what repeats, what a task is called."""

import json
import random
import subprocess
import sys

import pytest

from rlvr_gym.report.duplicates import clusters
from rlvr_gym.report.places import answer_places, in_javascript
from rlvr_gym.report.settings import settings
from rlvr_gym.report.titles import titles
from rlvr_gym.verifiers.answers import Answer, AnswerContract
from tests.timing import at_most


@pytest.mark.parametrize(
    ("text", "answer", "marked"),
    [
        (r"\boxed{41} no, \boxed{ 42 }.", "42", ["42"]),
        (r"<think>\boxed{42}</think> so \boxed{42}", "42", ["42"]),
        (r"either \boxed{5} or \boxed{6}", "5, 6", ["5", "6"]),
        ("first 7\nAnswer: **7**\n", "7", ["7"]),
        ("so <answer>\n x+1 </answer>", "x+1", ["x+1"]),
        ("#### 1,000\n", "1,000", ["1,000"]),
        ("\\boxed{1<think>a\nslip</think>2}", "1\n2", ["1<think>a\nslip</think>2"]),
        ("```python\nprint(1)\n```\n```python\nprint(12345678901234)\n```", "print(12345678901234)", None),
        ("(B) it is", "B", ["B"]),
        ("B, or rather B", "B", []),
        ("12 is not 1.2 or 3.12", "2", []),
        ("as a whole", "as a whole", None),
        ("no answer", None, []),
        ("no answer", "", []),
        ("no answer", "other", []),
    ],
)
def test_an_answer_is_marked_where_it_was_read(text: str, answer: str | None, marked: list[str] | None):
    expected = [answer] if marked is None else marked
    places = answer_places(text, answer)
    assert [text[begin:end] for begin, end in places] == expected
    assert list(places) == sorted(places)


def test_the_place_of_an_answer_is_the_last_marker_and_not_an_earlier_one_with_the_same_text():
    text = r"\boxed{42} and again, with words between, \boxed{42}"
    assert answer_places(text, "42") == ((text.rindex("42"), text.rindex("42") + 2),)


@pytest.mark.parametrize("marker", ["boxed", "tag", "hashes", "line", "whole"])
def test_a_contract_tells_where_it_read_what_it_read(marker: str):
    contract = AnswerContract(marker)
    said = contract.read(f"<think>aside</think>{contract.write('3 + 4')}")
    assert isinstance(said, Answer)
    text = f"<think>aside</think>{contract.write('3 + 4')}"
    assert [text[begin:end] for begin, end in said.spans] == ["3 + 4"]


def test_many_boxes_between_many_thoughts_are_found_in_linear_time():
    text = r"<think></think>\boxed{1}" * 20_000
    with at_most(3):
        said = AnswerContract("boxed").read(text)
    assert isinstance(said, Answer)
    assert {text[begin:end] for begin, end in said.spans} == {"1"}


def test_places_are_counted_as_javascript_counts():
    text = "\U0001f600\U0001f600 é \\boxed{5}"
    ((begin, end),) = answer_places(text, "5")
    assert in_javascript(text, ((begin, end),)) == [[begin + 2, end + 2]]
    as_javascript = text.encode("utf-16-le")
    assert as_javascript[2 * (begin + 2) : 2 * (end + 2)].decode("utf-16-le") == "5"


def test_half_a_character_moves_no_place():
    text = "half \ud800 \\boxed{5}"
    assert in_javascript(text, answer_places(text, "5")) == [[text.index("5"), text.index("5") + 1]]


def words(count: int, seed: int) -> str:
    rng = random.Random(seed)
    return " ".join("".join(rng.choices("abcdefghij", k=6)) for _ in range(count))


def test_completions_that_say_nearly_the_same_are_one_cluster_and_others_are_not():
    base = words(100, 0)
    near = base.replace(base.split()[50], "changed").upper()
    found = clusters([base, words(100, 1), near, base + " and more", words(100, 2), base])
    assert found == [0, 1, 0, 0, 2, 0]


def test_a_template_filled_with_other_numbers_is_one_cluster():
    said = "Let us see: the total of {} and {} is clearly {}, so that is the answer"
    assert set(clusters([said.format(i, i * i, i + i * i) for i in range(20)])) == {0}


def test_short_answers_that_differ_are_no_near_duplicates():
    assert clusters(["12", "13", " 12 ", "so 12", "So  12", ""]) == [0, 1, 0, 2, 2, 3]


def test_small_steps_do_not_make_unlike_texts_one_cluster():
    chain = [words(60, 0).split()]
    for step in range(30):
        chain.append([*chain[-1][2:], f"next{chr(97 + step)}", f"step{chr(97 + step)}"])
    found = clusters([" ".join(one) for one in chain])
    assert found[0] == found[1]
    assert found[0] != found[-1]


def test_clusters_are_the_same_in_every_process():
    texts = [words(20, seed % 7) for seed in range(30)]
    program = (
        "import json, sys; from rlvr_gym.report.duplicates import clusters; "
        "print(json.dumps(clusters(json.load(sys.stdin))))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == clusters(texts)


def test_a_title_leaves_out_the_words_that_all_prompts_begin_with():
    asked = [
        "Solve the problem step by step: what is 1+1?",
        "Solve the problem step by step: how old is Ann?",
    ]
    assert titles(asked) == ["what is 1+1?", "how old is Ann?"]
    assert titles(["what is 1+1?", "what is 2+2?"]) == ["what is 1+1?", "what is 2+2?"]
    assert titles(["the same words again", "the same words again"]) == ["the same words again"] * 2
    assert titles(["one two three four five", "one two three four"])[1] == "one two three four"
    assert titles([]) == []
    assert len(titles(["word " * 100])[0]) <= 92
    assert len(titles(["x" * 1000])[0]) <= 92


def test_settings_have_their_dotted_names_and_versions_come_last():
    config = {"versions": {"python": "3.11"}, "run": {"steps": 20, "trackers": []}, "seed": None, "on": True}
    assert settings(config) == [
        ("run.steps", "20"), ("run.trackers", "[]"), ("seed", "none"), ("on", "true"), ("versions.python", "3.11"),
    ]  # fmt: skip
    assert settings({}) == []
