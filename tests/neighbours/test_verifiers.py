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

pytestmark = [pytest.mark.neighbours, pytest.mark.filterwarnings("ignore")]


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


# The way back


def tasksets(vf: Any) -> dict[str, type]:
    """Tasksets of every kind, by name."""

    class Data(vf.TaskData):
        answer: str = "2"

    class Plain(vf.Task[Data]):
        @vf.reward(weight=0.75)
        async def correct(self, trace: Any) -> float:
            if FAULT in trace.last_reply:
                raise RuntimeError("the reward is broken")
            return float(self.data.answer in trace.last_reply)

        @vf.reward(weight=0.25)
        async def short(self, trace: Any) -> float:
            return float(len(trace.last_reply) < 10)

    class Runtime(vf.Task[Data]):
        @vf.reward
        async def ran(self, trace: Any, runtime: Any) -> float:
            return 1.0

    class Prepared(Plain):
        async def setup(self, trace: Any, runtime: Any) -> None:
            return None

    class Contained(Plain):
        NEEDS_CONTAINER = True

    class Unrewarded(vf.Task[Data]):
        pass

    class Large(vf.Task[Data]):
        @vf.reward
        async def large(self, trace: Any) -> float:
            return 3.0

    def taskset_of(task: type, **data: Any) -> type:
        class Some(vf.Taskset[task, vf.TasksetConfig]):  # pyright: ignore
            def load(self) -> list[Any]:
                rows = [
                    {"prompt": f"{n} + {n}?", "answer": str(2 * n), "system_prompt": "Be brief."}
                    for n in (1, 2)
                ]
                return [task(Data(**{**row, **data}), self.config.task) for row in rows]

        return Some

    kinds = {
        one.__name__: taskset_of(one) for one in (Plain, Runtime, Prepared, Contained, Unrewarded, Large)
    }
    return {**kinds, "Silent": taskset_of(Plain, prompt=None)}


def imported(vf: Any, name: str) -> rg.Environment:
    return rg.from_verifiers(tasksets(vf)[name](vf.TasksetConfig(id=name)))


def stepped(env: rg.Environment, text: str) -> rg.Verdict:
    env.reset(options={"task": 0})
    return env.step(text)[4]["verdict"]


def test_a_taskset_is_an_environment_judged_by_its_own_rewards(vf: Any) -> None:
    env = imported(vf, "Plain")
    assert env.tasks.size == 2
    assert [(m.role, m.content) for m in env.tasks[0].prompt] == [("system", "Be brief."), ("user", "1 + 1?")]
    assert stepped(env, "2").correct
    assert stepped(env, "It is 2, I think.").score == 0.75
    assert stepped(env, "<think>2</think>3").score == 0.25
    assert stepped(env, "correct 0.75, short 0").score == 0.0


def test_a_reward_that_breaks_or_is_out_of_range_leaves_the_sample_unscored(vf: Any) -> None:
    broken = stepped(imported(vf, "Plain"), FAULT)
    assert (broken.scored, "the reward is broken" in broken.detail) == (False, True)
    large = stepped(imported(vf, "Large"), "2")
    assert (large.scored, "add up to 3, which is outside 0 to 1" in large.detail) == (False, True)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Runtime", "its reward 'ran' needs a runtime"),
        ("Prepared", "its setup prepares a runtime"),
        ("Contained", "it needs a container"),
        ("Unrewarded", "it has no reward"),
        ("Silent", "it has no prompt"),
    ],
)
def test_a_task_that_needs_more_than_a_reply_is_refused_by_name(vf: Any, name: str, said: str) -> None:
    with pytest.raises(rg.ConfigError, match=said):
        imported(vf, name)


def test_a_taskset_is_found_by_its_id_and_there_and_back_scores_stay(vf: Any, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match="no taskset 'nowhere' is installed"):
        rg.from_verifiers("nowhere")
    folder = rg.export.verifiers(made("sums", count=5)).write(tmp_path / "out")
    talk = rg.export.verifiers(made("talk")).write(tmp_path / "talk")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.syspath_prepend(str(talk))
        env = rg.from_verifiers("rlvr-sums")
        with pytest.raises(rg.ConfigError, match="played by RlvrTalkEnv of its own"):
            rg.from_verifiers("rlvr-talk")
        sys.modules.pop("rlvr_sums")
        sys.modules.pop("rlvr_talk")
    vector = rg.GroupVectorEnv(env, 4, 1)
    vector.reset(options={"tasks": [0, 1, 2, 3]})
    _, rewards, _, _, infos = vector.step(list(COMPLETIONS))
    assert rewards.tolist() == [1.0, 1.0, 0.0, 0.0]
    assert infos["scored"].tolist() == [True, True, True, False]
