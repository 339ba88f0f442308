"""A verifier for answers that are programs, judged by running them in the sandbox."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, final

from rlvr_gym.errors import ConfigError, DataError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome, Verdict
from rlvr_gym.verifiers.answers import Malformed
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.code.cheats import cheats_at
from rlvr_gym.verifiers.code.extraction import Blocks, Extracted, continued, extract
from rlvr_gym.verifiers.code.judging import judged, refused_gold, scaled_limits
from rlvr_gym.verifiers.code.problems import Asserts, Calls, Problem, Stdio
from rlvr_gym.verifiers.code.running import Unjudgeable
from rlvr_gym.verifiers.code.solutions import PASSES, Answer, refused

if TYPE_CHECKING:
    from rlvr_sandbox import Result

    from rlvr_gym.verifiers.attacks import Attack

_SHOWN = 300
_ADDRESS = re.compile(r"at 0x[0-9a-f]{6,16}\b")


@final
class CodeVerifier(Verifier):
    """The completion's program passes the tests of the task's reference, a `Problem`.

    The program runs in the sandbox and nowhere else. Right is a program that passes every test; with
    `reward="fraction"` any other earns the share of tests that it passes. Where the sandbox cannot run it,
    the sample is unscored. Where some tests may be shown to the policy and others not, the verdict has the parts
    `visible` and `hidden`.

    Args:
        blocks: which of several fenced blocks is the program: `last`, `only` or `concatenated`.
        continues: the completion goes on where the problem's preamble stops, as a base model's does, instead
            of holding a program.
        reward: `all` or `fraction`.
        limits: `stated`, by the task, or `scaled`: the CPU time of the task's own solution here times ten, and at
            least a second, so that slow machines judge as fast ones do. It is measured before a task's first
            verdict; tasks without a solution keep their stated limits.
        run_solutions: a task whose own solution does not pass, because it is wrong or because the sandbox cannot judge
            by the tests, is `unjudgeable`, which is found when the tasks are loaded.
    """

    def __init__(
        self,
        *,
        blocks: Blocks | str = Blocks.LAST,
        continues: bool = False,
        reward: str = "all",
        limits: str = "stated",
        run_solutions: bool = True,
    ) -> None:
        if reward not in ("all", "fraction"):
            raise ConfigError(f"reward must be 'all' or 'fraction', not '{reward}'")
        if limits not in ("stated", "scaled"):
            raise ConfigError(f"limits must be 'stated' or 'scaled', not '{limits}'")
        self.limits = limits
        self.run_solutions = run_solutions
        self.blocks = Blocks.of(blocks)
        self.continues = continues
        self.reward = reward

    @property
    def timeout_seconds(self) -> float:
        """An hour: every program ends by limits of its own, and waiting for a free sandbox is not its fault."""
        return 3600.0

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Run the program that `completion` holds against all tests."""
        problem = Problem.of(task)
        extracted = self.read(problem, completion.text)
        if isinstance(extracted, Malformed):
            return Verdict.malformed(extracted.reason)
        result = self.judged(task, problem, extracted.source, stop_at_first_failure=self.reward == "all")
        return self._verdict(problem, extracted, result)

    def judged(
        self,
        task: Task,
        problem: Problem,
        source: str,
        *,
        public_only: bool = False,
        stop_at_first_failure: bool = True,
    ) -> Result:
        """Run the tests, or only the public ones, on a whole program, within this verifier's limits."""
        solution = self._whole_solution(problem) if self.limits == "scaled" else None
        limits = scaled_limits(task, problem, solution) if solution is not None else None
        return judged(
            problem,
            source,
            public_only=public_only,
            stop_at_first_failure=stop_at_first_failure,
            limits=limits,
        )

    def _whole_solution(self, problem: Problem) -> str | None:
        """The program that the problem's own solution is, preamble included; None where there is none."""
        written = self.write(problem)
        read = None if written is None else self.read(problem, written)
        if isinstance(read, Malformed):
            raise Unjudgeable(f"the task's own solution is no program: {read.reason}")
        return None if read is None else read.source

    def read(self, problem: Problem, text: str) -> Extracted | Malformed:
        """The whole program that a completion stands for, the problem's preamble included."""
        if self.continues:
            return continued(problem.preamble, text)
        extracted = extract(text, self.blocks)
        if isinstance(extracted, Malformed):
            return extracted
        return Extracted(source=problem.with_preamble(extracted.source), whole=extracted.whole)

    def solution(self, task: Task) -> str | None:
        """The problem's own solution as a completion, where it has one."""
        return self.write(Problem.of(task))

    def write(self, problem: Problem) -> str | None:
        """The problem's own solution as a completion, where it has one."""
        if problem.solution is None or self.continues:
            return problem.solution
        fence = "```"
        while fence in problem.solution:
            fence += "`"
        return f"{fence}python\n{problem.solution.rstrip()}\n{fence}"

    def check(self, task: Task) -> None:
        """Read the tests, which must judge something, and show a checker the expected outputs, which it must accept."""
        problem = Problem.of(task)
        try:
            problem.program("")
            if isinstance(problem.tests, Stdio) and problem.tests.checker:
                fault = refused_gold(problem.tests)
                if fault is not None:
                    raise DataError(fault)
        except DataError as error:
            raise DataError(f"task '{task.id}': {error}") from error

    def unjudgeable(self, tasks: Sequence[Task]) -> Mapping[str, str]:
        """Tasks whose own solution does not pass; what came of a solution is remembered on disk."""
        if not self.run_solutions:
            return {}
        solved = {task.id: task for task in tasks if self.solution(task) is not None}
        if not solved:
            return {}
        how = json.dumps([self.limits, self.continues, self.blocks.value])
        keys = {id: f"{how} {task.content_hash}" for id, task in solved.items()}
        return refused(keys, lambda id: self._try_solution(solved[id]))

    def _try_solution(self, task: Task) -> Answer:
        try:
            problem = Problem.of(task)
            solution = self._whole_solution(problem)
            assert solution is not None
            result = self.judged(task, problem, solution)
        except Unjudgeable as error:
            return Answer(reason=str(error))
        except VerifierFault:
            return Answer(reason=None)
        if result.passed == result.total:
            return Answer(reason=PASSES)
        return Answer(
            reason=f"its own solution does not pass: {described(result)}",
            late=result.outcome.value == "timeout",
        )

    def impossible(self, task: Task) -> Task | None:
        """The same question with tests that contradict each other: a program that passes them does not answer it."""
        problem = Problem.of(task).contradicted()
        if problem is None:
            return None
        return task.model_copy(update={"id": f"{task.id} (impossible)", "reference": problem.reference()})

    def audit_attacks(self, task: Task) -> Iterator[Attack]:
        """Cheating programs, where no solution shows the audit what is asked for: it has none, or has a class."""
        problem = Problem.of(task)
        function = problem.tests.function if isinstance(problem.tests, Calls) else None
        unknown = problem.solution is None and not isinstance(problem.tests, Asserts)
        if not self.continues and (unknown or "." in (function or "")):
            yield from cheats_at(function)

    def _verdict(self, problem: Problem, extracted: Extracted, result: Result) -> Verdict:
        from rlvr_sandbox import ProgramOutcome

        detail, parts = described(result), _parts(problem, result)
        if result.outcome is ProgramOutcome.PASSED:
            return Verdict.right(detail, answer=extracted.source).model_copy(update={"parts": parts})
        if result.outcome is ProgramOutcome.INVALID and extracted.whole:
            return Verdict.malformed(
                f"no fenced block, and the whole text is no program: {_cut(result.reason)}"
            )
        earned = (result.fraction or 0.0) if self.reward == "fraction" else 0.0
        return Verdict(
            outcome=Outcome.TIMEOUT if result.outcome is ProgramOutcome.TIMEOUT else Outcome.INCORRECT,
            score=min(earned, math.nextafter(1.0, 0.0)),
            detail=detail,
            answer=extracted.source,
            parts=parts,
        )


