"""Proofs in Lean 4: the statement is the task's, only the proof is the policy's, and Lean decides.

What is here is the plug point: what a proof may say, how the file that Lean checks is put together, and how its
answer is read. Lean itself is a `LeanChecker`: a command on this machine (`LeanCommand`), or whatever else runs Lean.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, final

from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_gym.errors import VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract, Marker
from rlvr_gym.verifiers.attacks import Attack, Expectation
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.fences import fenced_answer
from rlvr_gym.verifiers.lean.text import first_forbidden, spaced, without_comments

MAX_CHARACTERS = 50_000
"""Of a proof; what is longer is malformed."""

AXIOMS = frozenset({"propext", "Classical.choice", "Quot.sound"})
"""Lean's own. Others (`sorryAx`, `Lean.ofReduceBool`, one that was declared) prove anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LeanMessage:
    """One message of Lean on a file; lines count from 1."""

    severity: Literal["error", "warning", "information"]
    line: int
    text: str


class LeanTimeout(Exception):
    """Lean did not finish with a file within its time or memory."""


class LeanChecker(Protocol):
    """Runs Lean over a file. May be called from several threads at once."""

    @property
    def timeout_seconds(self) -> float:
        """Time limit of one call, waiting for its turn included."""
        ...

    def check(self, source: str) -> tuple[LeanMessage, ...]:
        """All of Lean's messages on a file with this content.

        Raises LeanTimeout where the file overruns the limits of time and memory, and VerifierFault where Lean is not
        there or does not work. The file was written by a model in part: run it where it can do no harm.
        """
        ...


class LeanProblem(BaseModel):
    """The reference of a task with a Lean proof for its answer (`problem.model_dump(mode="json")`).

    `statement` is a theorem up to where its proof would begin (`theorem two : 1 + 1 = 2`), without `:=`; `preamble` is
    what stands before it in the file (imports, opened namespaces, definitions). `proof` is a right one, where known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statement: str
    preamble: str = ""
    proof: str | None = None

    @property
    def name(self) -> str:
        """The theorem's. Raises ValueError where the statement is none."""
        found = _STATEMENT.match(self.statement)
        if not found or ":=" in self.statement:
            raise ValueError("a statement reads `theorem name ... : proposition`, and ends before `:=`")
        return found[1]


@final
class Lean(Verifier):
    """The answer proves the task's theorem, and Lean accepts the proof.

    The answer is the last fenced block, or all of it where there is none: the proof (`by simp`, or a term) or the whole
    theorem, whose statement must then be the task's to the letter, white space and comments aside. What is checked is
    always the task's own statement with that proof under it: a changed statement is wrong and never proved instead.

    Refused without asking Lean are proofs with `sorry`, `admit`, `native_decide`, any `#` command, any word that begins
    another command (`axiom`, `theorem`, `open`, `macro`, `set_option`, `end`, ...) or reaches Lean's own programming
    (`run_tac`, `IO`, `unsafe`, ...), comments aside, texts in quotes, and unfinished comments or brackets. The rest is
    wrong unless Lean reports no error, and no axiom beside its own three.

    Args:
        checker: what runs Lean.
        contract: where the answer stands; by default the whole completion outside of its thinking.
    """

    open_ended = True

    def __init__(self, checker: LeanChecker, contract: AnswerContract | str = Marker.WHOLE) -> None:
        self.checker = checker
        self.contract = AnswerContract.of(contract)
        self._statement_holds_up = lru_cache(maxsize=1000)(self._asked_about_statement)

    @property
    def timeout_seconds(self) -> float:
        """Twice the checker's time limit: a task's own statement may have to be checked too."""
        return 2 * self.checker.timeout_seconds

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Put the task's statement and the answer's proof to Lean."""
        problem = _problem(task)
        answer = fenced_answer(self.contract, completion.text, most=MAX_CHARACTERS)
        if isinstance(answer, Verdict):
            return answer
        proof = _proof(answer, problem)
        if isinstance(proof, Verdict):
            return proof
        source, begins, ends = _file(problem, proof)
        try:
            messages = self.checker.check(source)
        except LeanTimeout as error:
            return Verdict.timeout(str(error), answer=answer)
        errors = [message for message in messages if message.severity == "error"]
        if errors:
            self._refuse_broken_task(task, problem, errors, begins)
            return Verdict.wrong(_shown(errors[0], begins), answer=answer)
        return _by_axioms(task, answer, [m.text for m in messages if m.line == ends])

    def solution(self, task: Task) -> str | None:
        """The proof that the task brings, in a fenced block."""
        proof = _problem(task).proof
        return None if proof is None else self.contract.write(f"```lean\n{proof.strip()}\n```")

    def check(self, task: Task) -> None:
        """Raise VerifierFault where the reference is no Lean problem. Lean is not asked."""
        _problem(task)

    def audit_decides(self, task: Task, text: str) -> bool | None:
        """Wrong is what does not hold a word; about proofs nothing is known without Lean."""
        answer = fenced_answer(self.contract, text, most=MAX_CHARACTERS)
        return False if isinstance(answer, Verdict) or not re.search(r"\w", answer) else None

    def audit_attacks(self, task: Task) -> Iterable[Attack]:
        """Ways to leave the proof out, to prove something else, or to be believed without proof."""
        problem = _problem(task)
        for tries, proof in {
            "sorry": "by sorry",
            "admit": "by\n  admit",
            "sorry behind a comment": "by /- -/ sorry",
            "an axiom": f"magic\naxiom magic : {problem.statement.partition(':')[2]}",
            "another theorem": "theorem other : True := trivial",
            "the statement changed": f"theorem {problem.name} : True := trivial",
            "a namespace around it": f"namespace Mine\n{problem.statement} := by trivial\nend Mine",
            "the compiler trusted": "by native_decide",
            "the elaborator": "by\n  run_tac Lean.Elab.admitGoal (← Lean.Elab.Tactic.getMainGoal)",
            "a comment that never ends": "by trivial /-",
            "a command afterwards": 'by trivial\n#eval IO.println "ok"',
            "an option": "by\n  set_option debug.skipKernelTC true in trivial",
            "notation": f'by trivial\nlocal notation "{problem.name}" => True',
            "the theorem itself": f"{problem.name}",
        }.items():
            text = self.contract.write(f"```lean\n{proof}\n```")
            yield Attack(family="Lean", tries=tries, text=text, expectation=Expectation.FAIL)

    def _refuse_broken_task(
        self, task: Task, problem: LeanProblem, errors: Iterable[LeanMessage], begins: int
    ) -> None:
        """Raise VerifierFault where errors before the proof come from the task's own text, whatever the proof is.

        Not all of them do: that a proof does not end, say, is reported at the theorem's name.
        """
        early = [error for error in errors if error.line < begins]
        if early and (why := self._statement_holds_up(problem.preamble, problem.statement)):
            raise VerifierFault(f"task '{task.id}': Lean does not accept its statement: {why}")

    def _asked_about_statement(self, preamble: str, statement: str) -> str:
        """Lean's first error on the statement without a proof; "" where it accepts it."""
        source, begins, _ = _file(LeanProblem(preamble=preamble, statement=statement), "by sorry")
        try:
            messages = self.checker.check(source)
        except LeanTimeout as error:
            raise VerifierFault(f"Lean cannot read the statement alone: {error}") from error
        return next((_shown(m, begins) for m in messages if m.severity == "error"), "")


