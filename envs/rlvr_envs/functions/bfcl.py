"""BFCL's single turns: the right functions called with the right arguments, or none where none fits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import rlvr_gym as rg
from rlvr_envs.functions.matching import TYPES, find_fault, first_possible
from rlvr_gym.generation.calls.tagged import instructions, plain_turn
from rlvr_gym.rows import Row, jsonl_rows
from rlvr_gym.tools import MalformedCall, ToolCall, ToolSpec
from rlvr_gym.tools.calls import written
from rlvr_gym.verifiers.answers import without_thinking

CATEGORIES = (
    *("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance"),
)
CARD = rg.EnvironmentCard(
    summary="Call the right functions with the right arguments.",
    detail="The Berkeley leaderboard's single turns in Python's types: one function or several, called once or more, "
    "and questions that no function fits. category= chooses: "
    + ", ".join(CATEGORIES)
    + ". Questions for Java and JavaScript, relevance, and several turns are not among them. Published rows that no "
    "call is right for are left out by name.",
    source="data=FOLDER, with BFCL_v4_CATEGORY.json and possible_answer/ as the package bfcl-eval ships them (v3's "
    "names do as well); arXiv 2305.15334",
    licence="Apache-2.0",
    answer="Calls as JSON between <tool_call> tags outside of the thinking, or as the server hands them over. Names "
    "and types must fit and each value be one of those possible; of texts, case, blanks and ,./-_*^ do not count. "
    "Calls and answers are matched one to one. Where no function fits, any answer without a call is right.",
    sampling=rg.SamplingParams(temperature=0.001, max_tokens=1024),
)


class Expected(BaseModel):
    """The reference of a task: its functions' arguments by name, and what each call may be; none fits where empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    functions: dict[str, dict[str, Any]]
    answers: list[dict[str, dict[str, list[JsonValue]]]]


@rg.register("rlvr/BFCL-v0", card=CARD)
def bfcl(data: str, category: str = "simple_python") -> rg.Environment:
    """`data` is a folder of the published files; `category` is one of the card's."""
    if category not in CATEGORIES:
        raise rg.ConfigError(f"category must be one of {', '.join(CATEGORIES)}, not '{category}'")
    verifier = Calls()
    tasks = rg.TaskSet.from_rows(
        lambda: _rows(Path(data).expanduser(), category),
        to_task,
        name="bfcl",
        split="test",
        verifier=verifier,
    )
    return rg.Environment(tasks, verifier)


def _rows(folder: Path, category: str) -> Iterator[tuple[str, Row]]:
    """The questions of a category, each with its answers; a file of both together is read as it stands."""
    if folder.is_file() or not folder.is_dir():
        yield from jsonl_rows(folder)
        return
    questions = _file(folder, category)
    answers: dict[str, Any] = {}
    if not category.endswith("irrelevance"):
        answers = {
            row["id"]: row["ground_truth"]
            for _, row in jsonl_rows(_file(folder / "possible_answer", category))
        }
    for place, row in jsonl_rows(questions):
        if answers and row.get("id") not in answers:
            raise rg.DataError(f"{place}: no possible answer for '{row.get('id')}'")
        yield place, {**row, "ground_truth": answers.get(row["id"], [])}


def _file(folder: Path, category: str) -> Path:
    older = category.replace("simple_python", "simple")
    names = [f"BFCL_v4_{category}.json", f"BFCL_v3_{older}.json"]
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise rg.DataError(f"cannot read tasks from {folder}: it has neither {names[0]} nor {names[1]}")
    return found


def to_task(row: Row) -> rg.Task:
    """A question with its answers as a task, whose system message tells of its functions."""
    if len(row["question"]) != 1:
        raise rg.DataError(f"{len(row['question'])} turns, not one")
    functions = {function["name"]: function for function in row["function"]}
    strange = [name for answer in row["ground_truth"] for name in answer if name not in functions]
    if strange:
        raise rg.DataError(f"the answer calls '{strange[0]}', which the question does not offer")
    for name, function in functions.items():
        for key, schema in function["parameters"]["properties"].items():
            if schema.get("type") not in TYPES:
                raise rg.DataError(
                    f"'{key}' of '{name}' has the type {schema.get('type')!r}, not one of Python's"
                )
    specs = [_spec(function) for function in functions.values()]
    first, *others = row["question"][0]
    system = first["role"] == "system"
    about = f"{first['content']}\n\n{instructions(specs)}" if system else instructions(specs)
    messages = [{"role": "system", "content": about}, *([] if system else [first]), *others]
    expected = Expected(
        functions={name: function["parameters"] for name, function in functions.items()},
        answers=row["ground_truth"],
    )
    return rg.Task(id=row["id"], prompt=messages, reference=expected.model_dump())


