"""The record of an evaluation: one JSON line per sample, from which everything reported is computed."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import (
    BaseModel,
    ConfigDict,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.files import JsonObject, append_lines, lines_of
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.rollouts import Rollout
from rlvr_gym.tasks import Message, Task
from rlvr_gym.tools import CallRecord
from rlvr_gym.verdicts import FinishReason, Usage, Verdict

Key = tuple[str, int]
"""A task's id and a sample's index."""


class Conditions(BaseModel):
    """The conditions shared by all samples of one evaluation; samples of different conditions never mix.

    `environment` is the registered id, version included, and `options` what it was made with. `weights` is
    the hash of the model's weights, None where they are out of reach.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str
    options: dict[str, JsonValue]
    fingerprint: str
    model: str
    weights: str | None
    sampling: SamplingParams
    seed: int


class Sample(Conditions):
    """One judged completion, with all that is needed to recompute, judge again or draw it again.

    `completion` is the policy's last turn, the one that was judged; `conversation` is what was said between
    it and the prompt, empty in a single-turn environment. `completion_tokens` counts what the policy sampled,
    over all turns; token counts are None where a server did not say. `expected` is the right answer, None where it
    is not known or not to be published. `seconds` is the wall-clock time since the sample before was kept, shared
    by those that were kept together, so that they add up to the time spent; `judging_seconds` is what the
    environment took over this sample. `calls` says what became of each call of a tool, None where there were no tools.
    """

    task: str
    metadata: dict[str, JsonValue]
    sample: int
    prompt: tuple[Message, ...]
    conversation: tuple[Message, ...]
    completion: str
    prompt_tokens: int | None
    completion_tokens: int | None
    finish_reason: FinishReason
    verdict: Verdict
    expected: str | None = None
    seconds: float
    judging_seconds: float
    calls: tuple[CallRecord, ...] | None = None

    @model_serializer(mode="wrap")
    def _without_absent_calls(self, fields: SerializerFunctionWrapHandler) -> JsonObject:
        """Only episodes with tools have calls: what is stored of others does not speak of them."""
        stored: JsonObject = fields(self)
        if self.calls is None:
            stored.pop("calls", None)
        return stored

    @property
    def conditions(self) -> Conditions:
        """The fields it shares with the other samples of its evaluation."""
        return Conditions(**{name: getattr(self, name) for name in Conditions.model_fields})

    @property
    def key(self) -> Key:
        """The key that no two samples of one evaluation share."""
        return self.task, self.sample

    @property
    def truncated(self) -> bool:
        """True if the last turn ran out of its token budget."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def failed(self) -> bool:
        """True if the sampler failed, so that there was nothing to judge."""
        return self.finish_reason is FinishReason.ERROR

    @classmethod
    def of(
        cls, rollout: Rollout, conditions: Conditions, *, seconds: float, expected: str | None = None
    ) -> Sample:
        """The sample that keeps `rollout`."""
        usage = rollout.usage or Usage(
            prompt_tokens=len(rollout.prompt_ids), completion_tokens=rollout.length
        )
        return cls(
            **dict(conditions),
            task=rollout.task.id,
            metadata=rollout.task.metadata,
            sample=rollout.sample,
            prompt=rollout.task.prompt,
            conversation=rollout.messages[:-1],
            completion=rollout.text,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            finish_reason=rollout.finish_reason,
            verdict=rollout.verdict,
            expected=expected,
            seconds=round(seconds, 6),
            judging_seconds=round(rollout.judging_seconds, 6),
            calls=rollout.calls,
        )


def read_samples(path: Path) -> list[Sample]:
    """The samples of a file: the latest line of each task and index, where the first of them stood."""
    with _no_garbage_collection():
        return list({sample.key: sample for sample in read_history(path)}.values())


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """None of what is read is garbage, and looking for it takes longer than reading."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read_history(path: Path) -> Iterator[Sample]:
    """Every line of a file of samples, also those that a later line replaces; a torn last line is left out."""
    if not path.exists():
        return
    for number, line in enumerate(lines_of(path), start=1):
        if line.endswith(b"\n"):
            yield _parsed(line, f"{path}, line {number}")


def _parsed(line: bytes, place: str) -> Sample:
    try:
        return Sample.model_validate_json(line)
    except ValidationError:
        pass
    # Python's own reader is slower and takes what JSON allows and Unicode does not, such as half a surrogate pair.
    try:
        return Sample.model_validate(json.loads(line.decode(errors="replace")))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise DataError(f"{place} is not a sample: {field}: {problem['msg']}") from error
    except ValueError as error:
        raise DataError(f"{place} is broken: {error}") from error


class SampleStore:
    """The samples of one evaluation, in memory and, where `path` is given, appended to that file as they come.

    Raises ConfigError when the file holds samples of other conditions, or more samples than were asked for.
    """

    def __init__(self, path: Path | None, conditions: Conditions, tasks: Sequence[Task], n: int) -> None:
        self.path, self.conditions, self.n = path, conditions, n
        stored = read_samples(path) if path else []
        for sample in stored:
            _refuse_mixing(path, sample, conditions)
        self._samples = {sample.key: sample for sample in stored}
        _refuse_shrinking(path, self._samples, {task.id for task in tasks}, n)

    @property
    def samples(self) -> list[Sample]:
        """All samples so far."""
        return list(self._samples.values())

    def of(self, task: Task) -> list[Sample]:
        """The task's samples so far."""
        held = (self._samples.get((task.id, index)) for index in range(self.n))
        return [sample for sample in held if sample is not None]

    def missing(self, task: Task) -> list[int]:
        """The indices of the task's samples that are still to be drawn, or could not be judged."""
        scored = {sample.sample for sample in self.of(task) if sample.verdict.scored}
        return [index for index in range(self.n) if index not in scored]

    def add(self, samples: Sequence[Sample]) -> None:
        """Keep samples; one of the same task and index as an earlier one takes its place."""
        if self.path:
            append_lines(self.path, [sample.model_dump(mode="json") for sample in samples])
        self._samples.update({sample.key: sample for sample in samples})


def _refuse_mixing(path: Path | None, stored: Sample, now: Conditions) -> None:
    there = {name: getattr(stored, name) for name in Conditions.model_fields}
    if there == dict(now):
        return
    before, after = _flat(stored.model_dump(include=set(there))), _flat(now.model_dump())
    lines = [
        f"  {name}: {before.get(name, 'not set')} there, {after.get(name, 'not set')} now"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    raise ConfigError(
        f"{path} holds samples that must not be mixed with these:\n"
        + "\n".join(lines)
        + "\nname another folder, or delete this one to begin anew"
    )


def _refuse_shrinking(path: Path | None, keys: Iterable[Key], tasks: set[str], n: int) -> None:
    others = {task for task, _ in keys} - tasks
    if others:
        raise ConfigError(
            f"{path} holds samples of {len(others)} more tasks than these {len(tasks)}, '{min(others)}' for "
            "one: ask for at least as many tasks as it has, or name another folder"
        )
    most = max((index + 1 for _, index in keys), default=0)
    if most > n:
        raise ConfigError(
            f"{path} holds {most} samples per task, and {n} are asked for: ask for {most} or more, "
            "or name another folder"
        )


def _flat(settings: JsonObject, prefix: str = "") -> JsonObject:
    flat: JsonObject = {}
    for key, value in settings.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return flat