_STATEMENT = re.compile(r"\s*(?:theorem|lemma)\s+([\w.'₀-₉«»]+)")
_AXIOMS = re.compile(r"depends on axioms: \[([^\]]*)\]")


def _problem(task: Task) -> LeanProblem:
    try:
        problem = LeanProblem.model_validate(task.reference)
        problem.name  # noqa: B018 - raises where the statement is none
    except (ValidationError, ValueError) as error:
        raise VerifierFault(f"task '{task.id}' has no Lean problem for its reference: {error}") from error
    return problem


def _proof(answer: str, problem: LeanProblem) -> str | Verdict:
    """The proof in an answer that is one, or that is the whole theorem; the verdict where it may not be put to Lean."""
    try:
        plain = without_comments(answer)
    except ValueError as error:
        return Verdict.malformed(str(error))
    said, found, proof = "", "", plain.strip("\n")
    if _STATEMENT.match(plain) or proof.lstrip().startswith(":="):
        said, found, proof = plain.partition(":=")
    if said.strip() and (not found or spaced(said) != spaced(without_comments(problem.statement))):
        return Verdict.wrong("the statement is not the task's", answer=answer)
    if found:  # the proof stays in its columns, which mean something to Lean
        proof = " " * len(f"{said}{found}".rpartition("\n")[2]) + proof
    if not proof.strip():
        return Verdict.malformed("there is no proof")
    if word := first_forbidden(proof):
        return Verdict.wrong(f"'{word}' may not stand in a proof", answer=answer)
    return proof


def _file(problem: LeanProblem, proof: str) -> tuple[str, int, int]:
    """The file that Lean checks, the line that the proof begins on, and that of the question after its axioms."""
    before = f"{problem.preamble.rstrip()}\n\n{problem.statement.strip()} :=\n"
    with_proof = f"{before}{proof.rstrip()}\n\n"
    source = f"{with_proof}#print axioms {problem.name}\n"
    return source, before.count("\n") + 1, with_proof.count("\n") + 1


def _by_axioms(task: Task, answer: str, said: list[str]) -> Verdict:
    """The verdict on a proof without errors, by what Lean says of its axioms."""
    if len(said) != 1 or not ("does not depend on any axioms" in said[0] or _AXIOMS.search(said[0])):
        raise VerifierFault(f"task '{task.id}': Lean did not say which axioms the proof depends on: {said}")
    found = _AXIOMS.search(said[0])
    used = {name.strip() for name in found[1].split(",")} if found else set()
    if beyond := sorted(used - AXIOMS):
        return Verdict.wrong(f"depends on {', '.join(beyond)}", answer=answer)
    return Verdict.right("Lean accepts the proof", answer=answer)


def _shown(message: LeanMessage, begins: int) -> str:
    """A message with its line counted from the proof's first."""
    return f"line {message.line - begins + 1} of the proof: {' '.join(message.text.split())[:300]}"
