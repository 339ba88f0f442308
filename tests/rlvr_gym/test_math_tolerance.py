r"""Numbers that may differ by what the reference says, and units that physics writes."""

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers import judge
from rlvr_gym.verifiers.math import Math

MATH = Math()


def outcome(reference, answer):
    task = rg.Task(id="t", prompt="How much is it?", reference=reference)
    return str(judge(MATH, task, rg.Completion(text=f"\\boxed{{{answer}}}")).outcome)


@pytest.mark.parametrize(
    ("answer", "tolerance", "said", "expected"),
    [
        ("4.2", [0.1], "4.3", "correct"),
        ("4.2", [0.1], "4.1", "correct"),
        ("4.2", [0.1], "4.3000001", "incorrect"),
        ("4.2", 0.1, "\\frac{17}{4}", "correct"),
        ("4.2", [0], "4.2", "correct"),
        ("4.2", [0], "4.2000001", "incorrect"),
        ("\\sqrt{2}", [0.01], "1.41", "correct"),
        ("x=\\sqrt{2}", [0.01], "1.41", "correct"),
        ("x=\\sqrt{2}", [0.01], "y=1.41", "incorrect"),
        ("7 \\times 10^{35}", [1e34], "7.1 \\cdot 10^{35}", "correct"),
        ("7 \\times 10^{35}", [1e33], "7.1 \\cdot 10^{35}", "incorrect"),
        ("4.2", [0.1], "4.2 + 0.05 i", "incorrect"),
        ("4.2", [0.1], "x", "incorrect"),
        ("4.2", [1000], "\\infty", "incorrect"),
    ],
)
def test_a_number_may_differ_by_its_tolerance_and_no_more(answer, tolerance, said, expected):
    assert outcome({"answer": answer, "tolerance": tolerance}, said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("7.0, 4.25", "correct"),
        ("4.25, 7", "correct"),
        ("7.05, 4.2", "incorrect"),
        ("7", "incorrect"),
        ("7, 4.2, 4.2", "incorrect"),
        ("4.2, 4.25", "incorrect"),
    ],
)
def test_each_of_several_numbers_has_a_tolerance_of_its_own(said, expected):
    assert outcome({"answer": "4.2, 7", "tolerance": [0.1, 0]}, said) == expected


def test_two_numbers_near_one_another_are_dealt_out_in_the_way_that_fits():
    assert outcome({"answer": "1, 1.5", "tolerance": [1, 0.1]}, "1.5, 1.9") == "correct"
    assert outcome({"answer": "1, 1.5", "tolerance": [0.1, 0.1]}, "1.5, 1.9") == "incorrect"


def test_a_tolerance_is_in_the_unit_of_the_reference():
    reference = {"answer": "4.2 \\text{ m}", "tolerance": [0.1]}
    assert [outcome(reference, said) for said in ("4.25", "425 \\text{ cm}")] == ["correct"] * 2
    assert [outcome(reference, said) for said in ("440 \\text{ cm}", "4.2 \\text{ s}")] == ["incorrect"] * 2


@pytest.mark.parametrize(
    ("answer", "tolerance"),
    [
        ("x+1", [0.1]),
        ("7", [0.1, 0.2]),
        ("7", []),
        ("7", "0.1"),
        ("7", [-1]),
        ("7", [True]),
        ("7", None),
        ("", [0.1]),
    ],
)
def test_a_tolerance_that_is_not_for_the_numbers_of_its_reference_is_a_bad_task(answer, tolerance):
    task = rg.Task(id="t", prompt="?", reference={"answer": answer, "tolerance": tolerance})
    with pytest.raises((rg.VerifierFault, rg.DataError)):
        MATH.check(task)


@pytest.mark.parametrize(
    "reference", [{"answer": "7"}, {"tolerance": [1]}, {"answer": "7", "tolerance": [1], "x": 1}]
)
def test_another_shape_of_reference_makes_nothing_right(reference):
    assert outcome(reference, "7") == "unscored"


@pytest.mark.parametrize(
    ("reference", "said", "expected"),
    [
        ("9.6 \\text{ angstrom}", "9.6 \\text{ Å}", "correct"),
        ("9.6 \\text{ Angstroms}", "9.6\\,\\mathrm{\\AA}", "correct"),
        ("9.6 \\text{ angstrom}", "0.96 \\text{ nm}", "correct"),
        ("9.6 \\text{ angstrom}", "9.6 \\text{ nm}", "incorrect"),
        ("5 \\text{ microns}", "5 \\text{ μm}", "correct"),
        ("4.5e33 \\text{ erg/s}", "4.5 \\times 10^{26} \\text{ W}", "correct"),
        ("4.5e33 \\text{ erg/s}", "4.5 \\times 10^{33} \\text{ W}", "incorrect"),
        ("60 \\text{ arcsec}", "1 \\text{ arcminute}", "correct"),
        ("60 \\text{ arcsec}", "60^\\circ", "incorrect"),
        ("3600 \\text{ arcsec}", "1^\\circ", "correct"),
        ("0.49 \\text{ arcsec}", "0.00855211 \\text{ rad}", "incorrect"),
        ("7.353e14 \\text{ s}^{-1}", "735300 \\text{ GHz}", "correct"),
        ("7.353e14 \\text{ s}^{-1}", "7.353e14 \\text{ Hz}", "correct"),
        ("7.353e14 \\text{ Hz}", "7.353e14 \\text{ s}", "incorrect"),
        ("5 \\text{ kPa}", "5000 \\text{ N/m}^2", "correct"),
        ("5 \\text{ kPa}", "5 \\text{ Pa}", "incorrect"),
        ("1 \\text{ atm}", "101325 \\text{ Pa}", "correct"),
        ("2 \\text{ V}", "2 \\text{ W/A}", "correct"),
        ("2 \\text{ V}", "2 \\text{ W}", "incorrect"),
        ("3 \\text{ ohm}", "3 \\text{ V/A}", "correct"),
        ("6 \\text{ coulombs}", "6 \\text{ A s}", "correct"),
        ("0.5 \\text{ M}", "0.5 \\text{ mol/L}", "correct"),
        ("0.5 \\text{ M}", "0.5 \\text{ mol}", "incorrect"),
        ("1 \\text{ eV}", "1.602176634e-19 \\text{ J}", "correct"),
        ("1 \\text{ eV}", "1 \\text{ J}", "incorrect"),
        ("702 \\text{ kJ/mol}", "7.02 \\times 10^5 \\text{ J / mole}", "correct"),
        ("1950 \\text{ Celsius}", "1950^\\circ \\mathrm{C}", "correct"),
        ("41.8 \\text{ degrees}", "41.8^\\circ", "correct"),
        ("28.8 \\text{ s ^-1}", "28.8~\\mathrm{s}^{-1}", "correct"),
    ],
)
def test_units_of_physics_are_converted_and_told_apart(reference, said, expected):
    assert outcome(reference, said) == expected
