"""Exported tasksets in verifiers' own hands."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rlvr_gym as rg
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def vf(neighbour: Callable[[str], Any]) -> Any:
    return neighbour("verifiers.v1")


def trace_of(vf: Any, task: Any, *said: str) -> Any:
    """A trace in which the model said this."""
    asked = vf.MessageNode(message=vf.UserMessage(content=task.data.prompt_text))
    replies = [
        vf.MessageNode(message=vf.AssistantMessage(content=text), sampled=True, parent=place)
        for place, text in enumerate(said)
    ]
    return vf.Trace(
        task=vf.TraceTask(type=type(task).__name__, data=task.data),
        agent=vf.AgentInfo(config=vf.AgentConfig(model="scripted")),
        nodes=[asked, *replies],
    )


def scored(vf: Any, task: Any, trace: Any) -> float | None:
    """The reward that verifiers records, None where its scoring failed."""
    with contextlib.suppress(vf.TaskError):
        asyncio.run(task.score(trace))
    recorded = trace.rewards["correct"]
    return None if recorded is None else recorded.value


def test_completions_get_the_same_scores_and_what_could_not_be_judged_gets_none(vf: Any) -> None:
    tasks = list(rg.export.verifiers(made("sums")).taskset())
    assert [task.data.idx for task in tasks] == [0, 1, 2, 3]
    assert tasks[1].data.prompt == "What is 1 + 1? Use \\boxed{}."
    assert "reference" not in tasks[1].data.model_dump_json()
    found = [
        scored(vf, task, trace_of(vf, task, text)) for task, text in zip(tasks, COMPLETIONS, strict=True)
    ]
    assert tuple(found) == SCORES


def test_the_written_package_is_found_by_its_id(vf: Any, tmp_path: Path) -> None:
    from verifiers.v1.utils.loaders import (  # pyright: ignore[reportMissingImports]
        environment_class,
        load_taskset,
        taskset_class,
    )

    folder = rg.export.verifiers(made("sums"), rows=2).write(tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        config = taskset_class("rlvr-sums").__init__.__annotations__  # the class is there
        assert config
        taskset = load_taskset(vf.TasksetConfig(id="rlvr-sums"))
        tasks = list(taskset)
        assert environment_class("rlvr-sums").__name__ == "RlvrSumsEnv"
        sys.modules.pop("rlvr_sums")
    assert [task.data.id for task in tasks] == [task.id for task in made("sums").tasks][:2]
    assert scored(vf, tasks[1], trace_of(vf, tasks[1], "\\boxed{2}")) == 1.0


class Scripted:
    """An agent that says what is written; its rollout ends when that is used up."""

    def __init__(self, vf: Any, *said: str) -> None:
        self.vf, self.said, self.heard = vf, list(said), list[str | None]()
        self.trace: Any = None

    @asynccontextmanager
    async def interaction(self, task: Any) -> AsyncIterator[Any]:
        self.trace = trace_of(self.vf, task)
        yield self
        await task.score(self.trace)

    async def turn(self, message: str | None = None) -> Any:
        self.heard.append(message)
        if not self.said:
            return self.vf.Segment(messages=[], terminated=True)
        return self.vf.Segment(messages=[self.vf.AssistantMessage(content=self.said.pop(0))])


def played(vf: Any, name: str, *said: str) -> tuple[Scripted, Any]:
    from rlvr_gym.export.targets.verifiers_taskset import EpisodeEnv

    task = next(iter(rg.export.verifiers(made(name)).taskset()))
    agent = Scripted(vf, *said)
    asyncio.run(EpisodeEnv.run(SimpleNamespace(), task, SimpleNamespace(agent=agent)))  # pyright: ignore
    return agent, agent.trace.rewards["correct"]


def test_an_episode_of_several_turns_is_played_and_earns_what_it_earns_here(vf: Any) -> None:
    agent, reward = played(vf, "talk", "hm", "hm", "\\boxed{0}")
    assert agent.heard == [None, "That was turn 1. Go on.", "That was turn 2. Go on."]
    assert reward.value == 1.5


def test_an_agent_that_stops_early_is_judged_as_it_stands(vf: Any) -> None:
    _, reward = played(vf, "talk", "hm")
    assert reward.value == 0.25


def test_tools_are_called_in_words(vf: Any) -> None:
    call = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>'
    agent, reward = played(vf, "desk", call, "\\boxed{0}")
    assert agent.heard == [None, "3"]
    assert reward.value == 1.0


def test_an_episode_that_could_not_be_judged_fails_its_task(vf: Any) -> None:
    with pytest.raises(vf.TaskError, match="the judge is broken"):
        played(vf, "talk", "hm", FAULT)