_JSON_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}


def _spec(function: dict[str, Any]) -> ToolSpec:
    return ToolSpec(
        name=function["name"],
        description=function.get("description", ""),
        parameters=_json_schema(function["parameters"]),
    )


def _json_schema(value: Any) -> Any:
    """A schema in JSON Schema's names of types."""
    if isinstance(value, list):
        return [_json_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    renamed = {"type": _JSON_TYPES.get(kind, kind)} if isinstance(kind, str) else {}
    return {key: _json_schema(one) for key, one in value.items()} | renamed


@final
class Calls(rg.Verifier):
    """The calls of a turn match the reference's answers, or there are none where no function fits."""

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Read the calls, and compare them."""
        expected = _reference(task)
        calls = plain_turn(completion.text, ()).calls if completion.calls is None else completion.calls
        broken = next((call for call in calls if isinstance(call, MalformedCall)), None)
        if broken is not None:
            return rg.Verdict.malformed(f"a call that cannot be read: {broken.fault}")
        said = "\n".join(map(written, calls)) or without_thinking(completion.text).strip()
        if not calls and (
            expected.answers or not any(sign.isprintable() and not sign.isspace() for sign in said)
        ):
            return rg.Verdict.malformed("nothing is called" if expected.answers else "nothing is said")
        read = [call for call in calls if isinstance(call, ToolCall)]
        fault = find_fault(read, expected.answers, expected.functions)
        return rg.Verdict.right(answer=said) if fault is None else rg.Verdict.wrong(fault, answer=said)

    def check(self, task: rg.Task) -> None:
        """Read the reference."""
        _reference(task)

    def unjudgeable(self, tasks: Sequence[rg.Task]) -> Mapping[str, str]:
        """Tasks that no call is right for: some published answers want an argument that the function does not take."""
        verdicts = {task.id: self.verify(task, rg.Completion(text=self.solution(task))) for task in tasks}
        return {
            id: f"no call is right: of its own answer, {verdict.detail}"
            for id, verdict in verdicts.items()
            if not verdict.correct
        }

    def solution(self, task: rg.Task) -> str:
        """The first of the possible values of each argument; words without a call where no function fits."""
        expected = _reference(task)
        if not expected.answers:
            return "None of these functions can answer that."
        return "\n".join(written(first_possible(answer, expected.functions)) for answer in expected.answers)

    def audit_decides(self, task: rg.Task, text: str) -> bool | None:
        """Return whether the calls in `text` are right: the solution's are, whatever words stand beside them.

        Wrong is another number of calls, and one with a value that no answer has anywhere. None for the others.
        """
        visible, gold = without_thinking(text), _CALL.findall(self.solution(task))
        said = _CALL.findall(visible)
        if not gold:
            return "<tool_call>" not in visible
        if ["".join(call.split()) for call in said] == ["".join(call.split()) for call in gold]:
            return True
        known = _leaves(_reference(task).answers) | _leaves(gold)
        return False if len(said) != len(gold) or not _leaves(said) <= known else None


_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_LEAF = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s,:\[\]{}"]+')


def _leaves(value: object) -> set[str]:
    """The names and single values in JSON: numbers by value, texts without signs and case."""
    texts = (
        value
        if isinstance(value, list) and all(isinstance(one, str) for one in value)
        else [json.dumps(value)]
    )
    return {_plain(leaf) for text in texts for leaf in _LEAF.findall(text)} | {"name", "arguments"}


def _plain(leaf: str) -> str:
    try:
        return str(float(leaf))
    except ValueError:
        return re.sub(r"\W", "", leaf).lower()


def _reference(task: rg.Task) -> Expected:
    try:
        return Expected.model_validate(task.reference)
    except ValidationError as error:
        raise rg.VerifierFault(f"task '{task.id}' has no calls to judge by: {error}") from error
