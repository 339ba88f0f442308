"""Figures of calls in training: per episode and per call, in metrics and samples; a warning when a policy stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rlvr_trainers import load_recipe, train
from rlvr_trainers.config import MonitorConfig
from rlvr_trainers.data.stored import StoredSamples
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.monitor.monitor import JudgedCanaries, Monitor
from rlvr_trainers.run.figures import call_metrics
from rlvr_trainers.run.preflight import refuse_prompts_without_room
from rlvr_trainers.sampling.buffer import GROUPS

import rlvr_gym as rg
from rlvr_gym.cli.commands.eval.output import _facts
from rlvr_gym.environments.prompting import prompt_ids
from rlvr_gym.evaluation import evaluate
from rlvr_gym.evaluation.samples import Sample, read_samples
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.report.browsing import of_evaluation
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.tools import CallOutcome, CallRecord
from tests.rlvr_gym.tool_families import Speaker, call_text, json_call
from tests.rlvr_trainers.judged import said

NO_CANARIES = JudgedCanaries(count=0, paid=())


def calls(*outcomes: str, seconds: float = 0.5) -> tuple[CallRecord, ...]:
    return tuple(
        CallRecord(turn=1, name="add", outcome=CallOutcome(outcome), seconds=seconds) for outcome in outcomes
    )


def episodes(*called: tuple[CallRecord, ...] | None) -> Group:
    return tuple(replace(said(sample=place), calls=one) for place, one in enumerate(called))


def monitor(**settings: object) -> Monitor:
    return Monitor(MonitorConfig.model_validate(settings), rg.make("arithmetic"), seed=0, mesh=Mesh())


def test_figures_are_per_episode_and_per_call():
    rollouts = episodes(
        calls("answered", "malformed"),
        (),
        calls("failed", "timeout", "refused"),
        calls("answered", "answered", "answered"),
    )
    assert call_metrics(rollouts) == {
        "tools/calls": 2.0,
        "tools/calling": 0.75,
        "tools/malformed": 1 / 8,
        "tools/failed": 2 / 8,
        "tools/refused": 1 / 8,
        "seconds/tools": 4.0,
    }
    assert call_metrics(episodes((), ()))["tools/calls"] == 0.0
    assert call_metrics(episodes(None, None)) == {}


def test_a_policy_that_stops_calling_is_warned_of():
    watching = monitor(patience=2)
    most = episodes(*[calls("answered")] * 9, ())
    none = episodes(*[()] * 9, calls("answered"))
    alarms = [
        watching.observe([step], NO_CANARIES)["detectors/tools/alarm"]
        for step in (most, none, none, most, none)
    ]
    assert alarms == [0, 0, 1, 0, 0]
    assert watching.warnings() == [
        "warning: tools: the policy stops calling tools: 10% of the episodes have a call, 90% had one before; "
        "monitor.max_tools_lost is 0.5"
    ]


def test_a_policy_that_learns_to_call_or_has_no_tools_is_not_warned_of():
    watching = monitor(patience=1)
    for step in (episodes((), ()), episodes((), calls("answered")), episodes(*[calls("answered")] * 2)):
        assert watching.observe([step], NO_CANARIES)["detectors/tools/alarm"] == 0
    assert not [key for key in watching.observe([episodes(None)], NO_CANARIES) if "tools" in key]


def test_the_highest_share_survives_a_resumption():
    first, second = monitor(patience=1), monitor(patience=1)
    first.observe([episodes(calls("answered"))], NO_CANARIES)
    second.state = first.state
    assert second.observe([episodes(())], NO_CANARIES)["detectors/tools/alarm"] == 1
    older = {key: value for key, value in first.state.items() if key != "most_calling"}
    third = monitor(patience=1)
    third.state = older
    assert third.observe([episodes(())], NO_CANARIES)["detectors/tools/alarm"] == 0


# An evaluation keeps and reports them


@rg.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def sums(count: int) -> rg.Environment:
    tasks = [rg.Task(id=f"t{n}", prompt=f"{n} + 1?", reference=str(n + 1)) for n in range(count)]
    return rg.Environment(
        rg.TaskSet.from_tasks(tasks, name="sums"),
        rg.FunctionVerifier(lambda t, c: c.text == t.reference),
        tools=[add],
    )


def speaker() -> Speaker:
    def script(request: rg.GenerationRequest, sample: int) -> str:
        told = [message.content for message in request.messages if message.role == "tool"]
        if not told:
            number = int(request.messages[0].content.split()[0])
            good = call_text("Qwen 3", "add", {"a": number, "b": 1})
            return good if sample == 0 else f"{good}<tool_call>{json_call('sub', {})}</tool_call>"
        return told[0]

    return Speaker("Qwen 3", script)


def evaluated(env: rg.Environment, folder: Path | None = None) -> rg.EvaluationResult:
    return evaluate(env, speaker(), sampling=rg.SamplingParams(max_tokens=300), n=2, run_dir=folder)


def outcomes(sample: Sample | Rollout) -> Sequence[str]:
    return [str(call.outcome) for call in sample.calls or ()]


def test_an_evaluation_keeps_each_call_and_reports_them(tmp_path: Path):
    result = evaluated(sums(3), tmp_path)
    assert result.avg_at_n.value == 1.0
    assert result.tools is not None
    assert (result.tools.calls, result.tools.calling, result.tools.malformed) == (
        1.5,
        1.0,
        pytest.approx(1 / 3),
    )
    assert result.to_json()["tools"]["episodes"] == 6
    kept = read_samples(tmp_path / "samples.jsonl")
    assert kept == list(result.samples)
    assert {sample.sample: outcomes(sample) for sample in kept} == {
        0: ["answered"],
        1: ["answered", "malformed"],
    }
    group = of_evaluation(kept, 0, 100)[0]
    assert [(sample["calls"], sample["uncalled"]) for sample in group["samples"]] == [
        (1, []),
        (2, ["1 malformed"]),
    ]
    assert [turn["role"] for turn in group["samples"][1]["turns"]] == [
        "assistant",
        "tool add",
        "tool sub",
        "assistant",
    ]


def test_the_output_of_an_evaluation_has_a_line_on_calls():
    (line,) = [line for line in _facts(evaluated(sums(3))) if line.startswith("tools")]
    assert line.startswith(
        "tools     1.50 calls an episode (100.0% of them call), of these 33.3% malformed, 0.0% failed"
    )


def test_calls_survive_a_checkpoint():
    env, sampling = sums(2), rg.SamplingParams(max_tokens=300)
    groups = rg.rollout(env, speaker(), env.tasks.take(2), sampling, group_size=2, seed=0)
    again = GROUPS.validate_json(GROUPS.dump_json(groups))
    assert again == groups
    assert [outcomes(rollout) for rollout in again[0]] == [["answered"], ["answered", "malformed"]]


def test_an_evaluation_without_tools_speaks_of_none():
    env = sums(1)
    bare = rg.Environment(env.tasks, env.verifier)
    result = evaluated(bare)
    assert result.tools is None
    assert "tools" not in result.to_json()
    assert all("calls" not in sample.model_dump() for sample in result.samples)


# Prompts are measured as the policy is shown them, and what would teach it not to call is refused


def test_the_prompt_that_is_measured_is_the_one_that_is_shown():
    env, task = sums(1), sums(1).tasks[0]
    for family in ("Qwen 3", "Llama 3", "ChatML", "Gemma"):
        asked = Speaker(family, lambda request, sample: "1")
        rollouts = rg.rollout(env, asked, [task], rg.SamplingParams(max_tokens=300), group_size=1, seed=0)
        assert prompt_ids(env, asked.tokenizer, task) == rollouts[0][0].prompt_ids


def test_prompts_whose_tools_leave_no_room_are_refused_before_the_work():
    asked = Speaker("Qwen 3", lambda request, sample: "1", context=100)
    config = load_recipe("grpo", {"env": {"id": "guess"}, "model": {"path": "m"}, "eval": None})
    with pytest.raises(rg.ConfigError, match=r"leave no room for sampling\.max_tokens"):
        refuse_prompts_without_room(config, sums(3), None, asked)


def test_a_warm_up_on_final_answers_is_refused_where_a_policy_is_to_call(tmp_path: Path):
    settings: dict[str, Any] = {
        "warmup": {"steps": 1},
        "sampling": {"max_tokens": 2},
        "eval": None,
        "batch": {"prompts": 4},
    }
    model, tokenizer = tiny_model(seed=0, context=1024)
    with pytest.raises(rg.ConfigError, match="a policy that is to call add would learn not to"):
        train(
            model=model, tokenizer=tokenizer, env=sums(8), progress=False, run={"dir": tmp_path}, **settings
        )


def test_stored_episodes_with_tools_are_not_learned_from(tmp_path: Path):
    evaluated(sums(1), tmp_path)
    with pytest.raises(rg.ConfigError, match="episodes with tools cannot be learned from"):
        StoredSamples([tmp_path])
