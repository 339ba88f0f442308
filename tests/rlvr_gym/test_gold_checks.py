"""Gold answers are checked when a stored task set loads, and a bad one is named with its task."""

import json

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers import Exact, JsonSchema, Math


class Forgetful(rg.Verifier):
    """Its solutions are of another task."""

    def verify(self, task, completion):
        return rg.Verdict.right() if completion.text == task.reference else rg.Verdict.wrong("another text")

    def solution(self, task):
        return "elsewhere"


def test_a_gold_that_is_not_right_to_its_own_verifier_is_named_by_task():
    task = rg.Task(id="algebra/7", prompt="?", reference="here")
    with pytest.raises(
        rg.VerifierFault, match="'algebra/7': its own gold answer, 'elsewhere', is incorrect: another"
    ):
        Forgetful().check(task)


@pytest.mark.parametrize(
    ("verifier", "reference"),
    [(Math(), "42 \\foo"), (Math(), "1/0"), (Math(), "}"), (Math(), []), (Exact("boxed"), "}")],
)
def test_a_gold_that_cannot_be_used_is_refused(verifier, reference):
    with pytest.raises((rg.VerifierFault, rg.DataError)):
        verifier.check(rg.Task(prompt="?", reference=reference))


def test_an_example_that_its_schema_refuses_is_refused():
    schema = JsonSchema({"type": "object", "required": ["a"]})
    schema.check(rg.Task(prompt="?", reference={"a": 1}))
    with pytest.raises(rg.VerifierFault, match="its own gold answer"):
        schema.check(rg.Task(prompt="?", reference={"b": 1}))


class Careless(rg.Verifier):
    """Does not expect a gold that is no number."""

    def verify(self, task, completion):
        return (
            rg.Verdict.right() if float(completion.text) == float(str(task.reference)) else rg.Verdict.wrong()
        )

    def solution(self, task):
        return f"{float(str(task.reference))}"


@pytest.mark.parametrize(
    ("verifier", "message"),
    [
        (rg.verifiers.Numeric("boxed"), "task 'second' has the reference 'one'"),
        (Careless(), "task 'second': Careless cannot use it: ValueError"),
    ],
    ids=["the library's", "one's own"],
)
def test_a_task_set_of_ones_own_checks_golds_when_it_is_given_the_verifier(tmp_path, verifier, message):
    path = tmp_path / "mine.jsonl"
    rows = [{"id": "first", "answer": "1"}, {"id": "second", "answer": "one"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def to_task(row):
        return rg.Task(id=row["id"], prompt="?", reference=row["answer"])

    tasks = rg.TaskSet.from_path(path, to_task, name="mine", split="test", verifier=verifier)
    with pytest.raises(rg.DataError, match=rf"mine\.jsonl, line 2: {message}"):
        _ = tasks.size
    assert rg.TaskSet.from_path(path, to_task, name="mine", split="test").size == 2


@pytest.mark.parametrize("answer", ["42 \\foo", "}", "\\frac{1}{0}"])
def test_a_bad_gold_in_a_file_is_reported_with_line_and_task_when_it_loads(tmp_path, answer):
    rows = [{"id": "first", "prompt": "?", "answer": "1"}, {"id": "second", "prompt": "?", "answer": answer}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    env = rg.make("jsonl", data=str(path))
    with pytest.raises(rg.DataError, match=r"rows\.jsonl, line 2: task 'second'"):
        env.tasks[0]
