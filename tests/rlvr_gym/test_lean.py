"""Proofs: what may be said, what Lean is asked, and how its answer is read. A stand-in for Lean answers."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rlvr_gym import Completion, Outcome, Task, Verdict, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers.lean import Lean, LeanCommand, LeanProblem
from rlvr_gym.verifiers.lean.text import first_forbidden, without_comments
from rlvr_gym.verifiers.lean.verifier import LeanMessage

STAND_IN = str(Path(__file__).with_name("lean_stand_in.py"))
STATEMENT = "theorem two (n : Nat) : n + 1 = Nat.succ n"


def lean(**options: Any) -> Lean:
    return Lean(LeanCommand((sys.executable, STAND_IN), **{"timeout_seconds": 10, **options}))


def task(preamble: str = "open Nat", statement: str = STATEMENT) -> Task:
    stated = LeanProblem(statement=statement, preamble=preamble, proof="by rfl")
    return Task(id="two", prompt="Prove it.", reference=stated.model_dump(mode="json"))


def said(proof: str, verifier: Lean | None = None, about: Task | None = None) -> Verdict:
    return (verifier or lean()).verify(about or task(), Completion(text=f"```lean\n{proof}\n```"))


class Recorder:
    """A checker that accepts everything and keeps what it was asked."""

    timeout_seconds = 1.0

    def __init__(self) -> None:
        self.sources: list[str] = []

    def check(self, source: str) -> tuple[LeanMessage, ...]:
        self.sources.append(source)
        return (
            LeanMessage(
                severity="information",
                line=len(source.splitlines()),
                text="'two' does not depend on any axioms",
            ),
        )


def test_the_contract_holds():
    class Strict(Recorder):
        def check(self, source: str) -> tuple[LeanMessage, ...]:
            proof = source.split(":=\n", 1)[1].rsplit("\n\n", 1)[0]
            wrong = (LeanMessage(severity="error", line=4, text="unsolved goals"),)
            return super().check(source) if proof == "by rfl" else wrong

    check_verifier(Lean(Strict()), [task()], seconds=5.0)


@pytest.mark.parametrize("proof", ["by rfl", "by\n  simp", ":= rfl", f"{STATEMENT} := by\n  classic"])
def test_a_proof_that_lean_accepts_is_right(proof: str):
    assert said(proof) == Verdict.right("Lean accepts the proof", answer=proof)


@pytest.mark.parametrize(
    ("proof", "why"),
    [
        ("by omega", "line 1 of the proof: unsolved goals ⊢ 1 + 1 = 2"),
        ("by compiled", "depends on Lean.ofReduceBool"),
        ("by itself", "fail to show termination"),
    ],
)
def test_a_proof_that_lean_refuses_or_that_needs_another_axiom_is_wrong(proof: str, why: str):
    verdict = said(proof)
    assert verdict.outcome is Outcome.INCORRECT
    assert why in verdict.detail


def test_lean_is_asked_about_the_tasks_statement_and_about_its_axioms():
    checker = Recorder()
    said("theorem  two (n : Nat) : /- so -/ n + 1 =\n  Nat.succ n := by\n  exact rfl -- done", Lean(checker))
    padding = " " * len("  Nat.succ n :=")
    assert checker.sources == [
        f"open Nat\n\n{STATEMENT} :=\n{padding} by\n  exact rfl\n\n#print axioms two\n"
    ]


@pytest.mark.parametrize(
    "proof",
    [
        "theorem two : True := trivial",
        "theorem two (n : Nat) : n + 1 = Nat.succ n + 0 := rfl",
        "theorem three (n : Nat) : n + 1 = Nat.succ n := rfl",
        "theorem two (n : Nat) : n + 1 = Nat.succ n",
        "lemma two (n : Nat) : n + 1 = Nat.succ n := rfl",
    ],
)
def test_another_statement_is_wrong_and_never_put_to_lean(proof: str):
    checker = Recorder()
    assert said(proof, Lean(checker)).detail == "the statement is not the task's"
    assert not checker.sources


@pytest.mark.parametrize(
    "proof",
    [
        "by sorry",
        "by admit",
        "by /- -/ sorry",
        "by /- /- nested -/ -/ sorry",
        "by rfl --\n  sorry",
        "(sorryAx _)",
        "Lean.sorryAx _",
        "f 1sorry",
        "f 1.sorry",
        "f 0xFFopen",
        "f 1e5set_option",
        "f x.1.sorry",
        "by native_decide",
        "by\n  open Classical in simp",
        "by\n  set_option debug.skipKernelTC true in rfl",
        "rfl\naxiom magic : False",
        "rfl\n  axiom magic : False",
        "rfl\n#eval IO.println 1",
        "rfl\n#print axioms two",
        "rfl\ntheorem other : True := trivial",
        "rfl\nend Nat",
        "rfl\nnamespace X",
        "rfl\ninstance : Inhabited Nat := ⟨0⟩",
        "rfl\nlocal notation x => x",
        "rfl\nmacro x : term => x",
        "rfl\nattribute [simp] two",
        "by\n  run_tac pure ()",
        "by\n  let x : IO Unit := pure ()",
        "by_elab pure (Lean.mkConst ``True)",
        '(by exact "text".length)',
        'by s!"{sorry}"',
        "by «sorry»",
        "@[simp] rfl",
        "rfl)",
        "(rfl",
        "by exact ⟨rfl)",
        "by\n  exact Lean.ofReduceBool _ _ rfl",
    ],
)
def test_what_is_no_part_of_a_proof_is_refused_before_lean_sees_it(proof: str):
    checker = Recorder()
    verdict = said(proof, Lean(checker))
    assert verdict.outcome is Outcome.INCORRECT
    assert "may not stand in a proof" in verdict.detail
    assert not checker.sources


@pytest.mark.parametrize(
    "proof",
    [
        "by\n  calc a = b := h\n    _ = c := h'",
        "fun x => ⟨x.1, by simpa [Nat.add_comm] using x.2⟩",
        "by\n  obtain ⟨y, hy⟩ := minpoly.irreducible h\n  exact Matrix.trace_comm _ _",
        "by\n  -- sorry, this is long\n  exact h /- no axiom here -/",
        "by decide",
        "by norm_num [h.1.le, h₂.2, 0xFF, 0b101, 1e5, 1.5e-3, 10_000, (2 : ℕ), x_1, y'2]",
        "by\n  have : ∃! x, p x := h₁.end_of_story!\n  exact this",
    ],
)
def test_ordinary_proofs_are_not_refused(proof: str):
    assert first_forbidden(without_comments(proof)) is None


@pytest.mark.parametrize("proof", ["by rfl /-", "by /- /- -/ rfl", "-- nothing", "/- nothing -/", ":= ", ""])
def test_a_proof_that_is_not_there_or_never_ends_is_malformed(proof: str):
    assert said(proof, Lean(Recorder())).outcome is Outcome.MALFORMED


@pytest.mark.parametrize("proof", ["by spin", "by hoard", "by chatter"])
def test_a_proof_that_overruns_lean_is_a_timeout_and_leaves_no_process(proof: str):
    began = time.monotonic()
    verdict = said(proof, lean(timeout_seconds=3.0, memory_bytes=1 << 30))
    assert verdict.outcome is Outcome.TIMEOUT
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("proof", "why"), [("by broken", "ended with status 127: error while"), ("by silent", "which axioms")]
)
def test_a_lean_that_does_not_work_is_a_fault_and_never_a_wrong_answer(proof: str, why: str):
    with pytest.raises(VerifierFault, match=why):
        said(proof)


def test_a_task_whose_own_text_lean_refuses_is_a_fault_whatever_the_proof():
    with pytest.raises(
        VerifierFault, match=r"task 'two': Lean does not accept its statement.*unknown module"
    ):
        said("by omega", about=task(preamble="import Missing"))


def test_without_lean_the_fault_says_so():
    with pytest.raises(VerifierFault, match="Lean is not installed here: there is no 'lean-of-nowhere'"):
        said("by rfl", Lean(LeanCommand(("lean-of-nowhere",))))
    with pytest.raises(VerifierFault, match="there is no folder"):
        said("by rfl", lean(project="/nowhere"))


@pytest.mark.parametrize("statement", ["1 + 1 = 2", "theorem two : 1 + 1 = 2 := rfl", "example : True"])
def test_a_reference_without_a_statement_is_named(statement: str):
    with pytest.raises(VerifierFault, match="task 'two' has no Lean problem"):
        lean().check(task(statement=statement))


def test_its_own_attacks_fail_also_with_a_checker_that_accepts_everything_it_may_be_asked():
    verifier = lean()
    for attack in verifier.audit_attacks(task()):
        verdict = verifier.verify(task(), Completion(text=attack.text))
        assert verdict.scored, attack.tries
        assert not verdict.correct, attack.tries
