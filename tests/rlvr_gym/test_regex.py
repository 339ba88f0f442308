import time

import pytest

from rlvr_gym import Completion, ConfigError, Task, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import Regex


def outcome(verifier, text, reference=None):
    return verifier.verify(Task(prompt="?", reference=reference), Completion(text=text)).outcome.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", "correct"),
        (" 2024-05-01\n", "correct"),
        ("on 2024-05-01", "incorrect"),
        ("2024-05-011", "incorrect"),
        ("2024-05-01\n2024-05-01", "incorrect"),
        ("", "malformed"),
        ("<think>2024-05-01</think>", "malformed"),
    ],
)
def test_the_whole_answer_must_match(text, expected):
    assert outcome(Regex(r"\d{4}-\d{2}-\d{2}"), text) == expected


def test_the_answer_may_stand_in_a_marker():
    assert outcome(Regex("[a-z]+", contract="tag"), "So: <answer>abc</answer>") == "correct"
    assert outcome(Regex("[a-z]+", contract="boxed"), "\\boxed{a} or \\boxed{b}") == "incorrect"


def test_a_task_may_bring_its_own_pattern():
    verifier = Regex()
    assert outcome(verifier, "aab", "a+b") == "correct"
    assert outcome(verifier, "aab", "ab") == "incorrect"


@pytest.mark.parametrize("reference", [None, 5, "a(", "(?=a)"])
def test_a_pattern_of_a_task_that_cannot_be_used_is_a_fault(reference):
    with pytest.raises(VerifierFault):
        outcome(Regex(), "a", reference)


@pytest.mark.parametrize("pattern", ["a(", r"(a)\1", "(?!a)b", "a{2000}{2000}"])
def test_a_pattern_that_is_not_linear_is_refused_at_once(pattern):
    with pytest.raises(ConfigError, match="RE2 cannot compile"):
        Regex(pattern)


def test_no_text_makes_a_pattern_slow():
    began = time.monotonic()
    assert outcome(Regex("(a+)+b"), "a" * 1_000_000) == "incorrect"
    assert outcome(Regex("(a|a)*c|(.*)(.*)(.*)d"), "a" * 1_000_000) == "incorrect"
    assert time.monotonic() - began < 5


def test_it_keeps_the_verifier_contract():
    check_verifier(Regex("[0-9]+"), [Task(prompt="?", reference="42"), Task(prompt="?")])
    check_verifier(Regex("[0-9]+", contract="boxed"), [Task(prompt="?", reference="42")])
    check_verifier(Regex(), [Task(prompt="?", reference="[0-9]+")])
