"""The training forecast of an evaluation."""

import json
import math
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.environments.pass_rates import by_pass_rate
from rlvr_gym.environments.settings import EnvConfig
from rlvr_gym.evaluation import read_run
from rlvr_gym.evaluation.curriculum import (
    degenerate_probability,
    forecast,
    pass_rates,
    write_curriculum,
)
from tests.rlvr_gym.scripted import ScriptedGenerator, echo_env, echo_tasks

RIGHT = {"t0": 0, "t1": 4, "t2": 8, "t3": 2}
"""Number of right samples among eight."""


def samples(n: int = 8, **completion: object) -> tuple[rg.EvaluationResult, rg.Environment]:
    env = echo_env(4)

    def say(prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        text = prompt.messages[0].content
        right = sample < RIGHT[f"t{text.removeprefix('say ')}"]
        tokens = (1,) * (10 if right else 40)
        said = {"text": text if right else "no", "token_ids": tokens, "logprobs": (0.0,) * len(tokens)}
        return rg.Completion(**(said | completion))  # pyright: ignore[reportArgumentType]

    sampling = rg.SamplingParams(max_tokens=64)
    return rg.evaluate(env, ScriptedGenerator(say), n=n, k=1, sampling=sampling), env


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=9), st.integers(1, 9))
def test_the_degenerate_share_is_that_of_every_group_that_could_be_drawn(scores: list[float], size: int):
    if size > len(scores):
        return
    groups = list(combinations(scores, size))
    share = sum(len(set(group)) == 1 for group in groups) / len(groups)
    assert degenerate_probability(scores, size) == pytest.approx(share)


def test_a_forecast_by_hand():
    found = forecast(samples()[0].samples)
    four, eight = found.groups
    # C(4,4)/C(8,4) twice for t1, C(6,4)/C(8,4) for t3, and certainty for t0 and t2.
    assert four.degenerate == pytest.approx((1 + 2 / 70 + 1 + 15 / 70) / 4)
    assert eight.degenerate == pytest.approx(2 / 4)
    assert four.low < four.degenerate < four.high
    assert eight.resampling == pytest.approx(2.0)
    assert found.missing == (16, 32)
    assert (found.prompts, found.never_right, found.always_right) == (4, 1, 1)
    assert found.group_size == 8


def test_where_nothing_can_be_learned_no_group_size_is_suggested():
    result, _ = samples()
    easy = [sample for sample in result.samples if sample.task == "t2"]
    found = forecast(easy)
    assert found.group_size is None
    assert math.isinf(found.groups[0].resampling)
    assert found.to_json()["groups"][0]["resampling"] is None


def test_the_budget_is_what_right_completions_need_with_room_to_spare():
    budget = forecast(samples()[0].samples).budget
    assert (budget.right_p99, budget.suggested, budget.truncated, budget.censored) == (10.0, 16, 0.0, False)


def test_a_budget_from_truncated_completions_is_never_below_the_one_that_cut_them_off():
    budget = forecast(samples(finish_reason=rg.FinishReason.LENGTH)[0].samples).budget
    assert (budget.suggested, budget.censored) == (64, True)


def test_prompts_between_two_rates_can_be_trained_on(tmp_path: Path):
    result, env = samples()
    write_curriculum(tmp_path, result.samples, forecast(result.samples))
    assert [(row.task, row.pass_rate) for row in pass_rates(result.samples)] == [
        ("t0", 0.0),
        ("t3", 0.25),
        ("t1", 0.5),
        ("t2", 1.0),
    ]
    chosen = by_pass_rate(env.tasks, tmp_path / "pass_rates.jsonl", (0.25, 0.5))
    assert [task.id for task in chosen] == ["t3", "t1"]
    assert chosen.fingerprint != env.tasks.fingerprint
    with pytest.raises(rg.DataError, match=r"none of 4 prompts .* from 0\.6 to 0\.9; 3 lie below, 1 above"):
        list(by_pass_rate(env.tasks, tmp_path / "pass_rates.jsonl", (0.6, 0.9)))
    with pytest.raises(rg.ConfigError, match="the lower one first"):
        by_pass_rate(env.tasks, tmp_path / "pass_rates.jsonl", (0.9, 0.1))


def test_rates_measured_on_other_tasks_are_refused(tmp_path: Path):
    result, _ = samples()
    write_curriculum(tmp_path, result.samples, forecast(result.samples))
    with pytest.raises(rg.DataError, match="measure the tasks that are trained on"):
        list(by_pass_rate(echo_tasks(3), tmp_path / "pass_rates.jsonl", (0, 1)))
    with pytest.raises(rg.DataError, match=r"there is no .*nowhere\.jsonl"):
        list(by_pass_rate(echo_tasks(3), tmp_path / "nowhere.jsonl", (0, 1)))


def test_the_command_forecasts_and_a_recipe_takes_its_tasks_from_the_export(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as exited:
        main(
            ["eval", "arithmetic", "model.path=tiny", "env.digits=1", "env.split=train", "sampling.max_tokens=4",
             "--limit", "6", "--n", "8", "--curriculum", "--out", "run"]
        )  # fmt: skip
    out = capsys.readouterr().out
    assert exited.value.code == 0
    rows = [line.replace("│", " ").split() for line in out.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows[-4:]] == ["4", "8", "16", "32"]
    assert rows[-1][1:] == ["needs", "--n", "32"]
    assert "judging" in out
    assert json.loads(Path("run/curriculum.json").read_text())["prompts"] == 6
    settings = {
        "id": "arithmetic",
        "digits": 1,
        "pass_rates": "run/pass_rates.jsonl",
        "pass_rate": [0.0, 1.0],
    }
    env = EnvConfig.model_validate({**settings, "split": "train"}).make()
    assert env.tasks.size == 6
    _, info = env.reset(seed=0)
    assert info["task"] in {task.id for task in env.tasks}
    with pytest.raises(rg.DataError, match="measured on the tasks"):
        EnvConfig.model_validate({**settings, "split": "test"}).make().tasks.at(0)
    with pytest.raises(ValueError, match="belong together"):
        EnvConfig.model_validate({"id": "arithmetic", "pass_rate": [0.1, 0.9]})


def test_samples_of_tasks_chosen_by_pass_rate_say_so_and_can_be_judged_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tiny = ["arithmetic", "model.path=tiny", "env.digits=1", "env.split=train", "sampling.max_tokens=4"]
    chosen = ["env.pass_rates=all/pass_rates.jsonl", "env.pass_rate=[0,0.5]"]
    for arguments in (
        ["eval", *tiny, "--limit", "6", "--n", "2", "--curriculum", "--out", "all"],
        ["eval", *tiny, *chosen, "--n", "1", "--out", "chosen"],
        ["rescore", "chosen"],
    ):
        with pytest.raises(SystemExit) as exited:
            main(arguments)
        assert exited.value.code == 0, capsys.readouterr().err
    run = read_run("chosen")
    assert run.conditions.options["pass_rate"] == [0.0, 0.5]
    assert run.conditions.options["pass_rates"] == "all/pass_rates.jsonl"
    Path("all/pass_rates.jsonl").rename("moved.jsonl")
    with pytest.raises(SystemExit) as exited:
        main(["rescore", "chosen", "env.pass_rates=moved.jsonl"])
    assert exited.value.code == 0
