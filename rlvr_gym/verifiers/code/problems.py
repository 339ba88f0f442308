"""The reference of a code task: its tests, and everything else needed to judge a program by them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from rlvr_gym.errors import DataError, VerifierFault
from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.code.pickled import is_pickle, pickled_text
from rlvr_gym.verifiers.code.preamble import after_preamble

if TYPE_CHECKING:
    from rlvr_sandbox import programs

MAX_UNPACKED_BYTES = 1 << 29
"""Of packed tests: what unpacks to more is not unpacked."""


class _Stated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _fields_that_hold_nothing_are_left_out(cls, value: object) -> object:
        # Columns of tests and limits have the fields of all rows: those that one lacks are null. None is a value that
        # a call may return.
        if not isinstance(value, dict):
            return value
        return {key: one for key, one in value.items() if one is not None or key == "expected"}


class StdioCase(_Stated):
    """Text on standard input, and what standard output must be."""

    input: str
    output: str
    alternatives: tuple[str, ...] = Field(default=(), strict=False)
    """Other outputs that are right as well."""


class Stdio(_Stated):
    """The program reads standard input and writes standard output."""

    kind: Literal["stdio"] = "stdio"
    tests: tuple[StdioCase, ...] = Field(default=(), strict=False)
    packed: str = ""
    """More tests after `tests`, as `pack` writes them."""
    comparison: Literal["exact", "lines", "tokens", "floats"] = "lines"
    checker: str = ""
    """Python source that decides instead, where many outputs are right: `check(input, output, expected) -> bool`. It
    runs in the sandbox, on texts; it must read the output and never run it. What it raises on is refused."""

    def for_sandbox(self, first: int | None = None) -> programs.StdioTests:
        """The tests, or the first so many, as the sandbox takes them."""
        from rlvr_sandbox.programs import Comparison, StdioTest, StdioTests

        tests = [
            StdioTest(input=case.input, expected=case.output, alternatives=case.alternatives)
            for case in self.tests[:first]
        ]
        if first is None:
            tests += [StdioTest(input=given, expected=wanted) for given, wanted in unpack(self.packed)]
        return StdioTests(tests=tuple(tests), comparison=Comparison(self.comparison))


class CallCase(_Stated):
    """Arguments for one call, and the value it must return."""

    arguments: tuple[JsonValue, ...] = Field(default=(), strict=False)
    keywords: dict[str, JsonValue] = Field(default_factory=dict)
    expected: JsonValue
    alternatives: tuple[JsonValue, ...] = Field(default=(), strict=False)
    """Other values that are right as well."""

    @staticmethod
    def of_text(given: str, wanted: str) -> CallCase:
        """A call written as text: one JSON value a line, and the JSON value that it returns."""
        try:
            arguments = tuple(json.loads(line) for line in given.split("\n") if line.strip())
            return CallCase(arguments=arguments, expected=json.loads(wanted))
        except (ValueError, RecursionError) as error:
            raise DataError(f"a call is one JSON value a line and returns one; here: {error}") from error


class Calls(_Stated):
    """A function of the program is called once per test."""

    kind: Literal["calls"] = "calls"
    function: str
    """A top-level function, or `Class.method`."""
    tests: tuple[CallCase, ...] = Field(default=(), strict=False)
    packed: str = ""
    """More tests after `tests`, as `pack` writes them."""
    float_tolerance: float = Field(default=0.0, ge=0.0, strict=False)

    def for_sandbox(self, first: int | None = None) -> programs.CallTests:
        """The tests, or the first so many, as the sandbox takes them."""
        from rlvr_sandbox.programs import CallTest, CallTests

        cases = [*self.tests[:first]]
        if first is None:
            cases += [CallCase.of_text(given, wanted) for given, wanted in unpack(self.packed)]
        tests = [
            CallTest(
                arguments=case.arguments,
                keywords=case.keywords,
                expected=case.expected,
                alternatives=case.alternatives,
            )
            for case in cases
        ]
        return CallTests(function=self.function, tests=tuple(tests), float_tolerance=self.float_tolerance)


class Asserts(_Stated):
    """Python code that calls the program and asserts, run where the program cannot reach it."""

    kind: Literal["asserts"] = "asserts"
    tests: tuple[str, ...] = Field(strict=False)
    """Each counts as one test."""
    names: tuple[str, ...] = Field(strict=False)
    """The functions and classes that the tests take from the program."""
    setup: str = ""
    """Trusted code that runs before the tests."""
    in_process: bool = False
    """Run the tests in the program's own process, for tests that cannot be split. A hostile program can forge the
    verdict, whose detail says so."""

    def for_sandbox(self, first: int | None = None) -> programs.AssertTests:
        """The tests, or the first so many, as the sandbox takes them."""
        from rlvr_sandbox.programs import AssertTests

        return AssertTests(
            tests=self.tests[:first], names=self.names, setup=self.setup, in_process=self.in_process
        )


_CONTRADICTION = "what no program gives that has just given something else"


Limit = Literal["cpu_seconds", "wall_seconds", "memory_bytes", "output_bytes", "processes"]


class Problem(_Stated):
    """The reference of a code task."""

    tests: Annotated[Stdio | Calls | Asserts, Field(discriminator="kind")]
    public: int = Field(default=0, ge=0)
    """Number of first tests that may be shown to the policy; all tests decide."""
    preamble: str = ""
    """Stands before every program: imports that the prompt gives, or all of a prompt that is continued."""
    solution: str | None = None
    """A program that passes, or what continues the preamble to one; None where none is known."""
    limits: dict[Limit, int | float] = Field(default_factory=dict)
    """Overrides of the sandbox's own limits."""

    @field_validator("limits", mode="before")
    @classmethod
    def _limits_that_are_not_stated_are_left_out(cls, value: object) -> object:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _public_tests_exist(self) -> Problem:
        if self.public > len(self.tests.tests):
            raise ValueError(f"{self.public} tests are public; there are {len(self.tests.tests)}")
        return self

    @staticmethod
    def of(task: Task) -> Problem:
        """The problem that a task's reference states. Raises VerifierFault where it states none."""
        try:
            return Problem.model_validate(task.reference)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"])) or "the reference"
            raise VerifierFault(f"task '{task.id}' cannot be judged: {place}: {problem['msg']}") from error

    def reference(self) -> dict[str, JsonValue]:
        """This problem as the reference of a task."""
        stated: dict[str, JsonValue] = self.model_dump(mode="json")
        tests = stated["tests"]
        for unset in ("checker", "in_process"):
            if isinstance(tests, dict) and not tests.get(unset):
                tests.pop(unset, None)  # so that tasks without one keep their ids and fingerprints
        return stated

    def program(
        self, source: str, *, public_only: bool = False, stop_at_first_failure: bool = True
    ) -> programs.Program:
        """A program to be judged by these tests.

        Raises VerifierFault where the sandbox cannot judge anything by them, DataError for packed tests that
        cannot be read.
        """
        from rlvr_sandbox.programs import Limits, Program

        limits: dict[Any, Any] = dict(self.limits)
        try:
            return Program(
                source=source,
                tests=self.tests.for_sandbox(self.public if public_only else None),
                limits=Limits(**limits),
                stop_at_first_failure=stop_at_first_failure,
            )
        except DataError:
            raise
        except ValueError as error:
            raise VerifierFault(f"these tests cannot judge a program: {error}") from error

    def contradicted(self) -> Problem | None:
        """The first test, and once more with another result: no program passes both. None for asserts."""
        match self.tests:
            case Stdio(tests=cases, packed=packed):
                case = (
                    cases[0] if cases else StdioCase(input=unpack(packed)[0][0], output=unpack(packed)[0][1])
                )
                against = StdioCase(input=case.input, output=_CONTRADICTION)
            case Calls(tests=cases, packed=packed):
                case = cases[0] if cases else CallCase.of_text(*unpack(packed)[0])
                against = case.model_copy(update={"expected": _CONTRADICTION, "alternatives": ()})
            case Asserts():
                return None
        plain = {"checker": ""} if isinstance(self.tests, Stdio) else {}
        tests = self.tests.model_copy(update={"tests": (case, against), "packed": "", **plain})
        return self.model_copy(update={"tests": tests, "public": 0})

    def with_preamble(self, source: str) -> str:
        """`source` after the preamble; its imports from `__future__`, which must stand first, stay first."""
        return after_preamble(self.preamble, source) if self.preamble else source


