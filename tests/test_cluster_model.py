"""The model of training on many devices, worked by hand where that is possible."""

import json
import math
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from cluster.assumed import MODELS, assumed, reasoning_lengths
from cluster.measured import non_negative
from cluster.quantities import Cluster, Rates, Work
from cluster.simulation import simulate

RATES = Rates(
    decode_seconds=0.01, row_seconds=0.001, prompt_seconds=0.0, max_rows=4, verdict_seconds=0.5, judges=100,
    learn_seconds=0.001, sync_seconds=0.2,
)  # fmt: skip
WORK = Work(prompts=2, group_size=2, prompt_tokens=10, lengths=[100])
ALONE = Cluster(samplers=1, learners=1)


def seconds(rates: Rates = RATES, work: Work = WORK, cluster: Cluster = ALONE) -> float:
    return simulate(rates, work, cluster, steps=30, skip=5).step_seconds


def test_a_step_in_turn_is_the_sum_of_its_parts():
    sampling, learning = 100 * (0.01 + 4 * 0.001), (4 * 100 + 2 * 10) * 0.001
    assert seconds() == pytest.approx(sampling + 0.5 + learning + 0.2)


def test_rows_beyond_those_that_fit_wait():
    sampling = 2 * 100 * (0.01 + 2 * 0.001)
    assert seconds(replace(RATES, max_rows=2)) == pytest.approx(sampling + 0.5 + 0.42 + 0.2)


def test_prompts_are_computed_once_a_group_before_rows_go_on():
    prompts = 2 * 10 * 0.003
    assert seconds(replace(RATES, prompt_seconds=0.003)) == pytest.approx(seconds() + prompts)


def test_each_token_looks_back_at_its_context():
    rates = replace(RATES, context_seconds=1e-5)
    contexts = sum(4 * (10 + t) for t in range(100))
    assert seconds(rates) == pytest.approx(seconds() + contexts * 1e-5, rel=0.01)


def test_judges_work_so_many_at_once():
    assert seconds(replace(RATES, judges=1)) == pytest.approx(seconds() + 3 * 0.5)


def test_two_samplers_and_two_learners_share_the_work():
    sampling, learning = 100 * (0.01 + 2 * 0.001), 0.42 / 2
    together = Cluster(samplers=2, learners=2)
    assert seconds(cluster=together) == pytest.approx(sampling + 0.5 + learning + 0.2)
    costs = replace(RATES, reduce_seconds=0.3)
    assert seconds(costs, cluster=together) == pytest.approx(seconds(cluster=together) + 0.3)
    assert seconds(costs) == pytest.approx(seconds())


def test_ahead_of_the_learner_a_step_takes_as_long_as_the_slower_side():
    ahead = replace(ALONE, staleness=1)
    sampling_and_loading = 1.4 + 0.5 + 0.2
    assert seconds(cluster=ahead) == pytest.approx(sampling_and_loading)
    slow_learner = replace(RATES, learn_seconds=0.01)
    assert seconds(slow_learner, cluster=ahead) == pytest.approx(4.2 + 0.2)


def test_more_rounds_ahead_hide_slow_verdicts():
    slow = replace(RATES, verdict_seconds=5.0)
    times = [seconds(slow, cluster=replace(ALONE, staleness=age)) for age in (0, 1, 2, 4)]
    assert times == sorted(times, reverse=True)
    assert times[-1] < times[0] / 3


def test_a_sampler_that_decodes_one_round_at_a_time_has_its_rounds_one_after_another():
    ahead, wide = replace(ALONE, staleness=2), replace(RATES, max_rows=8)
    one_by_one = seconds(replace(wide, continuous=False), cluster=ahead)
    assert one_by_one == pytest.approx(100 * (0.01 + 4 * 0.001) + 0.2)
    together = 100 * (0.01 + 8 * 0.001) / 2 + 0.2
    assert together < seconds(wide, cluster=ahead) < one_by_one


def test_dynamic_sampling_draws_until_enough_groups_are_kept():
    work = Work(prompts=64, group_size=2, prompt_tokens=10, lengths=[50])
    rates = replace(RATES, max_rows=1024, verdict_seconds=0.0)
    rounds = [seconds(rates, replace(work, keep_share=share)) for share in (1.0, 0.5, 0.1)]
    assert rounds[0] < rounds[1] < rounds[2]


def test_what_is_learned_is_what_was_drawn_and_shares_are_shares():
    work = Work(prompts=16, group_size=8, prompt_tokens=20, lengths=reasoning_lengths(median=60, most=500))
    rates = replace(RATES, max_rows=32)
    for cluster in (ALONE, Cluster(samplers=3, learners=2, staleness=2)):
        figures = simulate(rates, work, cluster, steps=40, skip=4)
        mean = sum(work.lengths) / len(work.lengths)
        assert figures.tokens_per_second * figures.step_seconds == pytest.approx(16 * 8 * mean, rel=0.05)
        shares = figures.learning_share + figures.waiting_share + figures.sync_share
        assert shares == pytest.approx(1.0)
        assert 0 < figures.row_share <= figures.sampling_share <= 1.0


def test_equal_seeds_give_equal_figures():
    work = replace(WORK, lengths=reasoning_lengths(median=60, most=500))
    first, second, other = (simulate(RATES, work, ALONE, seed=seed) for seed in (1, 1, 2))
    assert first == second != other


def test_a_thousand_cards_are_simulated():
    model = MODELS[0]
    rates = assumed(model, verdict_seconds=0.01, judges=16)
    work = Work(prompts=512, group_size=4, prompt_tokens=256, lengths=reasoning_lengths())
    figures = simulate(rates, work, Cluster(samplers=750, learners=250, staleness=1), steps=2, skip=1)
    longest = 16_384 * rates.decode_seconds
    assert longest * 0.5 < figures.step_seconds < 10 * longest


def test_rates_are_fitted_and_none_is_negative():
    parts = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert non_negative(parts, np.array([2.0, 3.0, 5.0])) == pytest.approx([2, 3])
    below = non_negative(parts, np.array([2.0, -1.0, 1.0]))
    assert below[1] == 0.0
    assert below[0] > 0


def test_the_command_reads_rates_from_a_file_and_names_unknown_fields(tmp_path: Path):
    file = tmp_path / "rates.json"
    file.write_text(json.dumps({**asdict(RATES), **asdict(WORK)}))
    script = Path(__file__).parents[1] / "benchmarks/cluster_model.py"
    done = subprocess.run([sys.executable, script, "step", file], capture_output=True, text=True, check=True)
    said = float(done.stdout.splitlines()[0].split()[-1])
    assert math.isclose(said, seconds(), abs_tol=1e-3)
    file.write_text(json.dumps({**asdict(RATES), **asdict(WORK), "speed": 3}))
    done = subprocess.run([sys.executable, script, "step", file], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unknown fields speed" in done.stderr
