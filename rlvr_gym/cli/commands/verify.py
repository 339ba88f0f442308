"""`rlvr verify`: judge completions that exist already, without a model."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlvr_gym.cli.loudness import note
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.outputs import refuse_unwritable
from rlvr_gym.cli.settings import EnvName, EnvOptions, make_environment
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.evaluation import judge_all
from rlvr_gym.files import new_folder, write_atomically
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, FinishReason, Outcome, Verdict
from rlvr_gym.verifiers.attacks import Expectation

STANDARD = Path("-")
UNMET = 1
"""The exit status where a verdict is not as its line expects."""
SHOWN = 5
"""Number of unexpected verdicts that are named."""
Asked = tuple[Task, Expectation | None]
"""A task to judge an answer to, and the verdict a sound verifier gives, if the line states one."""


class CompletionLine(BaseModel):
    """A line to judge: the task's id or index, and what was said. Other fields are of no concern here.

    A test case says with `expectation` what a sound verifier does with it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    task: str | int
    completion: str
    finish_reason: Annotated[FinishReason, Field(strict=False)] = FinishReason.STOP
    expectation: Annotated[Expectation | None, Field(strict=False)] = None


MANUAL = Manual(
    examples=(
        ("rlvr verify gsm8k env.data=test.jsonl < completions.jsonl", "Verdicts on stdout, counts on stderr"),
        ("rlvr verify reverse --completions said.jsonl --out verdicts.jsonl", "From one file into another"),
        ("rlvr verify reverse --completions labels.jsonl", "Test cases, as a report exports its labels"),
    ),
    page="evaluation",
    topics=("environments", "settings"),
    exits={UNMET: "judging failed, or a verdict is not as its line expects"},
)


@documented(MANUAL)
def verify(
    env: EnvName,
    options: EnvOptions = None,
    completions: Annotated[
        Path,
        typer.Option(help='JSON lines such as {"task": ID or INDEX, "completion": TEXT}; - is stdin.'),
    ] = STANDARD,
    out: Annotated[
        Path, typer.Option(help="Where the verdicts go, a JSON line each; - is stdout.")
    ] = STANDARD,
) -> None:
    """Judge completions that exist already; verdicts come out in order, as JSON lines.

    A line may be a test case, as those are that a report exports: `"expectation": "must pass"`, `"must fail"`,
    `"must not pass"` or `"must not crash"`. The exit status is 1 where a verdict is not as expected.
    """
    environment = make_environment(env, options)
    if environment.max_turns > 1:
        note(
            f"note: '{env}' is multi-turn; only the final turn is judged, and each completion is taken for one"
        )
    verdicts: list[Verdict] = []
    unmet: list[str] = []
    with _output(out) as sink, _input(completions) as lines:
        asked: list[Asked] = []
        for verdict in judge_all(environment, _pairs(environment, lines, completions, asked)):
            task, expectation = asked[len(verdicts)]
            expected = environment.expected(task)
            row = {"task": task.id, **verdict.model_dump(mode="json"), "expected": expected}
            if expectation:
                row |= {"expectation": expectation, "met": expectation.met_by(verdict)}
                if not row["met"]:
                    unmet.append(f"{task.id} {expectation}, and is {verdict.outcome}")
            sink.write(json.dumps(row, ensure_ascii=False) + "\n")
            verdicts.append(verdict)
    note(_summary(verdicts))
    _hold_to([expectation for _, expectation in asked if expectation], unmet)


def _hold_to(expectations: list[Expectation], unmet: list[str]) -> None:
    """Say how many test cases came out as expected, and exit with 1 where some did not."""
    if not expectations:
        return
    met = len(expectations) - len(unmet)
    said = "".join(f"\n  {one}" for one in unmet[:SHOWN])
    more = f"\n  and {len(unmet) - SHOWN} more" if len(unmet) > SHOWN else ""
    typer.echo(f"{met} of {len(expectations)} verdicts are as expected{said}{more}", err=True)
    if unmet:
        raise typer.Exit(UNMET)


def _pairs(
    env: Environment, lines: TextIO, path: Path, listed: list[Asked]
) -> Iterator[tuple[Task, Completion]]:
    """Yield the task and completion of each line; append the task and its expected verdict to `listed`."""
    source = "stdin" if path == STANDARD else str(path)
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                asked = _read(line, f"{source}, line {number}")
                task = _task(env, asked.task, f"{source}, line {number}")
                listed.append((task, asked.expectation))
                yield task, Completion(text=asked.completion, finish_reason=asked.finish_reason)
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 text: {error}") from error


def _read(line: str, place: str) -> CompletionLine:
    try:
        return CompletionLine.model_validate(json.loads(line))
    except ValidationError as error:
        problem = error.errors()[0]
        field = str(problem["loc"][0]) if problem["loc"] else "the line"
        said = "it is no JSON object" if not problem["loc"] else problem["msg"]
        raise DataError(
            f'{place}: {field}: {said}; lines look like {{"task": "ID", "completion": "TEXT"}}'
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(f"{place} is broken: {error.msg} at character {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is broken: {error}") from error


def _task(env: Environment, key: str | int, place: str) -> Task:
    try:
        return env.tasks[key]
    except (KeyError, IndexError) as error:
        raise DataError(f"{place}: {error.args[0]}") from error


@contextmanager
def _input(path: Path) -> Iterator[TextIO]:
    if path == STANDARD:
        if sys.stdin.isatty():
            note("reading completions from the terminal, a JSON line each; Ctrl-D ends")
        yield sys.stdin
        return
    try:
        file = path.open(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot read completions from {path}: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _output(path: Path) -> Iterator[TextIO]:
    """Open the output for verdicts. A file appears once it is whole."""
    if path == STANDARD:
        yield sys.stdout
        return
    refuse_unwritable(path, "verdicts cannot go to")
    if path.is_file() and not _holds_verdicts(path):
        raise ConfigError(f"verdicts cannot go to {path}: that is another file; give --out ANOTHER_FILE")
    written = io.StringIO()
    yield written
    with new_folder(path.parent):
        write_atomically(path, written.getvalue())


def _holds_verdicts(path: Path) -> bool:
    """Return whether a file is empty or starts with a line written by an earlier call."""
    with path.open("rb") as file:
        line = file.readline()
    try:
        return not line or {"task", "outcome", "score"} <= set(json.loads(line))
    except (ValueError, TypeError):
        return False


def _summary(verdicts: list[Verdict]) -> str:
    counts = Counter(verdict.outcome for verdict in verdicts)
    shares = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    plural = "" if len(verdicts) == 1 else "s"
    text = f"judged {len(verdicts)} completion{plural}" + (f": {shares}" if shares else "")
    faults = Counter(verdict.detail for verdict in verdicts if not verdict.scored)
    return f"{text}; the commonest fault: {faults.most_common(1)[0][0]}" if faults else text
