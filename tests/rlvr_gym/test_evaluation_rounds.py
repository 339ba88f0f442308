from pathlib import Path

import numpy as np
import pytest

import rlvr_gym as rg
from rlvr_gym.evaluation import read_samples
from rlvr_gym.evaluation.rounds import rounds
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env, echo_tasks

SAMPLING = rg.SamplingParams(temperature=0.6, max_tokens=16)


def test_rounds_begin_with_32_tasks_and_grow_by_half():
    sizes = [len(each) for each in rounds(echo_tasks(300).take(300), seed=0)]
    assert sizes == [32, 16, 24, 36, 54, 81, 57]
    assert [len(each) for each in rounds(echo_tasks(10).take(10), seed=0)] == [10]


def test_rounds_take_the_tasks_in_an_order_drawn_by_the_seed():
    tasks = echo_tasks(200).take(200)
    orders = [[task.id for each in rounds(tasks, seed) for task in each] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(task.id for task in tasks)
    first = {int(id[1:]) for id in orders[0][:32]}
    assert min(first) < 50 < 150 < max(first)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_sampling_stops_at_the_first_round_whose_interval_is_tight_enough(concurrency: int):
    arguments = {"n": 4, "k": (1, 2), "sampling": SAMPLING}
    generator = ScriptedGenerator(coin(0.5), concurrency)
    result = rg.evaluate(echo_env(400), generator, until_half_width=0.1, **arguments)
    assert result.problems in (32, 48, 72)
    assert generator.sampled == result.problems * 4
    assert max(estimate.half_width for estimate in result.pass_at_k.values()) <= 0.1
    whole = rg.evaluate(echo_env(400), ScriptedGenerator(coin(0.5)), **arguments)
    assert {s.key for s in result.samples} < {s.key for s in whole.samples}


def test_every_k_has_to_be_tight_enough():
    right = lambda prompt, sample: "no" if sample else prompt.messages[0].content  # noqa: E731
    env, arguments = echo_env(400), {"n": 4, "sampling": SAMPLING, "until_half_width": 0.05}
    # pass@1 is 1/4 and pass@4 is 1 for every problem: no spread, and proportions' intervals
    one = rg.evaluate(env, ScriptedGenerator(right), k=4, **arguments)
    both = rg.evaluate(env, ScriptedGenerator(right), k=(1, 4), **arguments)
    assert (one.problems, both.problems) == (48, 364)


def test_a_k_without_an_interval_is_not_tight_enough():
    # One sample of every task is unscored, so that no task has the four that pass@4 takes.
    script = lambda prompt, sample: "no" if sample else "crash"  # noqa: E731
    arguments = {"n": 4, "sampling": SAMPLING, "until_half_width": 0.2, "max_unscored_share": 0.25}
    assert rg.evaluate(echo_env(60), ScriptedGenerator(script), k=(1, 3), **arguments).problems == 32
    for k in ((1, 4), (4,)):
        assert rg.evaluate(echo_env(60), ScriptedGenerator(script), k=k, **arguments).problems == 60


def test_the_share_that_may_be_unscored_is_that_of_the_samples_at_which_sampling_stops(tmp_path: Path):
    # 8 of the first 32 samples, which are fewer than a tenth of all 400
    tasks = [task.id for task in next(rounds(echo_tasks(400).take(400), seed=0))]
    script = lambda prompt, sample: "crash" if f"t{prompt.messages[0].content[4:]}" in tasks[:8] else "no"  # noqa: E731
    arguments = {"n": 1, "sampling": SAMPLING, "until_half_width": 0.2, "run_dir": tmp_path}
    with pytest.raises(rg.TooManyUnscored, match="8 of 32 samples could not be judged, more than the 10%"):
        rg.evaluate(echo_env(400), ScriptedGenerator(script), **arguments)
    mended = rg.evaluate(echo_env(400), ScriptedGenerator(lambda prompt, sample: "no"), **arguments)
    assert (mended.problems, mended.unscored) == (32, 0)


def test_a_set_too_small_for_the_half_width_is_sampled_whole():
    result = rg.evaluate(
        echo_env(40), ScriptedGenerator(coin(0.5)), n=2, sampling=SAMPLING, until_half_width=0.001
    )
    assert result.problems == 40


def test_a_stopped_run_goes_on_to_the_same_stop_and_further_when_asked(tmp_path: Path):
    run = lambda half_width, generator: rg.evaluate(  # noqa: E731
        echo_env(300), generator, n=2, sampling=SAMPLING, run_dir=tmp_path, until_half_width=half_width
    )
    first = run(0.12, ScriptedGenerator(coin(0.5)))
    file = tmp_path / "samples.jsonl"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    again = run(0.12, ScriptedGenerator(coin(0.5)))
    assert again.pass_at_k == first.pass_at_k
    untouched = ScriptedGenerator(coin(0.5))
    run(0.12, untouched)
    assert untouched.sampled == 0
    assert run(0.06, ScriptedGenerator(coin(0.5))).problems > first.problems
    assert run(None, ScriptedGenerator(coin(0.5))).problems == 300
    assert len(read_samples(file)) == 600


def stopped_mean(accuracies: np.ndarray, seed: int) -> tuple[float, bool]:
    """The result of an evaluation whose tasks are right with these probabilities; and whether it covers 1/2."""

    def say(prompt: rg.GenerationRequest, sample: int) -> rg.Completion | str:
        share = accuracies[int(prompt.messages[0].content.split()[1])]
        return coin(share)(prompt, sample)

    result = rg.evaluate(
        echo_env(len(accuracies)),
        ScriptedGenerator(say),
        n=1,
        sampling=SAMPLING,
        until_half_width=0.15,
        seed=seed,
    )
    estimate = result.avg_at_n
    return estimate.value, estimate.low <= 0.5 <= estimate.high


def test_stopping_does_not_move_the_estimate_of_a_set_that_is_sorted_by_difficulty():
    accuracies = np.linspace(1.0, 0.0, 120)
    results = [stopped_mean(accuracies, seed) for seed in range(60)]
    # about 48 tasks each: standard error .07, of the mean of 60 .009
    assert np.mean([value for value, _ in results]) == pytest.approx(0.5, abs=0.035)
    assert sum(covered for _, covered in results) >= 53


def test_what_an_unfinished_run_drew_in_another_order_is_complete_before_a_stop(tmp_path: Path):
    arguments = {"n": 2, "sampling": SAMPLING, "run_dir": tmp_path}
    rg.evaluate(echo_env(150), ScriptedGenerator(coin(0.5)), **arguments)
    file, order = (
        tmp_path / "samples.jsonl",
        [id for each in rounds(echo_tasks(150).take(150), 0) for id in each],
    )
    late = order[100].id  # in the fifth round, of tasks 108 and less
    kept = [sample for sample in read_samples(file) if (sample.task, sample.sample) == (late, 0)]
    file.write_text("".join(f"{sample.model_dump_json()}\n" for sample in kept), encoding="utf-8")
    result = rg.evaluate(echo_env(150), ScriptedGenerator(coin(0.5)), until_half_width=0.4, **arguments)
    assert result.problems == 108
    assert len(read_samples(file)) == 2 * 108