def _parts(problem: Problem, result: Result) -> dict[str, Verdict]:
    """Split a result into the tests the policy may see and the hidden ones, when there are both."""
    passed = [test.outcome.value == "passed" for test in result.tests]
    shown, hidden = passed[: problem.public], passed[problem.public :]
    if not shown or not hidden:
        return {}
    return {
        name: Verdict.right() if all(some) else Verdict.wrong(f"{sum(some)} of {len(some)} tests pass")
        for name, some in {"visible": shown, "hidden": hidden}.items()
    }


def described(result: Result) -> str:
    """Describe a result in one line: how many tests passed, and how the first failing one ended."""
    if result.passed == result.total:
        said = f"all {result.total} tests pass" if result.total > 1 else "the test passes"
        forgeable = result.trust.value == "in_process"
        return f"{said}, in the program's own process, which could forge it" if forgeable else said
    first = next(i for i, test in enumerate(result.tests) if test.outcome is result.outcome)
    return _cut(
        f"{result.passed} of {result.total} tests pass; test {first + 1}: {result.outcome.value}, {result.reason}"
    )


def first_failure(result: Result) -> str:
    """The first test that failed, for whoever is to repair the program: what it gave, and what it should have."""
    failure = result.first_failure
    facts = {"How it ended": f"{result.outcome.value}: {result.reason}"}
    if failure is not None:
        facts = {"Input": failure.input, "Expected": failure.expected, "Got": failure.got, **facts}
    if result.outcome.value != "failed":
        facts["Standard error"] = result.stderr
    return "\n".join(f"{name}: {_cut(fact)}" for name, fact in facts.items() if fact.strip())


def _cut(text: str) -> str:
    """Without the addresses of objects, which differ from run to run, and without what is too long to show."""
    text = _ADDRESS.sub("at 0x...", text.strip())
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]} ... {text[-_SHOWN:]}"
