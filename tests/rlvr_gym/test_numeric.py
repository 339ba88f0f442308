import pytest

from rlvr_gym import Completion, ConfigError, Task, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import AnswerContract, Numeric
from tests.timing import at_most


def outcome(reference, text, contract="whole", **tolerance):
    verifier = Numeric(contract, **tolerance)
    return verifier.verify(Task(prompt="?", reference=reference), Completion(text=text)).outcome.value


@pytest.mark.parametrize(
    "text",
    [
        "1234",
        "+1234",
        "1,234",
        "1{,}234",
        "1\\,234",
        "1\u202f234",
        "1234.0",
        "1234.",
        "01234",
        "1.234e3",
        "12340E-1",
        " 1234\n",
        "$1234$",
        "$1,234.00",
        "\\$1,234.00",
        "1,\\!234",
        "1 234",
        "\\text{1234}",
        "\\(1234\\)",
        "**1,234**",
        "\\,1234\\ ",
    ],
)
def test_every_way_to_write_a_number_is_read(text):
    assert outcome("1234", text) == outcome(1234, text) == outcome(1234.0, text) == "correct"


@pytest.mark.parametrize(
    "text",
    [
        "42 apples",
        "x=42",
        "84/2",
        "4 2",
        "forty-two",
        "",
        "nan",
        "inf",
        "-inf",
        "Infinity",
        "1e",
        "e5",
        ".",
        "-",
        "4,2",
        "1,23",
        "12,34,567",
        ",42",
        "42,",
        "0x2a",
        "4_2",
        "٤٢",
        "--42",
        "42%",
        "4.2.1",
        "1e99999",
    ],
)
def test_what_is_not_wholly_a_number_is_malformed(text):
    assert outcome(42, text) == "malformed"


@pytest.mark.parametrize(
    ("gold", "text"),
    [("7", "17"), ("7", "70"), ("7", "-7"), ("7", "7.0001"), ("1000", "1,001"), ("0.5", "5")],
)
def test_a_number_that_contains_the_answer_earns_nothing(gold, text):
    assert outcome(gold, text) == "incorrect"


def test_every_way_to_write_a_minus_is_read():
    for text in ("-7", "−7", "–7", "- 7", "-\\,7", "-\\$7", "$-7$"):
        assert outcome(-7, text) == "correct"


def test_a_megabyte_of_spaces_and_dollar_signs_takes_no_time():
    with at_most(2):
        for text in (" " * 10**6 + "x", "$" * 10**6 + "x", "\\," * 500_000 + "x", "-" + " " * 10**6 + "7 7"):
            assert outcome(42, "7" + text) == outcome(42, text) == "malformed"


def test_zero_is_zero_however_it_is_written():
    for text in ("0", "-0", "0.000", "0e9", "00"):
        assert outcome(0, text) == "correct"


def test_numbers_are_compared_exactly_whatever_their_size():
    big = "1" + "0" * 400_000
    assert outcome(big, big + ".0") == "correct"
    assert outcome(big, big[:-1] + "1") == "incorrect"
    assert outcome(2**53 + 1, str(2**53)) == "incorrect"
    assert outcome(10**300, "1e300") == "correct"
    assert outcome("0.1", "0.1000000000000000055511151231257827") == "incorrect"


@pytest.mark.parametrize(
    ("gold", "text", "tolerance", "expected"),
    [
        (10, "10.1", {"absolute": 0.1}, "correct"),
        (10, "10.10001", {"absolute": 0.1}, "incorrect"),
        (0.3, "0.2", {"absolute": 0.1}, "correct"),
        (200, "202", {"relative": 0.01}, "correct"),
        (200, "202.01", {"relative": 0.01}, "incorrect"),
        (-200, "-198", {"relative": 0.01}, "correct"),
        (-200, "198", {"relative": 0.01}, "incorrect"),
        (0, "0.001", {"relative": 0.5}, "incorrect"),
        (10, "10.3", {"absolute": 0.2, "relative": 0.05}, "correct"),
        ("9" * 5000, "9" * 4999 + "8", {"relative": 0.5}, "incorrect"),
        ("9" * 5000, "9" * 5000, {"relative": 0.5}, "correct"),
        ("1e9999", "1.0001e9999", {"relative": 0.01}, "correct"),
    ],
)
def test_a_tolerance_is_exact_to_its_edge(gold, text, tolerance, expected):
    assert outcome(gold, text, **tolerance) == expected


def test_a_list_of_numbers_never_equals_one():
    assert outcome(42, "\\boxed{41} and \\boxed{42}", "boxed") == "incorrect"
    assert outcome(42, "\\boxed{41}, no, \\boxed{42}", "boxed") == "correct"
    assert outcome(42, "<think>\\boxed{42}</think>", "boxed") == "malformed"
    assert outcome(42, "\\boxed{42", "boxed") == "malformed"


@pytest.mark.parametrize("reference", [None, "", "x", True, [1], float("nan"), float("inf"), "1/2"])
def test_a_reference_that_is_no_number_is_a_fault_and_never_a_verdict(reference):
    with pytest.raises(VerifierFault, match="expected a finite decimal number"):
        outcome(reference, "1")


@pytest.mark.parametrize("tolerance", [-0.1, float("nan"), float("inf")])
def test_a_tolerance_is_a_number_from_zero_up(tolerance):
    with pytest.raises(ConfigError, match="the relative tolerance must be a number from 0 up"):
        Numeric("whole", relative=tolerance)


@pytest.mark.parametrize("marker", ["boxed", "whole"])
def test_it_keeps_the_verifier_contract(marker):
    tasks = [Task(prompt="?", reference=gold) for gold in (42, -1.5, "1,000", "1e-7")]
    check_verifier(Numeric(AnswerContract(marker)), tasks)
    check_verifier(Numeric(AnswerContract(marker), relative=1e-3), tasks)
