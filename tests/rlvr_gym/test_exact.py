import pytest

from rlvr_gym import Completion, ConfigError, Outcome, Task, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import AnswerContract, Choice, Exact, Verifier


def outcome(verifier: Verifier, reference, text):
    return verifier.verify(Task(prompt="?", reference=reference), Completion(text=text)).outcome.value


@pytest.mark.parametrize(
    ("gold", "text", "expected"),
    [
        ("Paris", "\\boxed{Paris}", "correct"),
        ("Paris", "It is \\boxed{ Paris\n}.", "correct"),
        ("New York", "\\boxed{New  \n York}", "correct"),
        ("café", "\\boxed{cafe\u0301}", "correct"),
        ("17", "\\boxed{017}", "incorrect"),
        (7, "\\boxed{7}", "correct"),
        ("7", "\\boxed{17}", "incorrect"),
        ("Paris", "\\boxed{paris}", "incorrect"),
        ("x2", "\\boxed{x²}", "incorrect"),
        ("Paris", "Paris", "malformed"),
        ("Paris", "\\boxed{}", "malformed"),
        ("Paris", "\\boxed{Paris", "malformed"),
        ("Paris", "<think>\\boxed{Paris}</think>", "malformed"),
        ("Paris", "\\boxed{Lyon} or \\boxed{Paris}", "incorrect"),
        ("Lyon, Paris", "\\boxed{Lyon}, \\boxed{Paris}", "incorrect"),
        ("Paris", "\\boxed{Lyon}. No, wait: \\boxed{Paris}", "correct"),
        ("Paris", "\\boxed{Paris or Lyon}", "incorrect"),
    ],
)
def test_an_answer_is_right_when_its_characters_are_the_references(gold, text, expected):
    assert outcome(Exact("boxed"), gold, text) == expected


def test_case_is_ignored_where_asked():
    assert outcome(Exact("whole", ignore_case=True), "Straße", "STRASSE") == "correct"
    assert outcome(Exact("whole"), "Straße", "STRASSE") == "incorrect"


def test_a_verdict_names_the_answer_and_what_was_expected():
    verdict = Exact("line").verify(Task(prompt="?", reference="Paris"), Completion(text="Answer: Lyon"))
    assert (verdict.answer, verdict.detail) == ("Lyon", "expected 'Paris'")


@pytest.mark.parametrize("verifier", [Exact("whole"), Choice("whole")])
@pytest.mark.parametrize("reference", [None, "", "  ", ["a"], {"a": 1}, True, 1.5])
def test_a_reference_that_is_no_answer_is_a_fault_and_never_a_verdict(verifier, reference):
    with pytest.raises(VerifierFault, match="has the reference"):
        outcome(verifier, reference, "None")


@pytest.mark.parametrize("gold", ["B", "(B)", "b"])
@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "B.",
        "B)",
        "B:",
        "(B) Paris",
        "B) Paris",
        "B. Paris, the capital",
        "\\text{B}",
        "\\textbf{(B)} Paris",
        "**B**",
        "$B$",
        "B) both A and C",
        "(B) Either A or C",
        "B) an apple and a dog",
        "B. vitamin A",
    ],
)
def test_every_way_to_name_one_choice_is_read(gold, text):
    assert outcome(Choice("whole"), gold, text) == "correct"
    assert outcome(Choice("whole"), "C", text) == "incorrect"


@pytest.mark.parametrize(
    "text",
    [
        "A or B",
        "A, B",
        "AB",
        "A and B",
        "A/B",
        "(A) or (B)",
        "(A)(B)",
        "A) or B)",
        "B) or A",
        "A) Lyon, B) Paris",
        "(A) Lyon or (B) Paris",
        "A. Lyon and B",
        "A B",
        "ABCD",
        "A, B, C, D",
        "B. Paris or maybe A. Lyon",
        "B. Actually A",
        "A. or b, I think",
        "A. or b",
        "(A). Possibly (B)",
    ],
)
def test_naming_several_choices_earns_nothing(text):
    assert outcome(Choice("whole"), "B", text) in ("incorrect", "malformed")
    assert outcome(Choice("whole"), "A", text) in ("incorrect", "malformed")


@pytest.mark.parametrize("text", ["E", "Paris", "A Paris", "Because", "B.5", "", "?", "1", "BB", "A1"])
def test_what_names_no_choice_is_malformed(text):
    assert outcome(Choice("whole"), "B", text) == "malformed"


def test_two_markers_with_two_choices_are_wrong():
    assert outcome(Choice("boxed"), "B", "\\boxed{A} or \\boxed{B}") == "incorrect"


def test_choices_may_be_digits_and_must_differ():
    assert outcome(Choice("whole", choices="1234"), 3, "(3) three") == "correct"
    assert outcome(Choice("whole", choices="1234"), 3, "3.5") == "malformed"
    for choices in ("", "A", "AA", "Aa", "A)", "A B"):
        with pytest.raises(ConfigError, match="at least two different letters or digits"):
            Choice("whole", choices=choices)


def test_a_gold_answer_outside_of_the_choices_is_a_fault():
    with pytest.raises(VerifierFault, match="expected one of A, B, C, D"):
        outcome(Choice("whole"), "E", "A")


@pytest.mark.parametrize("marker", ["boxed", "whole"])
def test_they_keep_the_verifier_contract(marker):
    contract = AnswerContract(marker)
    tasks = [Task(prompt="?", reference=gold) for gold in ("A", "C")]
    check_verifier(Exact(contract), tasks)
    check_verifier(Exact(contract, ignore_case=True), tasks)
    check_verifier(Choice(contract), tasks)


def test_strict_contracts_are_honoured():
    strict = Exact(AnswerContract("boxed", strict=True))
    assert outcome(strict, "2", "\\boxed{1}. No: \\boxed{2}") == Outcome.MALFORMED


@pytest.mark.parametrize(
    "text", [r"\textbf{(B)}\ 42", "Option B", r"\text{Option B}", "choice (B)", "(B).", "[B]", r"\boxed{B}"]
)
def test_a_choice_is_read_in_the_spellings_of_test_papers(text):
    assert outcome(Choice("line"), "B", f"Answer: {text}") == "correct"
    assert outcome(Choice("line"), "A", f"Answer: {text}") == "incorrect"
