"""The samples of a report, by group: all samples of one prompt, of one step where they were trained on."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from rlvr_gym.evaluation import Sample
from rlvr_gym.files import JsonObject
from rlvr_gym.report.duplicates import clusters
from rlvr_gym.report.places import answer_places, in_javascript
from rlvr_gym.report.titles import titles
from rlvr_gym.report.training import TrainingSample
from rlvr_gym.tasks import Message
from rlvr_gym.tools import CallOutcome, CallRecord
from rlvr_gym.verdicts import Verdict

T = TypeVar("T")


def of_evaluation(samples: Iterable[Sample], run: int, limit: int) -> list[JsonObject]:
    """The groups of an evaluation by task, with at most about `limit` samples, evenly chosen where it has more."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.task].append(sample)
    return [
        {
            "run": run,
            "task": task,
            "step": None,
            "metadata": group[0].metadata,
            "prompt": _messages(group[0].prompt),
            "samples": [_evaluated(sample) for sample in sorted(group, key=lambda s: s.sample)],
        }
        for task, group in _even(sorted(groups.items(), key=lambda item: _natural(item[0])), limit)
    ]


def describe(groups: Sequence[JsonObject]) -> None:
    """Give every group a title that people can read, and every sample the number of its near-duplicates' cluster."""
    prompts = [group["prompt"][-1]["content"] if group["prompt"] else "" for group in groups]
    for group, title in zip(groups, titles(prompts), strict=True):
        group["title"] = title or group["task"]
    samples = [sample for group in groups for sample in group["samples"]]
    texts = [sample["turns"][-1]["content"] if sample["turns"] else "" for sample in samples]
    for sample, number in zip(samples, clusters(texts), strict=True):
        sample["cluster"] = number


def _natural(name: str) -> list[tuple[str, int, str]]:
    """A key that puts task 9 before task 10."""
    parts = re.findall(r"(\D*)(\d*)", name, re.ASCII)
    return [(text, len(digits.lstrip("0")), digits) for text, digits in parts]


def of_training(samples: Iterable[TrainingSample], run: int, limit: int) -> list[JsonObject]:
    """The groups of a training run that were recorded, in the same way."""
    groups: dict[tuple[int, str], list[TrainingSample]] = defaultdict(list)
    for sample in samples:
        groups[sample.step, sample.task].append(sample)
    return [
        {
            "run": run,
            "task": task,
            "step": step,
            "metadata": {},
            "prompt": [{"role": "user", "content": group[0].prompt}],
            "samples": [_trained(sample) for sample in group],
        }
        for (step, task), group in _even(list(groups.items()), limit)
    ]


def _even(groups: Sequence[tuple[T, list[Any]]], limit: int) -> list[tuple[T, list[Any]]]:
    """Whole groups with about `limit` samples together at most, but one group at least, from all over the run."""
    size = sum(len(group) for _, group in groups)
    if size <= limit:
        return list(groups)
    count = max(1, int(len(groups) * limit / size))
    return [groups[place * len(groups) // count] for place in range(count)]


def _evaluated(sample: Sample) -> JsonObject:
    final = Message(role="assistant", content=sample.completion)
    return {
        "sample": sample.sample,
        "turns": _messages((*sample.conversation, final)),
        "tokens": sample.completion_tokens,
        "finish": str(sample.finish_reason),
        "expected": sample.expected,
        **_called(sample.calls),
        **_judged(sample.verdict, sample.completion),
    }


def _trained(sample: TrainingSample) -> JsonObject:
    return {
        "sample": sample.sample,
        "turns": _messages(sample.messages),
        "tokens": sample.length,
        "finish": str(sample.finish_reason),
        "reward": sample.reward,
        "advantage": sample.advantage,
        "flags": list(sample.flags),
        "expected": sample.expected,
        **_called(sample.calls),
        **_judged(sample.verdict, sample.messages[-1].content if sample.messages else ""),
    }


def _judged(verdict: Verdict, text: str) -> JsonObject:
    parts = {
        name: {"outcome": str(p.outcome), "score": p.score, "detail": p.detail}
        for name, p in verdict.parts.items()
    }
    return {
        "outcome": str(verdict.outcome),
        "score": verdict.score,
        "answer": verdict.answer,
        "places": in_javascript(text, answer_places(text, verdict.answer)),
        "detail": verdict.detail,
        **({"parts": parts} if parts else {}),
    }


def _called(calls: Sequence[CallRecord] | None) -> JsonObject:
    """The number of calls, and of those that got no answer from a tool, by their fate; nothing without tools."""
    if calls is None:
        return {}
    fates = Counter(str(call.outcome) for call in calls if call.outcome is not CallOutcome.ANSWERED)
    return {"calls": len(calls), "uncalled": [f"{count} {fate}" for fate, count in sorted(fates.items())]}


def _messages(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [
        {"role": f"{message.role} {message.name}" if message.name else message.role, "content": message.text}
        for message in messages
    ]