def pack(tests: Sequence[tuple[str, str]]) -> str:
    """Pairs of input and output as one text, the way LiveCodeBench packs them: JSON, zlib, base64."""
    rows = [{"input": given, "output": wanted} for given, wanted in tests]
    return base64.b64encode(zlib.compress(json.dumps(rows).encode())).decode("ascii")


@lru_cache(maxsize=16)
def unpack(packed: str) -> tuple[tuple[str, str], ...]:
    """The pairs of input and output in `packed`; a plain JSON list of them will do as well.

    Between JSON and zlib may stand a pickle of the JSON as one text, as LiveCodeBench publishes its private tests.
    Raises DataError for anything else, pickles of anything else by name.
    """
    if not packed:
        return ()
    data = packed.encode() if packed.lstrip().startswith("[") else _inflated(packed)
    text = pickled_text(data) if is_pickle(data) else data
    try:
        return tuple((_as_text(row["input"]), _as_text(row["output"])) for row in json.loads(text))
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise DataError(
            f"packed tests are a JSON list of objects with 'input' and 'output'; these are not: {error!r}"
        ) from error


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a {type(value).__name__} where a text is expected")
    return value


def _inflated(packed: str) -> bytes:
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(
            base64.b64decode("".join(packed.split()), validate=True), MAX_UNPACKED_BYTES
        )
    except (ValueError, zlib.error) as error:
        raise DataError(f"packed tests are JSON, compressed with zlib, in base64; here: {error}") from error
    if inflate.unconsumed_tail:
        raise DataError(f"packed tests of more than {MAX_UNPACKED_BYTES >> 20} MiB are not unpacked")
    if not inflate.eof:
        raise DataError("packed tests are JSON, compressed with zlib, in base64; here: the data breaks off")
    return data
