"""Whatever arrives where a program can write, the host gives a verdict and raises nothing."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rlvr_sandbox import (
    AssertTests,
    CallTest,
    CallTests,
    Limits,
    Program,
    ProgramOutcome,
    StdioTest,
    StdioTests,
    Trust,
)
from rlvr_sandbox.backends.attached import Streams
from rlvr_sandbox.image.frames import BrokenFrame, Reader
from rlvr_sandbox.image.talk import values
from rlvr_sandbox.judging.judge import Execution, Judging

SAMPLE, WHOLE = 3_000, 100_000
TAGS = (*values._READERS, "handle", "name", "value", "__class__", "", "[")
LEAVES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 7, 1 << 53, 10**300, 0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "a", "0x1", "-0x2", "zz", "int", "\ud800", "\x00", "é" * 50, "1" * 5000, "0x" + "f" * 5000),
)
EXPECTED: tuple[Any, ...] = (
    *(7, 2.5, True, None, "a", [], [1, 2], [[1, 2]], {}, {"a": 1, "b": [{"c": 2.5}]}, [[["deep"]]]),
)


def some(random: random.Random, depth: int = 0) -> Any:
    """JSON data of all kinds, much of it like an encoded value."""
    kind = random.randrange(8 if depth < 6 else 2)
    if kind < 2:
        return random.choice(LEAVES)
    parts = [some(random, depth + 1) for _ in range(random.randrange(4))]
    if kind < 6:
        return [random.choice(TAGS), *parts]
    return parts if kind == 6 else {str(random.choice(LEAVES)): part for part in parts}


def mangled(random: random.Random, data: bytes) -> bytes:
    """The bytes as they are, cut off, changed somewhere, repeated, wrapped deeply, or something else altogether."""
    at = random.randrange(len(data) + 1)
    ways: tuple[Callable[[], bytes], ...] = (
        *(lambda: data,) * 6,
        lambda: data[:at],
        lambda: data[:at] + random.randbytes(3) + data[at:],
        lambda: data + data,
        lambda: b"[" * (d := random.choice((150, 400, 900, 5000))) + data + b"]" * d,
        lambda: b'{"a":' * (d := random.choice((150, 400, 900, 5000))) + data + b"}" * d,
        lambda: b'["list",' * (d := random.choice((19, 199, 300))) + data + b"]" * d,
        lambda: data.decode().encode(random.choice(("utf-16", "utf-32"))),
        lambda: random.randbytes(random.randrange(20)),
    )
    return random.choice(ways)()


def said(random: random.Random) -> bytes:
    """A call's answer, or a report, of which anything may be wrong."""
    whole: Any = some(random)
    kind = random.randrange(5)
    value = mangled(random, json.dumps(whole).encode())
    if kind == 0:
        return value
    if kind == 1:
        fields = ("outcome", "reason", "input", "got")
        report = [{field: some(random) for field in fields} for _ in range(random.randrange(3))]
        for one in report:
            one["outcome"] = random.choice(("passed", "failed", "gone", "bad_tests", one["outcome"]))
        return mangled(random, json.dumps(report).encode())
    key = random.choice((b"value", b"value", b"missing", b"handle"))
    return b'{"' + key + b'": ' + value + b"}"


def judged(tests: Any, answer: bytes, stdout: bytes = b"") -> Any:
    program = Program(source="", tests=tests, limits=Limits(), stop_at_first_failure=False)
    judging = Judging(program)
    execution = Execution(
        stopped="",
        status=0,
        ended_by_itself=True,
        tests_status=0,
        cpu_seconds=0.1,
        wall_seconds=0.1,
        memory_bytes=1 << 20,
        stdout=stdout,
        stderr=stdout,
        answer=answer,
    )
    judging.take(execution)
    return judging.result(backend="none", trust=Trust.CONTAINER, retries=0)


def faults(seed: int, count: int) -> Iterator[str]:
    """Answers on which the host raised, gave no verdict, or gave one that cannot be written down."""
    chance = random.Random(seed)
    asserts = AssertTests(tests=("assert f(1) == 2",), names=("f",), in_process=True)
    for _ in range(count):
        answer = said(chance)
        call = CallTests(
            function="f", tests=(CallTest(expected=chance.choice(EXPECTED)),), float_tolerance=1e-9
        )
        words = StdioTests(tests=(StdioTest(input="", expected="7 2.5\n"),))
        for tests in (call, asserts, words):
            try:
                result = judged(tests, answer, stdout=answer)
                json.dumps([result.reason, result.stdout, result.stderr, str(result.first_failure)]).encode()
                (result.reason + result.stdout + str(result.first_failure)).encode()
            except Exception as error:  # noqa: BLE001 - any at all is what is looked for
                yield f"{type(error).__name__}: {error} for {answer[:200]!r}"
                continue
            if result.reward is None:
                yield f"no verdict for {answer[:200]!r}"


def test_no_answer_that_a_program_can_write_raises_on_the_host_or_goes_without_a_verdict():
    assert list(faults(1, SAMPLE)) == []


@pytest.mark.slow
def test_nor_does_any_of_a_hundred_thousand():
    assert list(faults(2, WHOLE)) == []


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_are_anything_but_a_value_or_refused(seed: int):
    chance = random.Random(seed)
    for _ in range(SAMPLE):
        data = mangled(chance, json.dumps(some(chance)).encode())
        try:
            values.loads(data, lambda tagged: tuple(map(str, tagged)))
        except values.BadValue:
            continue


def test_no_stream_is_anything_but_frames_or_broken():
    chance = random.Random(3)
    lengths = (lambda: some(chance), lambda: [some(chance)], lambda: [2], lambda: [2.0], lambda: [True, 1])
    for _ in range(SAMPLE):
        head = mangled(chance, json.dumps({"blobs": chance.choice(lengths)(), "said": some(chance)}).encode())
        data = struct.pack(">II", len(head), 2) + head + b"ab"
        pieces = iter([data[: chance.choice((len(data), len(data) - 1, 3))], b""])
        try:
            frame = Reader(lambda pieces=pieces: next(pieces, b"")).frame()
        except BrokenFrame:
            continue
        assert frame is None or frame[1] == [b"ab"]


def test_no_bytes_of_an_engine_raise_where_they_are_taken_apart():
    chance = random.Random(4)
    for _ in range(SAMPLE):
        streams = Streams()
        for _ in range(3):
            streams.feed(chance.randbytes(chance.randrange(20)) + struct.pack(">BxxxI", 1, 2) + b"ab")
        assert isinstance(streams.stderr, str)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[1], 2], [1, 2]),
        (["list", [[1], 2]], [[1, 2]]),
        ([{"list": 1}, 2], [1, 2]),
        ([{}], {}),
        (["dict", [["a"], 1]], {"a": 1}),
        (["array", "int64", [[1], 2]], [1, 2]),
    ],
)
def test_a_value_whose_tag_is_no_text_is_a_wrong_value(value: Any, expected: Any):
    call = CallTests(function="f", tests=(CallTest(expected=expected),))
    result = judged(call, json.dumps({"value": value}).encode())
    assert (result.outcome, result.reason) == (ProgramOutcome.FAILED, "wrong value")


def test_what_a_failure_shows_can_be_written_to_a_file_whatever_the_program_printed():
    result = judged(StdioTests(tests=(StdioTest(input="", expected="7"),)), b"", stdout=b"7\xff\xed\xa0\x80")
    assert result.first_failure is not None
    assert result.first_failure.got.encode().startswith(b"7")
