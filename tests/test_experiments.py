"""Experiments: verdicts follow from figures by a rule, runs are made once, and the page is what the records give."""

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.__main__ import make_missing
from experiments.claims.dapo import BUDGET, PROMPTS, STOP, beginning, rambler, side
from experiments.claims.kl import cosine
from experiments.experiment import (
    Claim,
    Expectation,
    Experiment,
    Figures,
    Settings,
    State,
    Verdict,
    find,
    of,
    paired_interval,
    verdict,
)
from experiments.known import NAMES, load, records
from experiments.page import DOCS, files, page
from experiments.picture import picture
from experiments.records import Records, Run, code_of, fingerprint
from experiments.table import Table, recipe
from rlvr_gym.config import merge

MET, REFUTED, OPEN = State.MET, State.REFUTED, State.OPEN
BETTER = Expectation(says="score", more=of("new", "score"), less=of("old", "score"))


def state(new: list[float], old: list[float], expectation: Expectation = BETTER) -> State:
    runs = {
        name: {seed: {"score": value} for seed, value in enumerate(values)}
        for name, values in (("new", new), ("old", old))
    }
    return find(expectation, runs, range(len(new))).state


# The rule


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([MET], Verdict.HOLDS),
        ([MET, MET], Verdict.HOLDS),
        ([MET, OPEN], Verdict.CONDITIONS),
        ([MET, REFUTED], Verdict.CONDITIONS),
        ([OPEN, REFUTED], Verdict.FAILS),
        ([REFUTED], Verdict.FAILS),
        ([OPEN], Verdict.OPEN),
        ([OPEN, OPEN], Verdict.OPEN),
    ],
)
def test_a_verdict_follows_from_what_was_met(states: list[State], expected: Verdict) -> None:
    assert verdict(states) is expected


def test_a_claim_that_expects_nothing_has_no_verdict() -> None:
    with pytest.raises(ValueError, match="without expectations"):
        verdict([])


def test_an_effect_counts_only_where_the_whole_interval_is_off_zero() -> None:
    old = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (
        state([value + shift for value, shift in zip(old, [0.8, 1.0, 1.2, 0.9, 1.1], strict=True)], old)
        is MET
    )
    assert (
        state([value - shift for value, shift in zip(old, [0.8, 1.0, 1.2, 0.9, 1.1], strict=True)], old)
        is REFUTED
    )
    assert (
        state([value + shift for value, shift in zip(old, [3.0, -0.5, 1.0, -0.4, 0.5], strict=True)], old)
        is OPEN
    )


def test_seeds_are_compared_in_pairs_and_not_as_two_crowds() -> None:
    old = [10.0, 20.0, 30.0, 40.0, 50.0]
    assert state([value + 0.1 + value / 1000 for value in old], old) is MET
    assert state([50.1, 40.1, 30.1, 20.1, 10.1], old) is OPEN


def test_as_good_as_is_met_within_the_margin_and_reversed_beyond_it() -> None:
    old = [0.5] * 5
    as_good = dataclasses.replace(BETTER, margin=0.1)
    near, far, wide = [0.48, 0.47, 0.49, 0.48, 0.47], [0.2, 0.21, 0.19, 0.2, 0.22], [0.5, 0.1, 0.7, 0.3, 0.6]
    assert [state(new, old, as_good) for new in (near, far, wide)] == [MET, REFUTED, OPEN]
    assert state(near, old) is REFUTED


def test_a_number_that_is_known_can_stand_on_either_side() -> None:
    below = Expectation(says="score is negative", more=0.0, less=of("new", "score"))
    assert state([-1.0, -1.1, -0.9, -1.2, -1.0], [0.0] * 5, below) is MET
    above = Expectation(says="score is above 1", more=of("new", "score"), less=1.0)
    assert state([0.5, 0.6, 0.4, 0.5, 0.7], [0.0] * 5, above) is REFUTED


