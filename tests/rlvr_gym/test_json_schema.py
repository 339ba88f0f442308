import json
import time

import pytest
from pydantic import BaseModel, field_validator

from rlvr_gym import Completion, ConfigError, Task, Verdict
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import AnswerContract, JsonSchema

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


class Person(BaseModel):
    name: str
    age: int = 0

    @field_validator("name")
    @classmethod
    def _not_empty(cls, name: str) -> str:
        if not name:
            raise ValueError("a name is needed")
        return name


def ask(schema, text, **options) -> Verdict:
    return JsonSchema(schema, **options).verify(Task(prompt="?"), Completion(text=text))


def outcome(schema, text, **options):
    return ask(schema, text, **options).outcome.value


@pytest.mark.parametrize(
    ("text", "expected", "detail"),
    [
        ('{"name": "Ada", "age": 36}', "correct", ""),
        ('{"name": "Ada"}', "correct", ""),
        ('{"age": 36}', "incorrect", "$: 'name' is a required property"),
        ('{"name": "Ada", "age": -1}', "incorrect", "$.age: -1 is less than the minimum of 0"),
        ('{"name": "Ada", "age": "36"}', "incorrect", "$.age: '36' is not of type 'integer'"),
        ('{"name": "Ada", "job": "x"}', "incorrect", "$: the key 'job' is not allowed"),
        ("[]", "incorrect", "$: [] is not of type 'object'"),
    ],
)
def test_a_document_is_held_to_its_schema(text, expected, detail):
    verdict = ask(PERSON, text)
    assert (verdict.outcome.value, verdict.detail) == (expected, detail)


def test_a_pydantic_model_is_strict_and_runs_its_own_validators():
    assert outcome(Person, '{"name": "Ada", "age": 36}') == "correct"
    assert ask(Person, '{"name": "Ada", "age": "36"}').detail == "$.age: Input should be a valid integer"
    assert ask(Person, '{"name": ""}').detail == "$.name: Value error, a name is needed"
    assert outcome(Person, '{"name": "Ada", "name": "Eve"}') == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        'Sure:\n```json\n{"name": "Ada"}\n```\nDone.',
        '```json\n{"age": 1}\n```\nNo:\n```\n{"name": "Ada"}\n```',
        '<think>{"age": 1}</think>\n{"name": "Ada"}',
    ],
)
def test_the_document_is_the_last_fenced_block_or_everything_after_the_thinking(text):
    assert outcome(PERSON, text) == "correct"


def test_the_document_may_stand_in_a_marker():
    assert outcome(PERSON, 'So <answer>{"name": "Ada"}</answer>', contract="tag") == "correct"
    assert outcome(PERSON, '{"name": "Ada"}', contract=AnswerContract("tag")) == "malformed"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "answer is empty"),
        ("Ada", "not JSON"),
        ('The person is {"name": "Ada"}', "not JSON"),
        ('{"name": "Ada"} {"name": "Eve"}', "not JSON"),
        ('{"name": "Ada",}', "not JSON"),
        ("{'name': 'Ada'}", "not JSON"),
        ('{"name": "Ada"', "not JSON"),
        ('```json\n{"name": "Ada"}', "fenced block is never closed"),
        ('{"name": "Eve", "name": "Ada"}', "the key 'name' stands twice"),
        ('{"a": {"b": 1, "b": 1}}', "the key 'b' stands twice"),
        ("NaN", "not a finite number"),
        ("[Infinity]", "not a finite number"),
        ("[-Infinity]", "not a finite number"),
        ("1e999", "not a finite number"),
        ("9" * 5000, "an integer of more than 300 digits"),
        ('"\\ud800"', "half of a surrogate pair"),
        ("[" * 100_000, "nested deeper than 32 levels"),
        ("[" * 33 + "]" * 33, "nested deeper than 32 levels"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested deeper than 32 levels"),
        ('"' + "a" * 1_000_000 + '"', "longer than 1,000,000 characters"),
    ],
)
def test_what_is_not_one_sound_document_is_malformed(text, reason):
    began = time.monotonic()
    verdict = ask({}, text)
    assert verdict.outcome.value == "malformed"
    assert reason in verdict.detail
    assert time.monotonic() - began < 2


def test_brackets_in_strings_are_not_nesting():
    assert outcome({}, json.dumps("[" * 1000)) == "correct"
    assert outcome({}, json.dumps('"[' * 1000)) == "correct"
    assert outcome({}, "[" * 32 + "]" * 32) == "correct"


