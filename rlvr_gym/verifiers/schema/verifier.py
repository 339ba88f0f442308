"""A verifier for answers that are JSON documents of a given shape."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import final

from pydantic import BaseModel, ValidationError

from rlvr_gym.files import Json, JsonObject
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract, Marker
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.fences import last_fenced
from rlvr_gym.verifiers.schema.bounded import MAX_STEPS, BoundedSchema, TooManySteps, path_text

MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 300


@final
class JsonSchema(Verifier):
    """The answer is a JSON document that a schema accepts.

    The document is the whole answer or, where the answer has fenced blocks (```), the last of them.
    Malformed: what is not JSON, repeats a key within an object, or holds `NaN`, `Infinity` or a number that
    overflows to it; what is longer, deeper or has longer integers than this module's limits; an unclosed
    fence. A document whose checking takes more than `MAX_STEPS` steps is a `timeout`: schemas that branch at
    every level can otherwise be made to take time exponential in the document's depth.

    A pydantic model is asked in its strict mode (`"12"` is no integer); its own validators run. In a JSON
    Schema, regular expressions (`pattern`, `patternProperties`) are compiled by RE2, so that no string a
    model writes makes them slow; one that RE2 does not have is refused when the verifier is built. `$ref`
    reaches within the schema only; nothing is ever fetched. `format` is an annotation, as the standard says.

    Args:
        schema: a JSON Schema (of draft 2020-12 unless `$schema` names another) or a pydantic model.
        contract: where the answer stands; by default the whole completion outside of its thinking.
    """

    open_ended = True

    def __init__(
        self, schema: JsonObject | type[BaseModel], *, contract: AnswerContract | str = Marker.WHOLE
    ) -> None:
        self.contract = AnswerContract.of(contract)
        self._first_error = (
            BoundedSchema(schema).first_error if isinstance(schema, dict) else _model_errors(schema)
        )

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Read the document and check it. `task.reference` plays no part."""
        said = self.contract.read_one(completion.text)
        if isinstance(said, Verdict):
            return said
        try:
            text = last_fenced(said)
            document = _parse(text)
        except ValueError as error:
            return Verdict.malformed(str(error))
        try:
            error = self._first_error(text, document)
        except TooManySteps:
            return Verdict.timeout(f"checking it takes more than {MAX_STEPS:,} steps", answer=text)
        return Verdict.right(answer=text) if error is None else Verdict.wrong(error, answer=text)

    def solution(self, task: Task) -> str | None:
        """The task's reference as JSON, where it has one: an example that fits."""
        return None if task.reference is None else self.contract.write(json.dumps(task.reference))


_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def _parse(text: str) -> Json:
    """The document in `text`, strictly. Raises ValueError with the reason."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"longer than {MAX_CHARACTERS:,} characters")
    depth = 0
    for token in _BRACKET.finditer(text):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    except UnicodeEncodeError as error:
        raise ValueError("a string has half of a surrogate pair") from error
    return document


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise ValueError(f"an integer of more than {MAX_INTEGER_DIGITS} digits")
    return int(digits)


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:80]} is not a finite number")
    return value


def _model_errors(model: type[BaseModel]) -> Callable[[str, Json], str | None]:
    def first_error(text: str, document: Json) -> str | None:
        try:
            model.model_validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return f"{path_text(first['loc'])}: {first['msg']}"
        return None

    return first_error
