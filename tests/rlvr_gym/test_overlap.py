"""Prompts that stand in two sets are found, and a set's way of asking is not taken for one."""

import pytest

import rlvr_gym as rg
from rlvr_gym.overlap import overlap, refuse_overlap, words

ASK = "Reason step by step, and put your final answer in \\boxed{} at the very end."
LONG = "a farmer has {} sheep and sells half of them to a neighbour who owns {} goats and a dog"


def tasks(name, *questions, split="test", ask=ASK):
    listed = [
        rg.Task(id=f"{name}{i}", prompt=f"{question}\n\n{ask}", reference="1")
        for i, question in enumerate(questions)
    ]
    return rg.TaskSet.from_tasks(listed, name=name, split=split)


SUMS = [f"What is {n} plus {n * n}?" for n in range(20)]


def test_the_same_prompt_in_another_spelling_is_an_exact_match():
    found = overlap(tasks("a", *SUMS), tasks("b", "WHAT is  3 plus 9 ?", "What is 3 plus 10?"))
    assert (found.exact, found.passages) == (1, 0)
    assert (found.examples[0].first, found.examples[0].second) == ("a3", "b0")


def test_the_same_question_asked_in_another_way_is_an_exact_match():
    other = tasks(
        "b", *SUMS[5:9], ask="Give just the number, in <answer> tags, and nothing else whatsoever please."
    )
    assert overlap(tasks("a", *SUMS), other).exact == 4


def test_thirteen_words_in_common_are_a_passage_and_twelve_are_not():
    thirteen = "one two three four five six seven eight nine ten eleven twelve thirteen"
    first = tasks("a", *SUMS, f"Once {thirteen} sheep came.")
    assert overlap(first, tasks("b", "Why?", f"Then {thirteen} goats went.")).passages == 1
    twelve = thirteen.rpartition(" ")[0]
    assert overlap(first, tasks("b", "Why?", f"Then {twelve} goats went.")).passages == 0


def test_instructions_that_every_prompt_repeats_are_no_overlap():
    assert len(words(ASK)) >= 13
    assert overlap(tasks("a", *SUMS), tasks("b", "Who?", "Where?", "When?")).clean


def test_two_splits_of_a_procedural_set_share_nothing():
    train, test = (rg.make("arithmetic", split=split).tasks for split in ("train", "test"))
    assert overlap(train, test).clean
    assert overlap(train, rg.make("arithmetic", split="train", seed=1).tasks).exact > 0


def test_an_overlap_is_refused_and_named():
    held_out = tasks("held", SUMS[3], "Who?", "Where?")
    with pytest.raises(
        rg.ConfigError, match=r"of 3 prompts of 'held' \(test\), 1 stand word for word in 'b'"
    ):
        refuse_overlap([tasks("a", "Why not?", "Why?"), tasks("b", *SUMS)], held_out)
    refuse_overlap([tasks("a", "Why not?", "Why?"), tasks("b", *SUMS[4:])], held_out)


def test_a_few_near_twins_in_a_hundred_are_tolerated_and_more_are_not():
    questions = [f"Question {n}, {'and so on ' * (n % 3)}?" for n in range(200)]
    twins = [f"Now {LONG.format(n, n + 1)}." for n in range(3)]
    train = tasks("a", *[f"Once {LONG.format(n, n + 1)}." for n in range(3)], split="train")
    refuse_overlap([train], tasks("b", *questions, *twins[:2]))
    with pytest.raises(rg.ConfigError, match="3 more share a passage"):
        refuse_overlap([train], tasks("b", *questions, *twins))


def test_the_published_splits_of_gsm8k_share_no_prompt(real_data):
    train, test = (
        rg.make("gsm8k", data=str(real_data / f"gsm8k/{split}.jsonl"), split=split).tasks
        for split in ("train", "test")
    )
    found = overlap(train, test)
    assert (found.exact, found.passages) == (0, 3)
    assert found.tolerable
