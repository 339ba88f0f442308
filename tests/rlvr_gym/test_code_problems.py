import base64
import json
import pickle
import tracemalloc
import zlib
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.code import (
    Asserts,
    CallCase,
    Calls,
    CodeVerifier,
    Problem,
    Stdio,
    StdioCase,
    pack,
    unpack,
)


def sandboxs(problem: Problem, **options: bool) -> Any:
    return problem.program("", **options).tests


ADDING = Stdio(tests=(StdioCase(input="1 2\n", output="3\n"), StdioCase(input="0 0\n", output="0\n")))


def test_a_problem_survives_being_a_tasks_reference():
    for tests in (
        ADDING,
        Calls(function="add", tests=(CallCase(arguments=(1, [2.5]), expected=None, keywords={"k": True}),)),
        Asserts(tests=("assert add(1, 2) == 3",), names=("add",), setup="import math"),
    ):
        problem = Problem(tests=tests, solution="x", limits={"cpu_seconds": 2, "memory_bytes": 1 << 28})
        task = rg.Task(prompt="?", reference=json.loads(json.dumps(problem.reference())))
        assert Problem.of(task) == problem


def test_stdio_tests_become_the_sandboxs():
    from rlvr_sandbox.programs import Comparison

    program = Problem(tests=ADDING.model_copy(update={"comparison": "floats"})).program("pass")
    tests: Any = program.tests
    assert [(test.input, test.expected) for test in tests.tests] == [("1 2\n", "3\n"), ("0 0\n", "0\n")]
    assert tests.comparison is Comparison.FLOATS
    assert program.source == "pass"
    assert program.stop_at_first_failure


def test_calls_become_the_sandboxs():
    case = CallCase(arguments=(1,), keywords={"b": 2}, expected=[3], alternatives=(3,))
    tests = sandboxs(Problem(tests=Calls(function="Solution.add", tests=(case,), float_tolerance=1e-6)))
    assert (tests.function, tests.float_tolerance) == ("Solution.add", 1e-6)
    (test,) = tests.tests
    assert (test.arguments, test.keywords, test.expected, test.alternatives) == ((1,), {"b": 2}, [3], (3,))


def test_asserts_become_the_sandboxs():
    stated = Asserts(tests=("assert f(1)", "assert f(2)"), names=("f",), setup="x = 1")
    tests = sandboxs(Problem(tests=stated))
    assert (tests.tests, tests.names, tests.setup) == (("assert f(1)", "assert f(2)"), ("f",), "x = 1")
    assert not tests.in_process


def test_limits_that_are_not_stated_are_the_sandboxs():
    from rlvr_sandbox.programs import Limits

    assert Problem(tests=ADDING).program("").limits == Limits()
    stated = Problem(tests=ADDING, limits={"cpu_seconds": 2.5, "processes": 4}).program("").limits
    assert stated == Limits(cpu_seconds=2.5, processes=4)


def test_public_tests_are_the_first_ones():
    problem = Problem(tests=ADDING, public=1)
    assert [test.input for test in sandboxs(problem, public_only=True).tests] == ["1 2\n"]
    assert len(sandboxs(problem).tests) == 2
    with pytest.raises(ValueError, match="3 tests are public; there are 2"):
        Problem(tests=ADDING, public=3)


def test_packed_tests_come_after_the_others_and_are_never_public():
    tests = ADDING.model_copy(update={"packed": pack([("5 5\n", "10\n")])})
    problem = Problem(tests=tests, public=2)
    assert [test.input for test in sandboxs(problem).tests] == ["1 2\n", "0 0\n", "5 5\n"]
    assert len(sandboxs(problem, public_only=True).tests) == 2


def test_packed_calls_have_one_json_value_a_line():
    tests = Calls(function="f", packed=pack([('[1, 2]\n"a"\n', "null")]))
    (test,) = sandboxs(Problem(tests=tests)).tests
    assert (test.arguments, test.expected) == (([1, 2], "a"), None)


def packed_bytes(data):
    return base64.b64encode(zlib.compress(data)).decode()


