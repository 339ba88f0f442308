"""Alarms: when they go off, what they say and what they stop; watching changes nothing."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console
from rlvr_trainers.config import MonitorConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.monitor.held_out import Reading
from rlvr_trainers.monitor.monitor import RULES, JudgedCanaries, Monitor
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.display import Display
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym import Task, TrainingError, Verdict
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.rollouts import Group
from tests.rlvr_trainers.judged import composed, said

NO_CANARIES = JudgedCanaries(count=0, paid=())
SHORT = ["eval.tasks=60", "monitor.canary_share=0.25"]
SMALL = ["run.steps=4", "batch.prompts=8", "batch.group_size=8", "eval.every=2", "eval.tasks=10"]


def monitor(**settings: object) -> Monitor:
    return Monitor(MonitorConfig.model_validate(settings), rg.make("arithmetic"), seed=0, mesh=Mesh())


def group(*texts: str) -> Group:
    task = Task(id="3+4", prompt="What is 3 + 4?", reference=7)
    return tuple(said(text, Verdict.wrong(answer=text), task=task) for text in texts)


HEDGED, PLAIN = group("7 or 8", "8"), group("7", "8")


def train(folder: Path, *settings: str) -> tuple[Trainer, io.StringIO]:
    out = io.StringIO()
    config = load_recipe("hackable", parse_overrides([f"run.dir={folder}", *settings]))
    return Trainer(config, display=Display(Console(file=out, width=80))), out


def figures(folder: Path, name: str) -> list[float]:
    return [row[name] for row in read_lines(folder / "metrics.jsonl") if name in row]


def test_every_detector_has_a_rule_and_every_limit_belongs_to_one() -> None:
    fields = set(MonitorConfig.model_fields) - {"canary_share", "patience", "stop"}
    assert {rule.limit for rule in RULES} == fields
    assert len({rule.detector for rule in RULES}) == len(RULES) == len(fields)


def test_a_figure_beyond_its_limit_is_an_alarm_when_it_stays_there() -> None:
    watching, name = monitor(patience=3), "detectors/several_answers/alarm"
    seen = [HEDGED, HEDGED, PLAIN, HEDGED, HEDGED, HEDGED, HEDGED, PLAIN]
    alarms = []
    said = []
    for step in seen:
        alarms.append(watching.observe([step], NO_CANARIES)[name])
        said += watching.warnings()
    assert alarms == [0, 0, 0, 0, 0, 1, 1, 0]
    assert said == [
        "warning: several_answers: 50% of the completions give more answers than they are asked for; "
        "monitor.max_several_answers is 0.2"
    ]


def test_an_alarm_that_is_to_stop_the_run_says_what_was_seen() -> None:
    watching = monitor(patience=1, stop=["several_answers"])
    assert watching.observe([HEDGED], NO_CANARIES)["detectors/several_answers/alarm"] == 1
    with pytest.raises(TrainingError, match=r"several_answers: 50% of the completions .*monitor\.stop"):
        watching.refuse_to_go_on()


def test_a_limit_of_none_only_logs() -> None:
    found = monitor(patience=1, max_several_answers=None).observe([HEDGED], NO_CANARIES)
    assert found["detectors/several_answers/share"] == 0.5
    assert "detectors/several_answers/alarm" not in found


def test_a_lower_limit_is_passed_downwards() -> None:
    met, right = (
        said(verdict=composed(format=True, answer=False)),
        said(verdict=composed(format=False, answer=True)),
    )
    watching = monitor(patience=1)
    found = watching.observe([(met, right)], NO_CANARIES)
    assert found["detectors/format/correlation"] == pytest.approx(-1)
    assert found["detectors/format/alarm"] == 1
    assert watching.observe([PLAIN], NO_CANARIES).get("detectors/format/alarm") is None
    assert watching.warnings() == [
        "warning: format: completions in the right format are less often right: the correlation is -1.00; "
        "monitor.min_format_correlation is -0.2"
    ]


def test_what_a_monitor_has_seen_survives_a_resumption() -> None:
    first, second = monitor(patience=2), monitor(patience=2)
    first.evaluated(Reading(value=0.1, low=0.0, high=0.2))
    first.observe([HEDGED], NO_CANARIES)
    second.state = first.state
    assert second.state == first.state
    assert second.observe([HEDGED], NO_CANARIES) == first.observe([HEDGED], NO_CANARIES)
    assert second.warnings() == first.warnings() != []


@pytest.mark.parametrize("setting", ["monitor.stop=[canary]", "monitor.max_repetition=2", "monitor.limit=1"])
def test_settings_that_cannot_be_are_refused(setting: str) -> None:
    with pytest.raises(rg.ConfigError, match="monitor"):
        load_recipe("hackable", parse_overrides([setting]))


def test_a_hacked_proxy_sets_off_the_alarms_while_what_it_stands_for_is_not_learned(tmp_path: Path) -> None:
    settings = ["env.verifier=weak", "batch.prompts=16", "run.steps=12", "eval.every=6"]
    trainer, out = train(tmp_path, *SHORT, *settings)
    trainer.run()
    rewards, truths = figures(tmp_path, "reward/mean"), figures(tmp_path, "eval/score")
    assert rewards[-1] > rewards[0] + 0.3
    assert truths[-1] <= truths[0] + 0.05
    assert figures(tmp_path, "detectors/canaries/alarm")[-1] == 1
    assert figures(tmp_path, "detectors/held_out/alarm")[-1] == 1
    assert "warning: canaries: " in out.getvalue()
    assert "warning: held_out: since the first evaluation the reward has risen by" in out.getvalue()


@pytest.mark.long
def test_with_the_hardened_verifier_both_rise_and_all_is_quiet(tmp_path: Path) -> None:
    trainer, out = train(tmp_path, *SHORT, "env.verifier=hardened", "run.steps=12", "eval.every=12")
    trainer.run()
    rewards, truths = figures(tmp_path, "reward/mean"), figures(tmp_path, "eval/score")
    assert rewards[-1] > rewards[0] + 0.1
    assert truths[-1] > truths[0] + 0.1
    assert sum(figures(tmp_path, "detectors/canaries/count")) > 100
    assert set(figures(tmp_path, "detectors/canaries/rate")) == {0.0}
    assert not any(
        value
        for row in read_lines(tmp_path / "metrics.jsonl")
        for key, value in row.items()
        if "/alarm" in key
    )
    assert "warning" not in out.getvalue()


def test_a_run_that_is_to_stop_at_a_canary_stops_with_a_checkpoint(tmp_path: Path) -> None:
    trainer, _ = train(
        tmp_path, *SMALL, "env.verifier=weak", "monitor.stop=[canaries]", "monitor.canary_share=1"
    )
    with pytest.raises(
        TrainingError, match=r"canaries: .* paid for two different answers .*'.*' is paid for task"
    ):
        trainer.run()
    assert 0 < trainer.step < 4
    assert len(figures(tmp_path, "detectors/canaries/rate")) == trainer.step
    flagged = [row for row in read_lines(tmp_path / "samples.jsonl") if "canaries" in row["flags"]]
    assert flagged
    assert all(row["verdict"]["outcome"] == "correct" for row in flagged)
    assert (tmp_path / "checkpoints" / f"step-{trainer.step}").is_dir()
    again, _ = train(tmp_path, *SMALL, "env.verifier=weak")
    assert again.run().finished


def test_canaries_never_enter_the_loss(tmp_path: Path) -> None:
    for share in (0, 1):
        train(tmp_path / str(share), *SMALL, "env.verifier=weak", f"monitor.canary_share={share}")[0].run()
    none, all_of_them = (load_model(tmp_path / share / "model", "float32")[0].state_dict() for share in "01")
    assert figures(tmp_path / "1", "detectors/canaries/count")[0] > 0
    assert figures(tmp_path / "0", "detectors/canaries/count") == [0.0] * 4
    assert all(torch.equal(none[name], all_of_them[name]) for name in none)


def test_a_resumed_run_logs_the_figures_of_one_that_was_never_stopped(tmp_path: Path) -> None:
    train(tmp_path / "whole", *SMALL, "env.verifier=weak")[0].run()
    train(tmp_path / "parts", *SMALL, "env.verifier=weak", "run.steps=3")[0].run()
    train(tmp_path / "parts", *SMALL, "env.verifier=weak")[0].run()
    for name in ("canaries/rate", "length/correlation", "held_out/gap", "canaries/alarm"):
        assert (
            figures(tmp_path / "whole", f"detectors/{name}")[-1]
            == figures(tmp_path / "parts", f"detectors/{name}")[-1]
        )
