import itertools

import pytest

import rlvr_gym as rg


def play(env, text, task: int | str | rg.Task = 0):
    env.reset(options={"task": task})
    return env.step(text)[1]


def test_words_ask_in_natural_language_and_symbols_in_one_short_line():
    words, symbols = rg.make("arithmetic"), rg.make("arithmetic", style="symbols")
    task = symbols.tasks[0]
    a, b = task.text.removesuffix("=").split("+")
    assert words.tasks[0].text == f"What is {a} + {b}? Put your final answer in \\boxed{{}}."
    assert task.reference == int(a) + int(b)
    assert all(c.isdigit() or c in "+=" for c in task.text)
    assert play(symbols, str(task.reference)) == 1.0
    assert play(words, f"\\boxed{{{task.reference}}}") == 1.0


def test_echoing_the_question_earns_nothing():
    for style, text in (("words", "\\boxed{%s}"), ("symbols", "%s")):
        env = rg.make("arithmetic", style=style)
        sum_itself = rg.make("arithmetic", style="symbols").tasks[0].text.removesuffix("=")
        assert play(env, text % sum_itself) == 0.0


def test_a_plus_b_and_b_plus_a_are_one_problem_in_one_split():
    tasks = {
        split: rg.make("arithmetic", split=split, digits=1).tasks.take(100) for split in ("train", "test")
    }
    ids = {split: {task.id for task in found} for split, found in tasks.items()}
    assert not ids["train"] & ids["test"]
    assert ids["train"] | ids["test"] == {
        f"{a}+{b}" for a, b in itertools.combinations_with_replacement(range(10), 2)
    }


def test_the_splits_share_no_question_whatever_the_seed():
    def questions(split, seed):
        env = rg.make("arithmetic", split=split, seed=seed, operations="+-*", style="symbols")
        return {task.text for task in itertools.islice(env.tasks, 1500)}

    train, test = questions("train", 0) | questions("train", 1), questions("test", 2)
    turned = {f"{b}{sign}{a}=" for q in train for sign in "+*" if sign in q for a, b in [q[:-1].split(sign)]}
    assert not (train | turned) & test


def test_operations_are_drawn_from_those_listed():
    env = rg.make("arithmetic", operations="-*", style="symbols", digits=3)
    for task in itertools.islice(env.tasks, 50):
        left, right = task.text[:-1].replace("-", "*").split("*")
        expected = int(left) * int(right) if "*" in task.text else int(left) - int(right)
        assert task.reference == expected


def test_negative_results_are_answered_with_a_minus_sign():
    env = rg.make("arithmetic", operations="-", style="symbols")
    task = next(task for task in env.tasks if int(str(task.reference)) < 0)
    assert play(env, str(task.reference), task) == 1.0
    assert play(env, str(task.reference).replace("-", "−"), task) == 1.0
    assert play(env, str(task.reference).replace("-", ""), task) == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": 0}, "digits must be from 1 to 30, not 0"),
        ({"operations": ""}, r"operations must be some of \+-\*"),
        ({"operations": "+/"}, "operations must be some of"),
        ({"style": "poem"}, "style must be 'words' or 'symbols', not 'poem'"),
        ({"split": "dev"}, "splits 'train' and 'test'"),
    ],
)
def test_options_that_cannot_work_say_what_would(options, message):
    with pytest.raises(rg.ConfigError, match=message):
        rg.make("arithmetic", **options)