def test_what_is_packed_is_unpacked_again_also_when_it_is_plain_json():
    assert unpack(pack([("1\n", "2\n"), ("", "é")])) == (("1\n", "2\n"), ("", "é"))
    assert unpack('[{"input": "1", "output": "2", "testtype": "stdin"}]') == (("1", "2"),)
    assert unpack(pack([]).replace("=", "=\n")) == ()
    assert unpack("") == ()


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_is_never_read(protocol, tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    with pytest.raises(rg.DataError, match="JSON"):
        unpack(packed_bytes(pickle.dumps(Attack(), protocol=protocol)))
    assert not (tmp_path / "ran").exists()


ROWS = [{"input": "1 2\n", "output": "é\u2028\n", "testtype": "stdin"}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("size", [1, 300, 70_000])
def test_the_pickle_of_a_json_text_is_read_as_livecodebench_publishes_it(protocol, size):
    published = packed_bytes(pickle.dumps(json.dumps(ROWS * size, ensure_ascii=False), protocol=protocol))
    assert unpack(published) == (("1 2\n", "é\u2028\n"),) * size


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "held", [ROWS, pickle.PickleError, [], {"text": "[]"}, 7, None, (json.dumps(ROWS),), bytearray(b"[]")]
)
def test_a_pickle_of_anything_but_a_text_is_refused_by_name(held, protocol):
    with pytest.raises(rg.DataError, match=r"the packed tests are a Python pickle .*JSON"):
        unpack(packed_bytes(pickle.dumps(held, protocol=protocol)))


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x04r\xff\xff\xff\xff.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f[]",
        b"\x80\x04\x8c\x02[]",
        b"\x80\x04\x8c\x02[]\x8c\x02[].",
        b"\x80\x04\x8c\x02[]Pos.system\n.",
        b"\x80\x04\x82\x01.",
        b"\x80",
    ],
    ids=[
        "a memo of four billion",
        "a bytearray of eight exabytes",
        "a text of eight exabytes",
        "no end",
        "two texts",
        "a persistent id",
        "an extension code",
        "a mark alone",
    ],
)
def test_a_hostile_pickle_costs_no_more_than_its_length(pickled):
    tracemalloc.start()
    with pytest.raises(rg.DataError, match="JSON"):
        unpack(packed_bytes(pickled))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        ("no base64!", "packed tests are JSON, compressed with zlib, in base64; here: "),
        (base64.b64encode(b"no zlib").decode(), "incorrect header check"),
        (packed_bytes(b"no JSON"), "a JSON list of objects with 'input' and 'output'"),
        (packed_bytes(b'{"input": 1}'), "a JSON list of objects"),
        (packed_bytes(b'[{"input": "1"}]'), "'output'"),
        (packed_bytes(b"[1]"), "a JSON list of objects"),
        (packed_bytes(b"\xff"), "a JSON list of objects"),
        ("[", "a JSON list of objects"),
        (packed_bytes(b'[{"input": 1, "output": "2"}]'), "a int where a text is expected"),
        (packed_bytes(pickle.dumps("no JSON")), "a JSON list of objects"),
        (base64.b64encode(zlib.compress(b"[]" * 500)[:-6]).decode(), "the data breaks off"),
    ],
)
def test_what_cannot_be_unpacked_says_why(packed, message):
    with pytest.raises(rg.DataError, match=message):
        unpack(packed)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr("rlvr_gym.verifiers.code.problems.MAX_UNPACKED_BYTES", 1 << 20)
    with pytest.raises(rg.DataError, match="packed tests of more than 1 MiB are not unpacked"):
        unpack(packed_bytes(b" " * (2 << 20)))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (None, "task 't' cannot be judged: the reference: Input should be"),
        ({}, "tests: Field required"),
        ({"tests": {"kind": "doctest"}}, "tests: Input tag 'doctest' found using 'kind'"),
        ({"tests": {"kind": "stdio", "tests": [{"input": 1, "output": "2"}]}}, "tests.stdio.tests.0.input"),
        ({"tests": {"kind": "asserts", "tests": ["assert f()"]}}, "tests.asserts.names: Field required"),
        ({"tests": ADDING.model_dump(mode="json"), "limits": {"seconds": 3}}, "limits.seconds"),
        ({"tests": ADDING.model_dump(mode="json"), "hidden": 1}, "hidden: Extra inputs are not permitted"),
        ({"tests": {"kind": "stdio", "tests": []}}, "there are no tests"),
        ({"tests": {"kind": "calls", "function": "a b", "tests": [{"expected": 1}]}}, "'a b' is neither"),
        ({"tests": {"kind": "asserts", "tests": ["x"], "names": []}}, "there are no names"),
        (
            {"tests": ADDING.model_dump(mode="json"), "limits": {"cpu_seconds": 0}},
            "cpu_seconds must be positive",
        ),
    ],
)
def test_a_reference_that_judges_nothing_is_found_out_when_it_is_loaded(reference, message):
    with pytest.raises(rg.VerifierFault, match=message):
        CodeVerifier().check(rg.Task(id="t", prompt="?", reference=reference))


