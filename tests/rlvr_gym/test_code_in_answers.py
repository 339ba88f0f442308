"""No verifier runs what it reads: payloads that would create a file, put to every one of them."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rlvr_gym.verifiers as verifiers
from rlvr_gym import Completion, Task, Verifier
from rlvr_gym.audit.families.injection import CANARY, EXPRESSIONS, PROGRAMS
from rlvr_gym.verifiers import instructions, judge
from rlvr_gym.verifiers.answers import Marker
from rlvr_gym.verifiers.code import CodeVerifier, Problem, Stdio, StdioCase
from tests.rlvr_gym.endpoint_server import EndpointServer
from tests.rlvr_gym.hostile_inputs import CODE, GOLDS
from tests.rlvr_gym.instruction_cases import ARGUMENTS

STAND_IN = str(Path(__file__).with_name("lean_stand_in.py"))
SQL = {
    "schema_sql": "CREATE TABLE t (x INTEGER);",
    "databases": [{"t": [[1], [2]]}],
    "gold": "SELECT x FROM t",
}
LEAN = {"statement": "theorem two : 1 + 1 = 2", "proof": "by rfl"}
EXACT = verifiers.Exact("whole")
MATH = verifiers.Math("whole", timeout_seconds=1.0)

READERS: dict[str, list[tuple[Verifier, object]]] = {
    "AllOf": [(verifiers.AllOf({"a": EXACT, "b": MATH}), "42")],
    "Choice": [(verifiers.Choice("whole"), "A")],
    "ExactMatch": [(verifiers.ExactMatch(marker), "42") for marker in Marker],
    "F1": [(verifiers.F1(marker), "42") for marker in Marker],
    "Exact": [(verifiers.Exact(marker), "42") for marker in Marker],
    "GateThen": [(verifiers.GateThen(verifiers.TagFormat(), MATH), "42")],
    "JsonSchema": [(verifiers.JsonSchema({"type": "object"}), None)],
    "Lean": [
        (verifiers.Lean(verifiers.LeanCommand((sys.executable, STAND_IN), timeout_seconds=10.0)), LEAN),
    ],
    "Math": [(verifiers.Math(marker, timeout_seconds=1.0), "42") for marker in Marker],
    "Numeric": [(verifiers.Numeric("whole", relative=0.1), "42")],
    "Regex": [(verifiers.Regex("[a-z]+"), None)],
    "Sql": [(verifiers.Sql(), SQL)],
    "Steps": [(verifiers.Steps(verifiers.Equations()), "42")],
    "TagFormat": [(verifiers.TagFormat(), None)],
    "WeightedSum": [(verifiers.WeightedSum({"a": (EXACT, 1), "b": (MATH, 1)}), "42")],
    "instructions": [
        (instructions.Instructions("loose"), {"instructions": [{"id": id, "arguments": ARGUMENTS[id]}]})
        for id in ARGUMENTS
    ],
}
ELSEWHERE = {"FunctionVerifier", "LlmJudge", "ProcessRewardModel", "RewardModel", "Verifier"}
"""Verifiers with a test of their own below, or without a parser of their own."""


def payloads(canary: Path) -> list[str]:
    ours = [hostile.completion[7:-1].replace("CANARY", str(canary)) for hostile in CODE]
    return ours + [text.replace(CANARY, str(canary)) for text in (*EXPRESSIONS.values(), *PROGRAMS.values())]


def wrapped(text: str) -> Iterator[str]:
    """A payload alone and where each verifier looks for its answer."""
    yield text
    yield f"<think>{text}</think><answer>{text}</answer>"
    yield f"\\boxed{{{text}}}"
    yield f"#### {text}"
    yield f"Answer: {text}"
    yield f"```\n{text}\n```"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, in which nothing may appear."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    assert not any(Path("/", name).exists() for name in (CANARY, "CANARY"))


def test_every_verifier_that_reads_is_in_the_table():
    public = {name for name in verifiers.__all__ if isinstance(it := getattr(verifiers, name), type)
              and issubclass(it, Verifier)}  # fmt: skip
    assert public | {"instructions"} == READERS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", READERS)
def test_code_in_a_completion_does_not_run(name: str, empty: Path):
    texts = [text for payload in payloads(empty / "canary") for text in wrapped(payload)]
    for verifier, reference in READERS[name]:
        task = Task(prompt="?", reference=reference)  # pyright: ignore[reportArgumentType]
        for text in texts[:: 40 if name in ("instructions", "Lean") else 1]:
            assert judge(verifier, task, Completion(text=text)).scored, text


@pytest.mark.parametrize("name", ["AllOf", "Choice", "Exact", "Math", "Numeric", "Regex", "Steps"])
def test_code_in_a_reference_does_not_run(name: str, empty: Path):
    verifier = verifiers.Regex() if name == "Regex" else READERS[name][0][0]
    for gold in [*payloads(empty / "canary"), GOLDS["code"], GOLDS["code in text"]]:
        judge(verifier, Task(prompt="?", reference=gold), Completion(text="42"))
        judge(verifier, Task(prompt="?", reference=gold), Completion(text=gold))


def test_code_in_what_a_judge_reads_or_replies_does_not_run(empty: Path):
    pytest.importorskip("httpx2")
    texts = payloads(empty / "canary")[::3]
    replies = iter(texts)

    def say(body: dict) -> str:
        code = re.findall(r"RULING \w{12}", body["messages"][0]["content"])[0]
        return f"{next(replies)}\n{code}: incorrect"

    with EndpointServer(say) as server:
        verifier = verifiers.LlmJudge(server.url, "judge", tries=1)
        for text in texts:
            assert not judge(verifier, Task(prompt="?", reference="42"), Completion(text=text)).correct


@pytest.mark.usefixtures("runs_programs")
def test_a_program_that_is_meant_to_run_leaves_nothing_outside_of_its_sandbox(empty: Path):
    problem = Problem(tests=Stdio(tests=(StdioCase(input="1\n", output="2\n"),)))
    task = Task(prompt="?", reference=problem.reference())
    for text in PROGRAMS.values():
        fenced = text.replace(CANARY, str(empty / "canary"))
        assert not judge(CodeVerifier(), task, Completion(text=fenced)).correct
