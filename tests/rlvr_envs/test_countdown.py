import itertools

import pytest
from rlvr_envs.math.countdown import Problem
from rlvr_envs.math.expressions import evaluate

import rlvr_gym as rg


def verdict(text, numbers=(3, 5, 8, 8), target=24, style="symbols"):
    env = rg.make("countdown", style=style)
    reference = {"numbers": list(numbers), "target": target, "solution": "-"}
    env.reset(options={"task": rg.Task(prompt="-", reference=reference)})
    return env.step(text)[4]["verdict"]


@pytest.mark.parametrize(
    ("text", "numbers", "target"),
    [
        ("8*3", (3, 8), 24),
        ("8*3 = 24", (3, 8), 24),
        ("(8-5)*3", (3, 5, 8), 9),
        ("3/8*8", (3, 8, 8), 3),
        ("8 × 3", (3, 8), 24),
    ],
)
def test_an_expression_over_exactly_the_numbers_with_the_targets_value_is_right(text, numbers, target):
    assert verdict(text, numbers, target).correct


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("8*3", "uses [8, 3], not each of [3, 5, 8, 8] once"),
        ("8*3+5-5", "uses [8, 3, 5, 5]"),
        ("24", "uses [24]"),
        ("8*3*5/8", "is 15, not 24"),
        ("3+5+8+8 = 25", "claims to be 25, not 24"),
        ("3/(5*(8-8))", "divides by zero"),
        ("24 = 3+5+8+8", "uses [24]"),
    ],
)
def test_any_other_expression_is_wrong(text, detail):
    found = verdict(text)
    assert found.outcome.value == "incorrect"
    assert detail in found.detail


def test_values_are_exact_fractions():
    assert verdict("8/(3/5)", (3, 5, 8), 13).detail == "is 40/3, not 13"
    assert verdict("8/(3-8/3)", (8, 3, 8, 3), 24).correct


def test_the_number_that_is_missing_cannot_be_smuggled_in():
    assert verdict("3+5+8+8").correct
    for text in ("3+5+8+8+0", "3+5+16", "(3+5+8+8)*1", "35+8-8", "3+5+8-(-8)", "3.0+5+8+8", "3+5+8+8e0"):
        assert not verdict(text).correct


@pytest.mark.parametrize(
    "text",
    ["", "twenty-four", "3**5//7", "3.5*8", 'len("aaaaa")*3', "__import__('os').getpid()", "3+5+8+8;", "=24"],
)
def test_what_is_no_expression_is_malformed(text):
    assert verdict(text).outcome.value == "malformed"


def test_words_want_the_expression_in_answer_tags():
    assert verdict("<think>3*8</think><answer>3+5+8+8</answer>", style="words").correct
    assert verdict("3+5+8+8", style="words").outcome.value == "malformed"
    assert (
        verdict("<answer>3</answer> or <answer>3+5+8+8</answer>", style="words").outcome.value == "incorrect"
    )


def drawn(count, **options) -> list[Problem]:
    tasks = itertools.islice(rg.make("countdown", **options).tasks, count)
    return [Problem.model_validate(task.reference) for task in tasks]


def bracketed(expression):
    """Return the content of each pair of brackets, and the expression itself."""
    opened = []
    for at, sign in enumerate(expression):
        if sign == "(":
            opened.append(at + 1)
        elif sign == ")":
            yield expression[opened.pop() : at]
    yield expression


@pytest.mark.parametrize("numbers", [2, 3, 4, 6])
def test_every_problem_is_solved_by_its_reference(numbers):
    for problem in drawn(40, numbers=numbers, largest=50):
        value, used = evaluate(problem.solution)
        assert value == problem.target
        assert sorted(used) == problem.numbers
        assert len(used) == numbers
        assert all(1 <= n <= 50 for n in [*used, problem.target])
        assert problem.target not in used


def test_solving_needs_neither_fractions_nor_negative_numbers():
    for problem in drawn(100):
        values = [evaluate(part)[0] for part in bracketed(problem.solution)]
        assert all(value > 0 and value.denominator == 1 for value in values)
        assert len(values) == 3


def test_a_reference_that_is_no_problem_is_unscored_and_never_wrong():
    env = rg.make("countdown", style="symbols")
    for reference in (None, "24", {"numbers": [1]}, {"numbers": ["3"], "target": 3, "solution": "3"}):
        env.reset(options={"task": rg.Task(id="x", prompt="-", reference=reference)})
        _, reward, _, _, info = env.step("3")
        assert (reward, info["scored"]) == (0.0, False)
        assert "not a countdown problem" in info["verdict"].detail


def test_options_that_cannot_work_say_what_would():
    with pytest.raises(rg.ConfigError, match="numbers must be from 2 to 8, not 1"):
        rg.make("countdown", numbers=1)
    with pytest.raises(rg.ConfigError, match="largest must be from 10 to 10000, not 5"):
        rg.make("countdown", largest=5)
