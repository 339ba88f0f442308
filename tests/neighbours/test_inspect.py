"""Inspect's own evaluation of exported environments, and its logs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlvr_gym as rg
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made

pytestmark = [pytest.mark.neighbours, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def inspect_ai(neighbour: Callable[[str], Any]) -> Any:
    return neighbour("inspect_ai")


class Bytes:
    """Counts tokens of the scripted model: Inspect's own counter is fetched from a network."""

    def encode(self, text: str, **_: Any) -> list[int]:
        return list(text.encode())

    encode_ordinary = encode


def evaluated(inspect_ai: Any, tmp_path: Path, task: Any, *said: str) -> Any:
    """The log of an evaluation of a model that says this, as read from its file."""
    import tiktoken  # pyright: ignore[reportMissingImports]
    from inspect_ai.log import read_eval_log  # pyright: ignore[reportMissingImports]
    from inspect_ai.model import ModelOutput, get_model  # pyright: ignore[reportMissingImports]

    outputs = [ModelOutput.from_content("mockllm/model", text) for text in said]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiktoken, "get_encoding", lambda *_, **__: Bytes())
        patch.setattr(tiktoken, "encoding_for_model", lambda *_, **__: Bytes())
        log = inspect_ai.eval(
            task,
            model=get_model("mockllm/model", custom_outputs=outputs),
            display="none",
            log_dir=str(tmp_path / "logs"),
            max_samples=1,
            max_connections=1,
        )[0]
    return read_eval_log(log.location)


def in_order(log: Any, name: str) -> list[Any]:
    """The samples in the order of the tasks: a log has them in one of its own."""
    samples = {sample.id: sample for sample in log.samples}
    return [samples[task.id] for task in made(name).tasks if task.id in samples]


def test_completions_get_the_same_scores_and_what_could_not_be_judged_is_no_zero(
    inspect_ai: Any, tmp_path: Path
) -> None:
    rg.export.inspect(made("sums")).write(tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        log = evaluated(inspect_ai, tmp_path, "out/task.py", *COMPLETIONS)
    assert log.status == "success", log.error
    scores = [sample.scores["rlvr"] for sample in in_order(log, "sums")]
    assert tuple(None if math.isnan(score.value) else score.value for score in scores) == SCORES
    assert (scores[3].reason, "the judge is broken" in scores[3].explanation) == ("scoring_failed", True)
    metrics = log.results.scores[0].metrics
    assert metrics["mean"].value == pytest.approx(2 / 3)
    assert (log.results.scores[0].scored_samples, log.results.scores[0].unscored_samples) == (3, 1)


def test_several_turns_are_played_and_earn_what_they_earn_here(inspect_ai: Any, tmp_path: Path) -> None:
    task = rg.export.inspect(made("talk"), rows=2).task()
    log = evaluated(inspect_ai, tmp_path, task, "hm", "hm", "\\boxed{0}", "hm", FAULT)
    assert log.status == "success", log.error
    first, second = in_order(log, "talk")
    assert first.scores["rlvr"].value == 1.5
    assert [message.role for message in first.messages] == ["user", "assistant"] * 3
    assert first.messages[4].text == "That was turn 2. Go on."
    assert math.isnan(second.scores["rlvr"].value)
