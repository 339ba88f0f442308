"""Exports of environments whose episodes have several turns, in words and with tools."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.utils.chat_template_utils import get_json_schema

import rlvr_gym as rg
from rlvr_gym.export.served import Episode
from rlvr_gym.verdicts import Completion
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made
from tests.rlvr_gym.test_export import columns, trl_rewards


def episode_of(exported: Any, row: int) -> Any:
    assert exported.environment_factory is not None
    episode = exported.environment_factory()
    assert episode.reset(**exported.rows[row]) is None
    return episode


def finished(exported: Any, environments: list[Any], texts: list[str]) -> list[float | None]:
    given = {name: values[: len(texts)] for name, values in columns(exported).items() if name != "prompt"}
    return exported.reward(
        [[{"role": "assistant", "content": text}] for text in texts], environments=environments, **given
    )


def test_trl_calls_the_tools_of_an_environment_and_is_rewarded_at_the_end() -> None:
    exported = rg.export.trl(made("desk"))
    environments = [episode_of(exported, row) for row in range(4)]
    assert environments[0].add(a=1, b=2) == "3"
    assert environments[0].add(a=1, unit="pears") == "2 pears"
    assert environments[1].add(a="1").startswith("error: the argument 'a' of 'add'")
    assert [environments[2].count(), environments[2].count(), environments[3].count()] == ["1", "2", "1"]
    assert finished(exported, environments, list(COMPLETIONS)) == list(SCORES)


def test_a_tool_that_breaks_leaves_the_episode_unscored_whatever_is_said_after_it() -> None:
    exported = rg.export.trl(made("desk"))
    episode = episode_of(exported, 0)
    assert episode.crash(why="no disk") == "The episode is over."
    assert finished(exported, [episode], ["\\boxed{0}"]) == [None]


def test_calls_beyond_the_turns_end_an_episode() -> None:
    exported = rg.export.trl(made("desk"))
    episode = episode_of(exported, 0)
    said = [episode.add(a=1) for _ in range(5)]
    assert said == ["2", "2", "2", "The episode is over.", "The episode is over."]
    assert finished(exported, [episode], ["\\boxed{0}"]) == [0.0]


def test_trl_is_shown_the_schemas_of_the_tools_as_the_environment_has_them() -> None:
    env = made("desk")
    exported = rg.export.trl(env)
    assert exported.environment_factory is not None
    episode = exported.environment_factory()
    for tool in env.tools:
        shown = get_json_schema(getattr(episode, tool.name))["function"]
        assert (shown["name"], shown["description"]) == (tool.name, tool.description)
        assert list(shown["parameters"]["properties"]) == list(tool.parameters["properties"])
        assert shown["parameters"].get("required", []) == tool.parameters.get("required", [])
    unit = get_json_schema(episode.add)["function"]["parameters"]["properties"]["unit"]
    assert unit == {"type": "string", "enum": ["apples", "pears"], "nullable": True, "description": "unit"}


def test_an_environment_that_answers_in_words_is_a_tool_named_say() -> None:
    exported = rg.export.trl(made("talk"))
    environments = [episode_of(exported, row) for row in range(4)]
    assert environments[0].say(text="hm") == "That was turn 1. Go on."
    assert environments[0].say(text="hm") == "That was turn 2. Go on."
    assert environments[1].say(text="\\boxed{2}") == "The episode is over."
    rewards = finished(exported, environments, ["\\boxed{0}", "whatever comes after the end", "hm", FAULT])
    assert rewards == [1.5, 1.0, 0.25, None]


def test_a_tool_with_a_name_that_trl_keeps_for_itself_is_refused_by_name() -> None:
    with pytest.raises(rg.ConfigError, match="TRL cannot call a tool named 'reset'"):
        rg.export.trl(made("reset"))


def test_several_turns_are_not_judged_as_one() -> None:
    with pytest.raises(rg.ConfigError, match="several turns: give the trainer its environment_factory"):
        trl_rewards(rg.export.trl(made("talk")), COMPLETIONS)
    verl = rg.export.verl(made("desk"))
    with pytest.raises(rg.ConfigError, match="agent_loop_config_path=agent_loop"):
        verl.compute_score("tests/Desk-v0", "\\boxed{0}", "", verl.rows[0]["extra_info"])
    assert {row["agent_name"] for row in verl.rows} == {"rlvr_gym"}


def test_an_episode_earns_what_the_environment_itself_gives() -> None:
    env = made("talk")
    episode = Episode(env)
    assert [message.content for message in episode.begin(env.tasks[1])] == ["What is 1 + 1? Use \\boxed{}."]
    env.reset(options={"task": 1})
    for text in ("hm", "hm", "\\boxed{2}"):
        _, reward, _, _, info = env.step(text)
        episode.take(Completion(text=text))
        assert episode.last_reward == reward
    assert episode.verdict == info["verdict"]
    assert episode.reward == 1.5


def test_an_episode_that_stops_early_is_judged_as_it_stands() -> None:
    env = made("talk")
    episode = Episode(env)
    episode.begin(env.tasks[0])
    assert str(episode.stop().outcome) == "malformed"
    episode.begin(env.tasks[0])
    episode.take(Completion(text="hm"))
    episode.stop()
    assert episode.reward == 0.25
    with pytest.raises(rg.ConfigError, match="no episode is under way"):
        Episode(env).take(Completion(text="hm"))