BRANCHING = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "anyOf": [
                {"type": "object", "required": ["x"], "properties": {"l": {"$ref": "#/$defs/node"}}},
                {"type": "object", "required": ["y"], "properties": {"l": {"$ref": "#/$defs/node"}}},
                {"type": "integer"},
            ]
        }
    },
}


def nested(depth, inner="1"):
    return '{"l":' * depth + inner + "}" * depth


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (BRANCHING, nested(30)),
        (BRANCHING, nested(30, json.dumps("a" * 900_000))),
        ({"items": {"type": "integer"}}, json.dumps(list(range(130_000)))),
        ({"contains": {"type": "string"}}, json.dumps(list(range(130_000)))),
    ],
)
def test_a_document_made_to_be_slow_is_a_timeout_soon(schema, text):
    began = time.process_time()
    verdict = ask(schema, text)
    assert verdict.outcome.value == "timeout"
    assert verdict.detail == "checking it takes more than 200,000 steps"
    assert time.process_time() - began < 5


def test_a_large_honest_document_is_checked():
    people = [{"name": f"person {i}", "age": i} for i in range(5000)]
    assert outcome({"items": PERSON, "uniqueItems": True}, json.dumps(people)) == "correct"
    assert outcome(BRANCHING, nested(5)) == "incorrect"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, 3]", "correct"),
        ("[1, 1.0]", "incorrect"),
        ('[1, true, "1", [1], [true], {"a": 1}, {"a": true}]', "correct"),
        ('[{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}]', "incorrect"),
        (json.dumps([{"a": i} for i in range(20_000)]), "correct"),
    ],
)
def test_unique_items_are_told_apart_as_json_schema_says(text, expected):
    assert outcome({"uniqueItems": True}, text) == expected


def test_no_string_makes_a_pattern_slow():
    evil = json.dumps("a" * 100_000 + "b")
    began = time.monotonic()
    assert outcome({"pattern": "^(a+)+$"}, evil) == "incorrect"
    assert outcome({"patternProperties": {"^(a+)+$": False}}, f"{{{evil}: 1}}") == "correct"
    keys = {"patternProperties": {"^(a+)+$": {"type": "integer"}}, "additionalProperties": False}
    assert outcome(keys, f"{{{evil}: 1}}") == "incorrect"
    assert outcome(keys, '{"aa": 1}') == "correct"
    assert outcome(keys, '{"aa": "1"}') == "incorrect"
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, r"not a JSON Schema: \$\.type"),
        ({"pattern": "(?=a)"}, "the schema's pattern cannot be used: RE2 cannot compile"),
        ({"$ref": "https://example.com/person.json"}, "nothing is fetched"),
        ({"$ref": "http://json-schema.org/draft-07/schema#"}, "nothing is fetched"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "names nothing inside it"),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}, "of its own"),
        (
            {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
            "cannot be checked in linear time",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_when_the_verifier_is_built(schema, message):
    with pytest.raises(ConfigError, match=message):
        JsonSchema(schema)


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07"])
def test_older_drafts_are_checked_by_their_own_rules_and_our_bounds(draft):
    schema = {
        "$schema": f"http://json-schema.org/{draft}/schema#",
        "definitions": {"pattern": {"type": "string", "pattern": "^(a+)+$"}},
        "items": [{"$ref": "#/definitions/pattern"}],
    }
    assert outcome(schema, json.dumps(["a" * 50])) == "correct"
    assert outcome(schema, json.dumps(["a" * 50_000 + "b"])) == "incorrect"


def test_a_property_may_be_called_like_a_keyword():
    schema = {"properties": {"pattern": {"type": "string"}, "enum": {"$ref": "#/properties/pattern"}}}
    assert outcome(schema, '{"pattern": "(", "enum": "("}') == "correct"
    assert outcome({"enum": [{"pattern": "("}]}, '{"pattern": "("}') == "correct"


def test_changing_the_schema_afterwards_changes_nothing():
    schema = {"type": "integer"}
    verifier = JsonSchema(schema)
    schema["type"] = "string"
    assert verifier.verify(Task(prompt="?"), Completion(text="5")).correct


def test_it_keeps_the_verifier_contract():
    tasks = [Task(prompt="?", reference={"name": "Ada"}), Task(prompt="?")]
    check_verifier(JsonSchema(PERSON), tasks)
    check_verifier(JsonSchema(Person, contract="tag"), tasks)
    check_verifier(JsonSchema(BRANCHING), [Task(prompt="?", reference={"x": 1, "l": 1})])
