"""An audit from beginning to end: attacks made, put to the verifier out of reach, and counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rlvr_gym.audit import families
from rlvr_gym.audit.canary import Canaries
from rlvr_gym.audit.families import FAMILIES
from rlvr_gym.audit.process import Judged, JudgeProcess, Lost
from rlvr_gym.audit.rebuilding import buildable
from rlvr_gym.audit.report import AuditReport, Failure, FamilyResult, Trial, family_result
from rlvr_gym.audit.subject import Subject, parts_of, subjects
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Outcome, Verdict
from rlvr_gym.verifiers.attacks import Attack, DeclaresAttacks, Expectation

DETERMINISM = "determinism"
_DECLARED = "declared by the environment"
_MOST_OVERDUE = 3
_GROWTH_BYTES = 512 << 20
_REPEATED_SECONDS = 20.0
_SLOW_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """One attack on one task; `text` is the attack's with its canary in place."""

    number: int
    task: Task
    attack: Attack
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    question: _Question
    judged: Judged


def audit(
    env: Environment,
    *,
    tasks: int = 20,
    per_family: int | None = None,
    deadline_seconds: float = 30.0,
    memory_bytes: int = 4 << 30,
    on_progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Attack the verifier of an environment that was made by name, and report on it.

    The same audit of the same environment gives an equal report. Every verdict is given in a fresh interpreter
    that is killed when it overruns, so that an unsound verifier harms nobody but itself. Raises ConfigError where
    no task can be judged, because there is no judge, say, or nothing to run programs with.

    Args:
        env: from `rlvr_gym.make`, any package's.
        tasks: how many of its tasks to attack.
        per_family: at most so many attacks of each family over all tasks, evenly chosen; None for all.
        deadline_seconds: how long one verdict may take, and each turn of an episode that has several; longer than
            the verifier's own limits, where it has any.
        memory_bytes: how much memory the judging process may hold.
        on_progress: called with how many attacks are done, of how many.
    """
    if tasks < 1 or (per_family is not None and per_family < 1) or not deadline_seconds > 0:
        raise ConfigError(
            "tasks, per_family and deadline_seconds must be positive, not "
            f"{tasks}, {per_family} and {deadline_seconds}"
        )
    spec = buildable(env)
    chosen = _chosen(env, tasks)

    def process(hash_seed: int) -> JudgeProcess:
        return JudgeProcess(
            spec,
            deadline_seconds=deadline_seconds * env.max_turns,
            memory_bytes=memory_bytes,
            hash_seed=hash_seed,
        )

    with TemporaryDirectory(prefix="rlvr-audit-") as folder:
        canaries = Canaries(Path(folder))
        questions = list(_questions(env, chosen, canaries, per_family))
        with process(0) as first:
            _refuse_without_verdicts(first, env, chosen)
            answers, left_out = _asked(first, questions, on_progress)
        with process(1) as second:
            repeated = [
                (answer, second.judge(answer.question.task, answer.question.text))
                for answer in reversed(_repeatable(answers))
            ]
        trials = [_trial(answer, canaries) for answer in answers]
        again = [_repeated_trial(answer, judged, canaries) for answer, judged in repeated]
    tried = {trial.attack.family for trial in trials}
    return AuditReport(
        environment=spec.id,
        options=dict(spec.kwargs),
        tasks=len(chosen),
        tasks_fingerprint=env.tasks.fingerprint,
        families=tuple(_results(trials, again, left_out)),
        untried=tuple(family.name for family in FAMILIES if family.name not in tried),
        blind=tried <= families.BLIND and _closed(env, chosen),
    )


def _chosen(env: Environment, count: int) -> list[Task]:
    """The first tasks of an endless set; of a stored one, some drawn from all of it, the same every time."""
    size = env.tasks.size
    if size is None or size <= count:
        return env.tasks.take(count)
    drawn = derive_rng("audit", env.tasks.name, size).sample(range(size), count)
    return [env.tasks.at(index) for index in sorted(drawn)]


def _refuse_without_verdicts(process: JudgeProcess, env: Environment, tasks: Sequence[Task]) -> None:
    """Raise ConfigError where the verifier has no verdict on any task's solution."""
    why = ""
    for task in tasks:
        verdict = process.judge(task, env.solution(task) or "I do not know.").verdict
        if isinstance(verdict, Lost) or verdict.scored:
            return
        why = why or verdict.detail
    raise ConfigError(
        f"nothing can be audited here, as {_shown_to(env, tasks)} of {len(tasks)} tasks get no verdict: {why}"
    )


def _shown_to(env: Environment, tasks: Sequence[Task]) -> str:
    known = any(env.solution(task) for task in tasks)
    return "the solutions" if known else "plain answers ('I do not know.') to the questions"


def _closed(env: Environment, tasks: Sequence[Task]) -> bool:
    """True when some task is judged by more than open-ended verifiers."""
    return any(not part.open_ended for task in tasks for part in parts_of(env.verifier, task))


def _questions(
    env: Environment, tasks: Sequence[Task], canaries: Canaries, per_family: int | None
) -> Iterator[_Question]:
    asked = [
        (attack.task or subject.task, attack)
        for index, subject in enumerate(subjects(env, tasks))
        for attack in _attacks(env, subject, index)
    ]
    for number, (task, attack) in enumerate(_thinned(asked, per_family)):
        yield _Question(number=number, task=task, attack=attack, text=canaries.armed(attack.text, number))


def _thinned(asked: list[tuple[Task, Attack]], per_family: int | None) -> list[tuple[Task, Attack]]:
    """At most so many attacks of each family, evenly chosen."""
    if per_family is None:
        return asked
    sizes = Counter(attack.family for _, attack in asked)
    seen, kept = Counter[str](), list[tuple[Task, Attack]]()
    for task, attack in asked:
        at, size = seen[attack.family], sizes[attack.family]
        seen[attack.family] += 1
        if size <= per_family or at * per_family // size != (at - 1) * per_family // size:
            kept.append((task, attack))
    return kept


def _attacks(env: Environment, subject: Subject, index: int) -> Iterator[Attack]:
    """Yield the families' attacks on a task, then those that the environment and its verifiers declare themselves."""
    for family in FAMILIES:
        if family.tasks is None or index < family.tasks:
            yield from family.attacks(subject)
    whole = [env, env.verifier]
    for who in (*whole, *(part for part in parts_of(env.verifier, subject.task) if part not in whole)):
        if isinstance(who, DeclaresAttacks):
            # What is right for one part may be wrong for the whole; what is wrong for one is wrong for all.
            yield from (
                attack
                for attack in who.audit_attacks(subject.task)
                if who in whole or attack.expectation is not Expectation.PASS
            )


def _asked(
    process: JudgeProcess, questions: Sequence[_Question], on_progress: Callable[[int, int], None] | None
) -> tuple[list[_Answer], Counter[str]]:
    """The answers, and how many attacks of each family were left out after too many that never ended."""
    answers: list[_Answer] = []
    overdue, left_out = Counter[str](), Counter[str]()
    for done, question in enumerate(questions, start=1):
        family = question.attack.family
        if overdue[family] >= _MOST_OVERDUE:
            left_out[family] += 1
            continue
        judged = process.judge(question.task, question.text)
        overdue[family] += judged.verdict is Lost.OVERDUE
        answers.append(_Answer(question=question, judged=judged))
        if on_progress:
            on_progress(done, len(questions))
    return answers, left_out


def _repeatable(answers: Sequence[_Answer]) -> list[_Answer]:
    """The answers to ask for again: quick ones, evenly chosen where all of them would take too long.

    A verdict that a candidate overran its limits depends on the machine's speed, and may change.
    """
    quick = [
        answer
        for answer in answers
        if isinstance(answer.judged.verdict, Verdict)
        and answer.judged.verdict.outcome is not Outcome.TIMEOUT
        and answer.judged.seconds < _SLOW_SECONDS
    ]
    total = sum(answer.judged.seconds for answer in quick)
    return quick[:: max(1, math.ceil(total / _REPEATED_SECONDS))]


def _trial(answer: _Answer, canaries: Canaries) -> Trial:
    question, verdict = answer.question, answer.judged.verdict
    failures: list[Failure] = []
    if canaries.seen(question.number) and verdict is not Lost.FORGED:
        failures.append(Failure.CODE_RAN)
    if answer.judged.grown_bytes > _GROWTH_BYTES:
        failures.append(Failure.MEMORY)
    match verdict:
        case Lost.OVERDUE:
            failures.append(Failure.HANG)
        case Lost.DIED:
            failures.append(Failure.CRASH)
        case Lost.FORGED:
            failures.append(Failure.CODE_RAN)
        case Verdict():
            failures += _misjudged(question.attack.expectation, verdict)
    return Trial(
        task=question.task.id,
        attack=question.attack,
        said=canaries.disarmed(_said(verdict), question.number),
        score=verdict.score or 0.0 if isinstance(verdict, Verdict) else 0.0,
        failures=tuple(failures),
    )


def _misjudged(expectation: Expectation, verdict: Verdict) -> Iterator[Failure]:
    if expectation.met_by(verdict):
        return
    if not verdict.scored:
        yield Failure.CRASH
    else:
        yield Failure.FALSE_POSITIVE if verdict.correct else Failure.FALSE_NEGATIVE


def _said(verdict: Verdict | Lost) -> str:
    if isinstance(verdict, Lost):
        return verdict
    return f"{verdict.outcome}: {verdict.detail}" if verdict.detail else verdict.outcome


def _repeated_trial(answer: _Answer, again: Judged, canaries: Canaries) -> Trial:
    """A second asking: the same verdict, except that the candidate may overrun its limits this time."""
    first, second = answer.judged.verdict, again.verdict
    same = first == second or (isinstance(second, Verdict) and second.outcome is Outcome.TIMEOUT)
    attack = answer.question.attack
    said = f"first {_said(first)}; then {_said(second)}"
    return Trial(
        task=answer.question.task.id,
        attack=Attack(
            family=DETERMINISM,
            tries=f"{attack.tries}, asked again",
            text=attack.text,
            expectation=Expectation.SURVIVE,
        ),
        said=canaries.disarmed(said, answer.question.number),
        score=0.0,
        failures=() if same else (Failure.INCONSISTENT,),
    )


def _results(
    trials: Sequence[Trial], again: Sequence[Trial], left_out: Counter[str]
) -> Iterator[FamilyResult]:
    about = {family.name: family.about for family in FAMILIES}
    about |= {trial.attack.family: _DECLARED for trial in trials if trial.attack.family not in about}
    for name, description in about.items():
        mine = [trial for trial in trials if trial.attack.family == name]
        if mine:
            yield family_result(name, description, mine, left_out=left_out[name])
    yield family_result(DETERMINISM, "the same verdict in another process, in another order", list(again))
