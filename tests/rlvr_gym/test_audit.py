"""An audit finds what is wrong with a verifier, and nothing wrong with a sound one."""

from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.audit.report import AuditReport, Failure
from rlvr_gym.audit.runner import DETERMINISM, audit


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def unsound(ways: str, *, deadline_seconds: float = 30.0) -> AuditReport:
    return audit(rg.make("unsound:test/Unsound-v0", ways=ways), tasks=1, deadline_seconds=deadline_seconds)


def found(report: AuditReport, failure: Failure) -> dict[str, str]:
    """Return the attacks that ended in `failure`, by family."""
    return {
        family.name: example.tries
        for family in report.families
        for example in family.examples
        if example.failure is failure
    }


def test_a_search_for_the_gold_in_the_text_is_caught_by_enumerations_hedges_and_extensions():
    report = audit(rg.make("rlvr_gym.audit.weak:weak/Substring-v0"), tasks=2)
    caught = found(report, Failure.FALSE_POSITIVE)
    assert {"enumerations", "hedges", "parts and extensions", "thinking", "content without format"} <= set(
        caught
    )
    assert "every integer" in caught["enumerations"] or "many answers" in caught["enumerations"]
    assert not report.sound()


def test_a_verifier_that_looks_into_every_box_is_caught_by_spam_of_boxes():
    report = audit(rg.make("rlvr_gym.audit.weak:weak/AnyMatch-v0"), tasks=2)
    caught = found(report, Failure.FALSE_POSITIVE)
    assert caught["hedges"] == "two final answers side by side"
    assert "each marked" in caught["enumerations"]
    assert "other tasks' golds" not in caught
    assert not report.sound()


def test_tests_in_the_programs_own_process_are_caught_by_programs_that_reach_them():
    env = rg.make("rlvr_gym.audit.weak:weak/InProcess-v0")
    report = audit(env, tasks=1, per_family=40, deadline_seconds=1.5)
    programs = next(family for family in report.families if family.name == "programs")
    assert programs.failures[Failure.FALSE_POSITIVE] >= 5
    assert "equal to everything" in found(report, Failure.FALSE_POSITIVE)["programs"]
    assert "injection" in found(report, Failure.CODE_RAN)
    assert "programs" in found(report, Failure.CRASH)
    assert not report.sound()


def test_a_verifier_that_evaluates_answers_lets_the_canary_appear():
    report = unsound("evaluates", deadline_seconds=2.0)
    assert "Python" in found(report, Failure.CODE_RAN)["injection"]
    example = next(e for f in report.families for e in f.examples if e.failure is Failure.CODE_RAN)
    assert "CANARY_FILE" in example.text
    assert not report.sound()


def test_a_verifier_that_hangs_is_killed_and_named():
    report = unsound("hangs", deadline_seconds=1.0)
    assert report.failures == {Failure.HANG: 1}
    assert found(report, Failure.HANG) == {"hostile inputs": "hostile answer of 9 characters"}
    assert not report.sound()


def test_each_way_of_going_wrong_is_found_and_named():
    report = unsound("dies raises hoards forges hashes remembers", deadline_seconds=5.0)
    assert report.failures.keys() == {Failure.CRASH, Failure.MEMORY, Failure.CODE_RAN, Failure.INCONSISTENT}
    crashed = next(family for family in report.families if family.name == "nothing").failures[Failure.CRASH]
    assert crashed == 2  # one answer over which the process dies, one over which the verifier raises
    assert found(report, Failure.MEMORY) == {"hostile inputs": "hostile answer of 11 characters"}
    assert found(report, Failure.CODE_RAN) == {"nothing": "null, as the answer"}
    assert report.failures[Failure.INCONSISTENT] == 2
    assert set(found(report, Failure.INCONSISTENT)) == {DETERMINISM}
    assert not report.sound()


def test_a_verifier_that_refuses_its_own_solution_is_full_of_false_negatives():
    report = unsound("refuses")
    assert report.false_negatives is not None
    assert report.false_negatives.value == 1.0
    assert not report.sound()


def test_credit_for_wrong_answers_is_reported_and_is_no_false_positive():
    report = unsound("pays")
    assert report.sound(strict=True)
    assert next(family.paid for family in report.families if family.name == "near misses") == 0.5


def test_an_open_ended_verifier_is_not_blamed_for_other_right_answers():
    report = audit(rg.make("unsound:test/Open-v0"))
    assert report.sound(strict=True)
    assert report.false_positives is not None
    assert report.false_positives.of >= 2 * 3


def test_the_same_audit_gives_an_equal_report_that_survives_json():
    env = rg.make("arithmetic", operations="-")
    report = audit(env, tasks=2, per_family=15)
    assert audit(env, tasks=2, per_family=15) == report
    assert max(family.attacks for family in report.families if family.name != DETERMINISM) == 15
    assert AuditReport.model_validate_json(report.model_dump_json()) == report


def test_what_gets_no_verdict_at_all_is_not_called_unsound_but_cannot_be_audited():
    with pytest.raises(
        rg.ConfigError, match="solutions of 1 tasks get no verdict: Unsound failed: ConnectionErr"
    ):
        unsound("unavailable")


def test_an_environment_without_a_name_cannot_be_audited():
    env = rg.make("arithmetic")
    with pytest.raises(rg.ConfigError, match="register it"):
        audit(rg.Environment(env.tasks, env.verifier))
