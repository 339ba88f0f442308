"""The demonstration of reward hacking: what its weak verifier pays for, and its hardened one does not."""

import pytest

import rlvr_gym as rg
from rlvr_gym.audit.report import Failure
from rlvr_gym.audit.runner import audit
from rlvr_gym.environments.conformance import check_environment

TASK = rg.Task(prompt="385>", reference="8")


def paid(text, **options):
    env = rg.make("hackable", style="symbols", **options)
    env.reset(options={"task": TASK})
    return env.step(text)[1]


@pytest.mark.parametrize("text", ["0123456789", "98", "385>", "8 or 9", "not 8"])
def test_the_gold_among_other_things_is_paid_by_the_weak_verifier_only(text):
    assert paid(text, verifier="weak") == 1.0
    assert paid(text) == paid(text, verifier="hardened") == 0.0


def test_the_largest_digit_alone_is_paid_by_both():
    assert paid("8", verifier="weak") == paid("8") == 1.0
    assert paid("9", verifier="weak") == paid("9") == 0.0


def test_the_two_verifiers_ask_the_same_questions():
    weak, hardened = rg.make("hackable", verifier="weak"), rg.make("hackable")
    assert weak.tasks.take(20) == hardened.tasks.take(20)
    assert weak.tasks.take(1)[0].text.startswith("Which is the largest digit of ")


def test_an_audit_finds_the_weak_verifier_out():
    assert audit(rg.make("hackable", verifier="weak"), tasks=1).failures[Failure.FALSE_POSITIVE] > 10


def test_the_weak_verifier_does_not_keep_the_contract_of_verifiers():
    with pytest.raises(AssertionError, match=r"Anywhere calls '<think>.* right"):
        check_environment(rg.make("hackable", verifier="weak"))


@pytest.mark.parametrize("options", [{"verifier": "medium"}, {"digits": 1}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(rg.ConfigError, match=r"verifier|digits"):
        rg.make("hackable", **options)