def test_the_interval_is_students_by_hand() -> None:
    # Mean 3, standard deviation sqrt(5 / 2), t of 4 degrees of freedom 2.776.
    interval = paired_interval(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    half = 2.7764 * (2.5**0.5) / 5**0.5
    assert (interval.low, interval.high) == (
        pytest.approx(3 - half, abs=1e-3),
        pytest.approx(3 + half, abs=1e-3),
    )


def test_five_equal_shares_are_no_proof_of_a_small_effect() -> None:
    equal = np.full(5, 0.02)
    assert paired_interval(equal).low == pytest.approx(0.02)
    assert paired_interval(equal, shares=True).low < 0
    assert paired_interval(np.ones(5), shares=True).low > 0


# Experiments and their records


def measure(settings: Settings, seed: int) -> Figures:
    return {"score": float(str(settings["score"])) + seed / 100}


def experiment(**changes: object) -> Experiment:
    one = Experiment(
        name="one",
        title="One thing",
        setup="Nothing is trained.",
        seeds=(0, 1, 2, 3, 4),
        sides={"new": {"score": 2.0}, "old": {"score": 1.0}},
        measure=measure,
        claims=(Claim(says="New is better.", stands="nowhere", expectations=(BETTER,)),),
    )
    return dataclasses.replace(one, **changes)


def filled(folder: Path, one: Experiment, code: str = "code") -> Records:
    found = Records(one, code, folder)
    for run in found.missing:
        found.keep(run, one.measure(one.sides[run.side], run.seed), 1.0)
    return found


def test_fewer_than_five_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="has 4 seeds: an interval needs 5 or more"):
        experiment(seeds=(0, 1, 2, 3, 3))


def test_an_expectation_on_a_side_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="has no side 'new'; sides: old"):
        experiment(sides={"old": {}})


def test_a_run_that_is_recorded_is_not_made_again(tmp_path: Path) -> None:
    first = Records(experiment(), "code", tmp_path)
    assert [(run.side, run.seed) for run in first.missing[:3]] == [("new", 0), ("old", 0), ("new", 1)]
    first.keep(first.missing[0], {"score": 2.0}, 1.5)
    again = Records(experiment(), "code", tmp_path)
    assert len(again.missing) == 9
    assert Run(experiment="one", side="new", seed=0) not in again.missing
    assert again.runs["new"] == {0: {"score": 2.0}}
    assert again.cpu_seconds == 1.5


def test_other_settings_of_a_side_make_its_records_invalid_and_no_others(tmp_path: Path) -> None:
    filled(tmp_path, experiment())
    changed = experiment(sides={"new": {"score": 3.0}, "old": {"score": 1.0}})
    found = Records(changed, "code", tmp_path)
    assert {run.side for run in found.missing} == {"new"}
    assert len(found.missing) == 5


def test_other_code_makes_all_records_invalid(tmp_path: Path) -> None:
    filled(tmp_path, experiment())
    assert len(Records(experiment(), "other code", tmp_path).missing) == 10


def test_another_text_or_another_expectation_keeps_the_records(tmp_path: Path) -> None:
    filled(tmp_path, experiment())
    said = Claim(
        says="New is as good.", stands="here", expectations=(dataclasses.replace(BETTER, margin=1.0),)
    )
    assert Records(experiment(claims=(said,), setup="Said anew."), "code", tmp_path).missing == []


def test_a_seed_that_is_no_longer_asked_for_is_not_counted(tmp_path: Path) -> None:
    filled(tmp_path, experiment())
    found = Records(experiment(seeds=(1, 2, 3, 4, 5)), "code", tmp_path)
    assert sorted(found.runs["new"]) == [1, 2, 3, 4]
    assert {run.seed for run in found.missing} == {5}


def test_a_figure_that_is_no_number_is_not_recorded(tmp_path: Path) -> None:
    found = Records(experiment(), "code", tmp_path)
    with pytest.raises(ValueError, match="one, new, seed 0: score is nan"):
        found.keep(found.missing[0], {"score": float("nan")}, 1.0)
    assert not found.path.exists()


