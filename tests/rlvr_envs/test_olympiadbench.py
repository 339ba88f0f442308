import pytest

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut
from tests.rlvr_envs.problem_rows import olympiad


def outcomes(write_rows, row, *answers):
    env = rg.make("olympiadbench", data=write_rows([row]))
    said = []
    for answer in answers:
        env.reset(options={"task": 0})
        said.append(str(env.step(answer)[4]["verdict"].outcome))
    return said


def boxes(write_rows, row, *answers):
    return outcomes(write_rows, row, *(f"\\boxed{{{answer}}}" for answer in answers))


RIGHT, WRONG = "correct", "incorrect"


def test_several_answers_may_come_in_any_order_and_none_may_be_missing_or_added(write_rows):
    row = olympiad(1, "For which $n$?", ["$69$,$84$"], is_multiple_answer=True)
    assert boxes(write_rows, row, "69, 84", "84, 69", "n=84, n=69") == [RIGHT] * 3
    assert boxes(write_rows, row, "69", "69, 84, 85", "69, 85", "84 - 69") == [WRONG] * 4
    assert outcomes(write_rows, row, "\\boxed{84} and \\boxed{69}", "\\boxed{69}. Also:\\boxed{84}") == [
        RIGHT,
        WRONG,
    ]


def test_golds_of_a_list_are_read_as_those_between_commas(write_rows):
    row = olympiad(1, "Solve.", ["$(0,2)$", "(4,-23)"], is_multiple_answer=True, answer_type="Tuple")
    assert boxes(write_rows, row, "(4,-23), (0,2)", "(0,2)", "(2,0), (4,-23)") == [RIGHT, WRONG, WRONG]


def test_answers_with_names_are_right_under_their_own_name_alone(write_rows):
    row = olympiad(
        1, "Find $f, g$.", ["$f(n)=n$, $g(n)=1$"], is_multiple_answer=True, answer_type="Expression"
    )
    assert boxes(write_rows, row, "g(n)=1, f(n)=n", "f(n)=1, g(n)=n") == [RIGHT, WRONG]


def test_the_same_answer_twice_is_asked_for_twice(write_rows):
    row = olympiad(1, "Find $a$ and $b$.", ["-2,-2"], is_multiple_answer=True)
    assert boxes(write_rows, row, "-2, -2", "-2") == [RIGHT, WRONG]


def test_a_unit_may_be_left_out_or_converted_but_not_be_another(write_rows):
    row = olympiad(1, "How far?", ["5"], unit="m", subject="Physics")
    assert boxes(write_rows, row, "5", "5 \\text{ m}", "500 \\text{ cm}") == [RIGHT] * 3
    assert boxes(write_rows, row, "5 \\text{ cm}", "5 \\text{ s}", "500") == [WRONG] * 3
    asked = rg.make("olympiadbench", data=write_rows([row])).tasks[0].text
    assert asked.endswith("The unit of the answer is m.")


def test_each_answer_has_the_unit_at_its_place(write_rows):
    row = olympiad(1, "How far, how long?", ["5, 7"], unit="$\\mathrm{m}$, s", is_multiple_answer=True)
    assert boxes(write_rows, row, "5 \\text{ m}, 7 \\text{ s}", "5 \\text{ s}, 7 \\text{ m}") == [
        RIGHT,
        WRONG,
    ]


def test_a_stated_tolerance_is_the_largest_difference(write_rows):
    row = olympiad(1, "How much?", ["4.2"], error="1e-1")
    assert boxes(write_rows, row, "4.2", "4.25", "4.1", "\\frac{17}{4}") == [RIGHT] * 4
    assert boxes(write_rows, row, "4.31", "4.09", "4", "4.2, 4.3", "4.2 \\text{ or } 5") == [WRONG] * 5


def test_a_tolerance_between_commas_is_that_of_one_answer(write_rows):
    row = olympiad(1, "Which two?", ["4.2, 7"], error="0.1,", is_multiple_answer=True)
    assert boxes(write_rows, row, "7, 4.25", "7.05, 4.2") == [RIGHT, WRONG]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (olympiad(2, "Prove it.", None), "it is a proof"),
        (olympiad(2, "See the picture.", ["1"], image_1={"bytes": "..."}), "it asks about a picture"),
        (olympiad(2, "One?", ["1", "2"]), "2 final answers where one is asked for"),
        (
            olympiad(2, "Two?", ["1, 2"], is_multiple_answer=True, unit="m,s,kg"),
            "2 final answers with 3 units",
        ),
        (olympiad(2, "Say.", ["a lot"], answer_type="Need_human_evaluate"), "for people to judge"),
        (olympiad(2, "How?", ["4.2"], error="1e-1,1e-2"), "2 tolerances"),
        (olympiad(2, "How?", ["}"]), "cannot be"),
    ],
)
def test_what_cannot_be_judged_is_left_out_and_named(write_rows, row, message):
    path = write_rows([olympiad(1, "Fine?", ["1"]), row])
    with pytest.warns(TasksLeftOut, match=rf"{path}, line 2: .*{message}"):
        assert rg.make("olympiadbench", data=path).tasks.size == 1


def test_the_context_of_a_question_comes_before_it(write_rows):
    row = olympiad(1, "How fast is it then?", ["3"], context="A ball falls.")
    text = rg.make("olympiadbench", data=write_rows([row])).tasks[0].text
    assert text.startswith("A ball falls.\n\nHow fast is it then?\n\nReason step by step")