def test_packed_tests_that_cannot_be_read_are_found_out_when_they_are_loaded():
    tests = Stdio(packed=packed_bytes(pickle.dumps(["[]"])))
    with pytest.raises(rg.DataError, match="task 't': the packed tests are a Python pickle"):
        CodeVerifier().check(rg.Task(id="t", prompt="?", reference=Problem(tests=tests).reference()))


def test_the_preamble_stands_first_but_for_imports_from_the_future():
    problem = Problem(tests=ADDING, preamble="import math\n\n\n")
    assert problem.with_preamble("x = 1") == "import math\n\nx = 1"
    source = '"""A."""\nfrom __future__ import annotations\nx = 1'
    assert (
        problem.with_preamble(source) == 'from __future__ import annotations\nimport math\n\n"""A."""\nx = 1'
    )
    assert Problem(tests=ADDING).with_preamble("x") == "x"


@pytest.mark.parametrize(
    ("source", "moved"),
    [
        ("from __future__ import (\n    annotations,\n    division,\n)\nx = 1", "x = 1"),
        ("from __future__ import \\\n    annotations\nx = 1", "x = 1"),
        ("from  __future__  import annotations # later\nx = 1", "# later\nx = 1"),
        ("from __future__ import annotations; x = 1", "x = 1"),
        ("'A.'; from __future__ import annotations\nx = 1", "'A.'; x = 1"),
        ("\n# A.\n\nfrom __future__ import annotations\r\nx = 1", "\n# A.\n\nx = 1"),
        ("\ufefffrom __future__ import annotations\nx = 1", "x = 1"),
        ('"""\u2028."""\nfrom __future__ import annotations\nx = 1', '"""\u2028."""\nx = 1'),
    ],
)
def test_imports_from_the_future_are_moved_however_they_are_written(source, moved):
    text = Problem(tests=ADDING, preamble="import math").with_preamble(source)
    before, after = text.split("import math\n\n")
    assert after == moved
    assert before.startswith("from ")
    compile(text, "program", "exec")


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nfrom __future__ import annotations",
        'TEXT = """\nfrom __future__ import annotations\n"""',
        "from __future__ import (",
        "def f(:\nfrom __future__ import annotations",
        "from math import pi",
        "  from __future__ import annotations",
    ],
)
def test_what_python_does_not_accept_as_such_an_import_stays_where_it_is(source):
    assert Problem(tests=ADDING, preamble="import math").with_preamble(source) == f"import math\n\n{source}"


def test_imports_from_the_future_of_both_stand_before_the_preamble():
    problem = Problem(tests=ADDING, preamble='"""P."""\nfrom __future__ import annotations\nimport math\n')
    text = problem.with_preamble("from __future__ import division\nx = 1")
    assert text == (
        'from __future__ import annotations\nfrom __future__ import division\n"""P."""\nimport math\n\nx = 1'
    )