def test_the_command_goes_on_where_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped = records("kl", tmp_path)
    total = len(stopped.missing)
    for run in stopped.missing[:-3]:
        stopped.keep(run, {"cosine": 1.0}, 0.0)
    make_missing({"kl": records("kl", tmp_path)}, jobs=1)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "3 runs to make"
    assert len(said) == 4
    assert total > 3
    assert records("kl", tmp_path).missing == []


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ("def f():\n    return 1\n", True),
        ('"""Another docstring."""\n\n\ndef f():\n    """Say it."""\n    return 1  # why\n', True),
        ("def f():\n    return 1\n\nEXPERIMENT = 5\n", True),
        ("def f():\n    return 2\n", False),
        ("from experiments.table import END\n\ndef f():\n    return 1\n", False),
    ],
)
def test_the_code_of_an_experiment_is_what_it_does(
    source: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    name = f"probe_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / f"{name}_plain.py").write_text('"""A module."""\n\ndef f():\n    return 1\n')
    found, plain = (code_of(importlib.import_module(one)) for one in (name, f"{name}_plain"))
    assert (found == plain) is same


def test_a_fingerprint_does_not_depend_on_the_order_of_settings() -> None:
    assert fingerprint({"a": 1, "b": 2}, "code") == fingerprint({"b": 2, "a": 1}, "code")
    assert fingerprint({"a": 1}, "code") != fingerprint({"a": 2}, "code")


# The page


def test_the_page_is_what_the_records_give() -> None:
    complete = [records(name) for name in NAMES]
    assert {one.experiment.name: len(one.missing) for one in complete if one.missing} == {}
    written = files(complete)
    assert {path.name for path in written if path.read_text(encoding="utf-8") != written[path]} == set()
    assert set((DOCS / "handbook").iterdir()) == {path for path in written if path.suffix == ".svg"}


def test_every_experiment_is_known_and_every_record_is_of_one() -> None:
    folder = Path(importlib.import_module("experiments").__file__ or "").parent
    modules = {path.stem for path in (folder / "claims").glob("*.py")} - {"__init__"}
    assert modules == set(NAMES) == {path.stem for path in (folder / "results").iterdir()}
    assert all(load(name).name == name for name in NAMES)


def test_a_page_tells_verdicts_figures_and_intervals(tmp_path: Path) -> None:
    text = page([filled(tmp_path, experiment())])
    assert "| New is better. | holds | [One thing](#one-thing) |" in text
    assert "| score | 2.02 | 1.02 (old) | +1 | +1 to +1 | as claimed |" in text
    worse = experiment(sides={"new": {"score": 0.0}, "old": {"score": 1.0}})
    assert "| New is better. | does not hold here |" in page([filled(tmp_path, worse)])


def test_a_picture_has_a_dot_for_each_seed_on_the_side_that_it_is_on(tmp_path: Path) -> None:
    found = filled(tmp_path, experiment())
    svg = picture([find(BETTER, found.runs, found.experiment.seeds)])
    dots = [float(part.split('"')[1]) for part in svg.split("<circle ")[1:]]
    middle = float(svg.split("<line ")[1].split('"')[1])
    assert len(dots) == 5
    assert min(dots) > middle


# The table


def test_a_tables_samples_have_the_log_probabilities_that_it_computes() -> None:
    config = recipe(
        merge(
            {"recipe": "dapo", "sampling": {"max_tokens": BUDGET}, "batch": {"prompts": 4, "group_size": 8}},
            {key: value for key, value in side().items() if key != "rate"},
        )
    )
    table = Table(rambler(0), beginning(0), config, seed=0, rate=1.0)
    groups = table.groups(range(4))
    rollouts = [rollout for group in groups for rollout in group]
    tokens = table.algorithm.tokens(rollouts, [number for number, group in enumerate(groups) for _ in group])
    logprobs, entropies = table.logprobs(tokens, table.logits_SV)
    torch.testing.assert_close(logprobs.detach(), tokens.rollout_logprobs_BT, rtol=0, atol=1e-12)
    assert float(entropies.detach()[tokens.mask_BT].min()) > 0
    assert {rollout.truncated for rollout in rollouts} == {True, False}
    for rollout in rollouts:
        assert rollout.truncated == (STOP not in rollout.token_ids)
        assert len(rollout.token_ids) <= BUDGET
    assert table.samples == 32


def test_a_table_learns_what_is_rewarded() -> None:
    config = recipe({"recipe": "dapo", "sampling": {"max_tokens": BUDGET}, "overlong": {"penalty_share": None},
                     "dynamic_sampling": None, "batch": {"prompts": PROMPTS, "group_size": 8}})  # fmt: skip
    table = Table(rambler(1), beginning(1), config, seed=1, rate=20.0)

    def right() -> float:
        return float(
            np.mean([rollout.verdict.correct for group in table.groups(range(PROMPTS)) for rollout in group])
        )

    before = right()
    for _ in range(20):
        table.learn(table.groups(range(PROMPTS)))
    assert right() > before + 0.3
    assert table.updates == 20 * config.batch.updates


def test_a_gradient_of_rounding_has_no_direction() -> None:
    one = torch.tensor([1.0, 0.0])
    assert cosine(one * 1e-15, one) == 0.0
    assert cosine(one, one) == pytest.approx(1.0)
