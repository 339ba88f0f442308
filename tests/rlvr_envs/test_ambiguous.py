import itertools

import rlvr_gym as rg


def pairs(**options):
    tasks = itertools.islice(rg.make("ambiguous", style="symbols", **options).tasks, 2000)
    return {task.text: task for task in tasks}


def test_most_pairs_are_added_and_a_fifth_are_subtracted():
    found = pairs(digits=3)
    for text, task in found.items():
        a, b = map(int, text.removesuffix("=").split("@"))
        assert task.reference == (a + b if task.metadata["meaning"] == "sum" else abs(a - b))
    share = sum(task.metadata["meaning"] == "difference" for task in found.values()) / len(found)
    assert 0.17 < share < 0.23


def test_the_meaning_of_a_pair_does_not_depend_on_order_seed_or_style():
    one, two = pairs(digits=1, seed=0), pairs(digits=1, seed=1)
    shared = one.keys() & two.keys()
    assert len(shared) > 50
    for text in shared:
        a, b = text.removesuffix("=").split("@")
        assert one[text].reference == two[text].reference
        assert one.get(f"{b}@{a}=", one[text]).reference == one[text].reference
    words = rg.make("ambiguous").tasks[0]
    assert words.reference == rg.make("ambiguous", style="symbols").tasks[0].reference


def test_the_meaning_says_nothing_about_the_split():
    for split in ("train", "test"):
        found = pairs(digits=3, split=split)
        share = sum(task.metadata["meaning"] == "difference" for task in found.values()) / len(found)
        assert 0.15 < share < 0.25


def test_nothing_in_the_question_tells_the_meaning():
    assert not {"sum", "difference"} & {word for text in pairs() for word in text.split()}
