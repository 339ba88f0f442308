import pytest
from rlvr_envs.math.competitions.minerva import asked_unit

import rlvr_gym as rg
from rlvr_gym.errors import TasksLeftOut


def boxes(write_rows, question, gold, *answers):
    env = rg.make("minerva", data=write_rows([{"question": question, "answer": gold}]))
    said = []
    for answer in answers:
        env.reset(options={"task": 0})
        said.append(str(env.step(f"\\boxed{{{answer}}}")[4]["verdict"].outcome))
    return said


RIGHT, WRONG = "correct", "incorrect"
IMAGE = "Find the diameter of the image of a planet (in $\\mathrm{cm}$ ) at this focus."


def test_a_number_in_the_unit_that_is_asked_for_is_right_with_it_and_without(write_rows):
    assert boxes(write_rows, IMAGE, "1.6", "1.6", "1.6 \\mathrm{~cm}", "0.016 \\text{ m}") == [RIGHT] * 3


def test_a_right_number_in_a_wrong_unit_is_wrong(write_rows):
    assert (
        boxes(write_rows, IMAGE, "1.6", "1.6 \\mathrm{~m}", "1.6 \\text{ mm}", "1.6 \\text{ s}")
        == [WRONG] * 3
    )
    power = "Compute the power. Give your answer in units of ergs per second."
    said = boxes(
        write_rows, power, "4.5e33", "4.5e33 \\text{ W}", "4.5e33 \\text{ ergs}", "4.5e26 \\text{ W}"
    )
    assert said == [WRONG, WRONG, RIGHT]


@pytest.mark.parametrize(
    "said", ["4.5e33", "4.5 \\times 10^{33}", "4.5\\cdot10^{33}\\,\\text{erg/s}", "45 \\times 10^{32}"]
)
def test_numbers_in_scientific_notation_are_compared_by_value(write_rows, said):
    assert boxes(write_rows, "Find the power in ergs per second.", "4.5e33", said) == [RIGHT]


def test_another_power_of_ten_is_wrong(write_rows):
    answers = ("3.3e-11", "3.3", "3.3 \\times 10^{10}", "0", "3.3e-10 \\text{ nm}")
    assert boxes(write_rows, "Find the distance in meters.", "3.3e-10", *answers) == [WRONG] * 5
    assert (
        boxes(write_rows, "Find the distance in meters.", "3.3e-10", "0.33 \\text{ nm}", "3.3 \\text{ Å}")
        == [RIGHT] * 2
    )


def test_numbers_are_not_rounded(write_rows):
    assert boxes(write_rows, IMAGE, "1.6", "1.57", "2") == [WRONG] * 2


def test_an_expression_is_compared_as_one(write_rows):
    question = "What is the critical angle? Leave your answer in terms of inverse trigonometric functions."
    assert boxes(write_rows, question, "np.arcsin(10/13)", "\\arcsin\\frac{1}{1.3}", "\\arccos(10/13)") == [
        RIGHT,
        WRONG,
    ]


@pytest.mark.parametrize(
    ("question", "unit"),
    [
        ("How far away is it, in parsecs?", "parsecs"),
        ("Give your answer in degrees to 3 significant figures.", "degrees"),
        ("Give your answer in meters per second squared, and round it.", "meters per second squared"),
        ("Find it (in units of $\\mathrm{erg} \\cdot \\mathrm{s}^{-1}$).", "erg s ^-1"),
        ("How long will it take (in days) at a depth of $2 \\mathrm{~cm}$?", "days"),
        ("Calculate the volume in mL of $0.25 \\mathrm{M}$ that is needed.", "mL"),
        ("What is $b$ in terms of $m$?", None),
        ("How much of it is done in a period of 10 minutes?", None),
        ("Estimate the wavelength of a transition in Fe, in the visible spectrum.", None),
        ("Subproblem 0: Find $r$ in cm.\n\nSolution: 2.\n\nSubproblem 1: Find the ratio.", None),
    ],
)
def test_the_unit_is_that_which_the_last_part_asks_for(question, unit):
    assert asked_unit(question) == unit


def test_a_gold_answer_in_words_that_are_not_read_is_left_out_and_named(write_rows):
    rows = [{"question": IMAGE, "answer": "1.6"}, {"question": "Describe it.", "answer": "}"}]
    path = write_rows(rows)
    with pytest.warns(TasksLeftOut, match=rf"1 rows are left out.*{path}, line 2"):
        assert rg.make("minerva", data=path).tasks.size == 1
