"""HumanEval+ and MBPP+: the published test decides, and its tolerance is for numbers alone."""

import pytest

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from tests.rlvr_envs.code_rows import judged_by
from tests.rlvr_envs.plus_rows import HUMANEVALPLUS, MBPPPLUS

pytestmark = pytest.mark.usefixtures("runs_programs")


@pytest.fixture
def judge(write_rows):
    """Judges a program by a task of a set; programs are judged in the sandbox."""
    envs = {
        name: rg.make(name, data=write_rows(rows, name=f"{name}.jsonl"))
        for name, rows in (("humanevalplus", HUMANEVALPLUS), ("mbppplus", MBPPPLUS))
    }

    def judged(name, task, program):
        env = envs[name]
        return env.verifier.verify(env.tasks[task], rg.Completion(text=f"```python\n{program}\n```")).score

    return judged


@pytest.mark.parametrize(
    ("returned", "score"),
    [
        ("sum(numbers) / len(numbers)", 1.0),
        ("sum(numbers) / len(numbers) + 1e-7", 1.0),
        ("sum(numbers) / len(numbers) + 1e-4", 0.0),
        ("[]", 0.0),
        ("[sum(numbers) / len(numbers)]", 0.0),
        ("[sum(numbers) / len(numbers) + 1e-7]", 0.0),
        ("None", 0.0),
        ("True", 0.0),
        ("'1.5'", 0.0),
        ("float('nan')", 0.0),
        ("float('inf')", 0.0),
    ],
)
def test_a_number_is_right_when_it_is_close_to_the_expected_number(judge, returned, score):
    program = f"def mean(numbers):\n    return {returned}"
    assert judge("humanevalplus", "HumanEval/2000", program) == score


@pytest.mark.parametrize(
    ("returned", "score"),
    [
        ("[n / 2 for n in numbers]", 1.0),
        ("[n / 2 + 1e-9 for n in numbers]", 1.0),
        ("[n / 2 for n in numbers] if numbers else 0.0", 0.0),
        ("[]", 0.0),
        ("numbers[0] / 2 if numbers else []", 0.0),
        ("tuple(n / 2 for n in numbers)", 0.0),
    ],
)
def test_a_list_is_right_when_it_is_as_long_and_all_its_numbers_are_close(judge, returned, score):
    program = f"def halves(numbers):\n    return {returned}"
    assert judge("humanevalplus", "HumanEval/2001", program) == score


def test_an_older_release_asserts_closeness_in_another_way_and_means_the_same(write_rows):
    older = HUMANEVALPLUS[0]["test"].replace(
        "assert np.allclose(out, exp, rtol=1e-07, atol=atol)",
        "np.testing.assert_allclose(out, exp, atol=atol)",
    )
    env = rg.make("humanevalplus", data=write_rows([{**HUMANEVALPLUS[0], "test": older}]))
    for returned, score in (("sum(numbers) / len(numbers) + 1e-7", 1.0), ("[]", 0.0), ("7.1", 0.0)):
        text = f"```python\ndef mean(numbers):\n    return {returned}\n```"
        assert env.verifier.verify(env.tasks[0], rg.Completion(text=text)).score == score


def test_a_hostile_object_is_no_number(judge):
    program = (
        "class Close:\n    def __array__(self, *given, **options):\n        import numpy\n"
        "        return numpy.array(1.5)\n    def __eq__(self, other):\n        return True\n"
        "    def __float__(self):\n        return 1.5\n\n\ndef mean(numbers):\n    return Close()"
    )
    assert judge("humanevalplus", "HumanEval/2000", program) == 0.0


def test_the_program_cannot_patch_the_comparison(judge):
    program = "import numpy\nnumpy.allclose = lambda *given, **options: True\n\n\ndef mean(numbers):\n    return 7.0"
    assert judge("humanevalplus", "HumanEval/2000", program) == 0.0


@pytest.mark.parametrize(
    ("program", "score"),
    [
        ("def shared(a, b):\n    return sorted(set(a) & set(b), reverse=True)", 1.0),
        ("def shared(a, b):\n    return tuple(a) + tuple(b)", 0.0),
        ("def shared(a, b):\n    return []", 0.0),
    ],
)
def test_sets_of_mbpp_plus_are_compared_as_its_test_says(judge, program, score):
    assert judge("mbppplus", "2", program) == score


def test_mbpp_plus_judges_by_the_many_tests_and_shows_one_of_the_three(judge, write_rows):
    assert judge("mbppplus", "3", "def diagonal(a):\n    return 2 ** 0.5 * a") == 1.0
    assert judge("mbppplus", "3", "import math\ndef diagonal(a):\n    return math.sqrt(2)") == 0.0
    for shown, count in ((0, 0), (1, 1), (3, 2)):
        task = rg.make("mbppplus", data=write_rows(MBPPPLUS), shown=shown).tasks["3"]
        assert task.text.count("assert") == count
    assert judged_by(task).names == ("diagonal",)


def test_the_function_is_asked_for_as_humaneval_asks(write_rows):
    data = write_rows(HUMANEVALPLUS)
    assert rg.make("humanevalplus", data=data, style="continue").tasks[0].text == HUMANEVALPLUS[0]["prompt"]
    assert "```python\nfrom typing import List\n" in rg.make("humanevalplus", data=data).tasks[0].text


def test_numbers_of_more_digits_than_python_reads_are_compared_all_the_same(write_rows):
    helpers, long = MBPPPLUS[1]["test"].partition("inputs =")[0], "7" * 5000
    check = "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(twice(*inp), exp, 0)\n"
    row = {
        **MBPPPLUS[1],
        "code": "def twice(a):\n    return a + a\n",
        "test": f"{helpers}inputs = [[{long}], ['{long}']]\nresults = [1{'5' * 4999}4, '{long}{long}']\n{check}",
    }
    env = rg.make("mbppplus", data=write_rows([row]))
    assert env.tasks.size == 1
    wrong = "```python\ndef twice(a):\n    return a\n```"
    assert env.verifier.verify(env.tasks[0], rg.Completion(text=wrong)).score == 0.0


def test_options_are_checked(write_rows):
    with pytest.raises(rg.ConfigError, match="style must be"):
        rg.make("humanevalplus", data=write_rows(HUMANEVALPLUS), style="base")
    with pytest.raises(rg.ConfigError, match="shown must be from 0 to 3, not 4"):
        rg.make("mbppplus", data=write_rows(MBPPPLUS), shown=4)


def test_a_row_whose_solution_does_not_pass_is_left_out_by_name(write_rows):
    broken = {**HUMANEVALPLUS[0], "task_id": "HumanEval/9", "canonical_solution": "    return []\n"}
    tasks = rg.make("humanevalplus", data=write_rows([broken, HUMANEVALPLUS[1]])).tasks
    with pytest.warns(TasksLeftOut, match="task 'HumanEval/9': its own solution does not pass"):
        assert tasks.size == 1
