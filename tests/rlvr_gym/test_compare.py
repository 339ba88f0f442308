"""Two evaluations, paired by problem."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import ModelName, Sample, Tally, summarize
from rlvr_gym.evaluation.compare import compare, crossings, difference, in_common
from rlvr_gym.evaluation.statistics.intervals import difference_interval
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env, echo_tasks, same_text


def of(task: str, correct: int, n: int, unscored: int = 0) -> Tally:
    scores = (1.0,) * correct + (0.0,) * (n - correct - unscored)
    return Tally(task=task, scores=scores, correct=correct, unscored=unscored)


def samples(correct: dict[str, list[bool | None]], **conditions: object) -> list[Sample]:
    """Samples of tasks, right, wrong or (None) unscored."""
    verdicts = {True: rg.Verdict.right(), False: rg.Verdict.wrong(), None: rg.Verdict.unscored("down")}
    said = {"environment": "acme/Echo-v0", "options": {}, "fingerprint": "f", "model": "m", "weights": None}
    return [
        Sample.model_validate(
            said | {"sampling": rg.SamplingParams(), "seed": 0} | conditions
            | {
                "task": task, "metadata": {}, "sample": index, "prompt": [{"role": "user", "content": task}],
                "conversation": [], "completion": "x", "prompt_tokens": 1, "completion_tokens": 1,
                "finish_reason": "stop", "verdict": verdicts[right], "seconds": 0.0, "judging_seconds": 0.0,
            }
        )
        for task, answers in correct.items()
        for index, right in enumerate(answers)
    ]  # fmt: skip


def test_a_difference_is_the_mean_over_problems_of_what_changed():
    pairs = [(of("a", 1, 4), of("a", 3, 4)), (of("b", 4, 4), of("b", 2, 4)), (of("c", 0, 4), of("c", 0, 4))]
    at_1, at_2 = difference(pairs, 1), difference(pairs, 2)
    assert at_1.value == pytest.approx((0.5 - 0.5 + 0) / 3)
    # pass@2 of 1, 2, 3 and 4 right of 4: 1/2, 5/6, 1 and 1.
    assert at_2.value == pytest.approx((0.5 - 1 / 6 + 0) / 3)
    assert (at_2.first, at_2.second) == (pytest.approx(1.5 / 3), pytest.approx((1 + 5 / 6) / 3))
    assert (at_1.gains, at_1.losses, at_1.problems) == (1, 1, 3)
    assert at_1.low < at_1.value < at_1.high


def test_pairing_sees_a_small_difference_between_problems_that_differ_greatly():
    rng = np.random.default_rng(0)
    right = rng.integers(0, 60, size=80)
    pairs = [(of(str(i), int(c), 64), of(str(i), int(c) + 2 + int(i % 3), 64)) for i, c in enumerate(right)]
    found = difference(pairs, 1)
    assert found.sign == 1
    assert 0.03 < found.low < found.value < found.high < 0.06


def test_where_nothing_changed_the_interval_is_still_as_wide_as_what_might():
    unchanged = difference_interval(np.zeros(30), seed=0)
    assert (unchanged.low, unchanged.high) == (
        pytest.approx(-0.1135, abs=1e-3),
        pytest.approx(0.1135, abs=1e-3),
    )
    clustered = difference_interval(np.zeros(30), seed=0, clusters=[i % 3 for i in range(30)])
    assert clustered.high > 0.5


def test_one_small_change_does_not_rule_out_larger_ones():
    # One of 100 problems changed by 1/16; that 1 in 100 changes by a whole 1 is no surprise after that.
    changes = np.zeros(100)
    changes[0] = 1 / 16
    interval = difference_interval(changes, seed=0)
    assert interval.low < -0.005
    assert 0.005 < interval.high < difference_interval(np.zeros(100), seed=0).high


def test_problems_of_one_cluster_are_drawn_together():
    changes = np.repeat(np.random.default_rng(1).choice([-0.5, 0.0, 0.6], size=12), 10)
    alone = difference_interval(changes, seed=0)
    together = difference_interval(changes, seed=0, clusters=[i // 10 for i in range(120)])
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_unscored_samples_are_left_out_and_bound_the_difference():
    pairs = [(of("a", 2, 4, unscored=1), of("a", 2, 4)), (of("b", 1, 4), of("b", 1, 4, unscored=2))]
    found = difference(pairs, 1)
    assert found.value == pytest.approx(((2 / 4 - 2 / 3) + (1 / 2 - 1 / 4)) / 2)
    assert found.at_least == pytest.approx(((2 / 4 - 3 / 4) + (1 / 4 - 1 / 4)) / 2)
    assert found.at_most == pytest.approx(((2 / 4 - 2 / 4) + (3 / 4 - 1 / 4)) / 2)
    at_3 = difference(pairs, 3)
    assert at_3.problems == 1
    at_4 = difference(pairs, 4)
    assert (at_4.problems, math.isnan(at_4.value), math.isnan(at_4.low)) == (0, True, True)


def test_a_crossing_is_found_where_it_is():
    """Always right on half of the problems, against one in four on all of them: equal where 1 - .75^k = .5."""
    n = 400
    pairs = [(of(str(i), n // 4, n), of(str(i), n * (i % 2), n)) for i in range(40)]
    (crossing,) = crossings(pairs, 64)
    assert (crossing.before, crossing.after, crossing.ahead) == (2, 3, 1)
    assert crossings([(a, a) for a, _ in pairs], 64) == ()
    assert crossings(pairs, 2) == ()


def test_problems_gained_and_lost_are_named():
    first = samples({"a": [False, False], "b": [True, False], "c": [False, True], "d": [False, False]})
    second = samples({"a": [False, True], "b": [True, True], "c": [False, False], "d": [False, False]})
    found = compare(first, second)
    assert (found.gained, found.lost) == (("a",), ("c",))
    assert list(found.differences) == [1, 2]


def test_more_samples_do_not_solve_more_problems_by_themselves():
    found = compare(samples({"a": [False, False]}), samples({"a": [False, False, True]}))
    assert (found.gained, found.samples) == ((), 2)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"fingerprint": "g"}, "task-set fingerprint: f in the first, g in the second"),
        (
            {"environment": "acme/Echo-v1"},
            "environment and version: acme/Echo-v0 in the first, acme/Echo-v1 in the second",
        ),
    ],
)
def test_runs_that_were_not_asked_the_same_are_refused_unless_the_common_tasks_are_asked_for(other, named):
    first, second = samples({"a": [True], "b": [True]}), samples({"b": [False], "c": [True]}, **other)
    with pytest.raises(rg.ConfigError, match="not asked the same") as refused:
        compare(first, second)
    assert named in str(refused.value)
    assert len(str(refused.value).splitlines()) == 3
    found = compare(first, second, common=True)
    assert (found.problems, found.left_out, found.lost) == (1, (1, 1), ("b",))
    assert len(found.notes) == 1


def test_the_same_id_with_another_prompt_is_no_task_in_common():
    second = [sample.model_copy(update={"prompt": (rg.Message(role="user", content="else"),)}) for sample in
              samples({"a": [True]})]  # fmt: skip
    with pytest.raises(
        rg.ConfigError, match=r"no task in common.*: 1 have the same id in both, and another prompt"
    ):
        compare(samples({"a": [True]}), second, common=True)
    with pytest.raises(rg.ConfigError, match=r"no task in common.*: no id is in both"):
        compare(samples({"a": [True]}), samples({"b": [True]}), common=True)


def test_a_refusal_names_the_options_that_made_the_tasks_others():
    first = samples({"a": [True]}, fingerprint="g", options={"digits": 2, "split": "test"})
    with pytest.raises(rg.ConfigError) as refused:
        compare(first, samples({"a": [True]}, options={"split": "test", "style": "symbols"}))
    assert str(refused.value).splitlines()[2:4] == [
        "  options.digits: 2 in the first, not set in the second",
        "  options.style: not set in the first, symbols in the second",
    ]


def test_the_truncated_share_of_each_run_is_that_of_the_common_tasks():
    first, second = samples({"a": [True] * 4, "b": [True] * 4}), samples({"a": [True] * 4})
    cut = [s.model_copy(update={"finish_reason": rg.FinishReason.LENGTH}) for s in first[:1] + first[4:]]
    assert compare([*cut, *first[1:4]], second).truncation_rates == (0.25, 0.0)


def test_the_samples_of_problems_that_one_run_lacks_are_not_in_common():
    first, second = samples({"b": [True] * 2, "a": [True]}), samples({"a": [False], "c": [True]})
    ours, theirs = in_common(first, second)
    assert ([s.key for s in ours], [s.key for s in theirs]) == ([("a", 0)], [("a", 0)])
    assert (ours[0].verdict.correct, theirs[0].verdict.correct) == (True, False)


def test_sampling_that_differs_is_told_and_not_refused():
    warm = rg.SamplingParams(temperature=0.6)
    found = compare(samples({"a": [True]}), samples({"a": [True]}, sampling=warm))
    assert found.notes == (("sampling.temperature", 1.0, 0.6),)


def test_the_order_in_which_samples_were_finished_makes_no_difference():
    rng = np.random.default_rng(3)
    first, second = (
        samples({f"t{i}": list(rng.random(4) < rng.random()) for i in range(40)}) for _ in range(2)
    )
    shuffled = [first[i] for i in rng.permutation(len(first))]
    assert compare(first, second, k=[1, 4]) == compare(shuffled, second, k=[1, 4])
    assert summarize(first, k=[1, 4]).pass_at_k == summarize(shuffled, k=[1, 4]).pass_at_k


def test_k_above_what_both_have_is_refused():
    with pytest.raises(rg.ConfigError, match="between 1 and the 2 samples that both runs have, not 3"):
        compare(samples({"a": [True] * 4}), samples({"a": [True] * 2}), k=[3])


def rejections(simulations: int, problems: int, n: int, k: int) -> float:
    """Measure how often two equal models are told apart; pass rates are drawn evenly."""
    rng = np.random.default_rng([problems, n, k])
    false = 0
    for simulation in range(simulations):
        rates = rng.random(problems)
        right = rng.binomial(n, rates, size=(2, problems))
        pairs = [(of(str(i), int(a), n), of(str(i), int(b), n)) for i, (a, b) in enumerate(right.T)]
        false += difference(pairs, k, seed=simulation).sign != 0
    return false / simulations


@pytest.mark.parametrize(("problems", "n", "k"), [(30, 1, 1), (30, 8, 1), (100, 8, 4)])
def test_two_equal_models_are_told_apart_in_about_one_of_twenty_comparisons(problems, n, k):
    assert 0.025 <= rejections(400, problems, n, k) <= 0.08


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("problems", "n", "k"), [(30, 1, 1), (30, 16, 8), (100, 16, 1)])
def test_over_two_thousand_comparisons_the_rate_is_near_five_in_a_hundred(problems, n, k):
    assert 0.03 <= rejections(2000, problems, n, k) <= 0.065


def evaluated(folder: Path, share: float, seed: int = 0) -> Path:
    env = rg.Environment(echo_tasks(12), rg.FunctionVerifier(same_text))
    rg.evaluate(
        env, ScriptedGenerator(coin(share)), n=8, k=(1, 8), sampling=rg.SamplingParams(), run_dir=folder,
        seed=seed, model=ModelName(name=f"coin-{share}"),
    )  # fmt: skip
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["compare", *map(str, arguments)])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


def test_the_command_prints_differences_changes_and_whether_the_curves_cross(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "160")
    first, second = evaluated(tmp_path / "a", 0.1), evaluated(tmp_path / "b", 0.9)
    code, out, err = told(capsys, first, second)
    assert code == 0, err
    assert "A  " in out
    assert ": Environment of 'echo', coin-0.9" in out
    rows = [line.replace("│", " ").split() for line in out.splitlines() if line.startswith("│")]
    assert [row[0] for row in rows] == ["1", "8"]
    assert float(rows[0][3]) > 0.5
    assert "12 tasks in common" in out
    assert "lost    0 tasks that A alone solved in 8 samples" in out
    assert "the pass@k curves do not cross" in out
    assert out.splitlines()[0].endswith("; truncated 0.0%")
    code, out, _ = told(capsys, first, second, "--k", "2", "--json")
    assert json.loads(out)["differences"]["2"]["low"] > 0


def test_the_command_refuses_another_task_set_by_name_and_draws_a_picture(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    first = evaluated(tmp_path / "a", 0.5)
    rg.evaluate(
        echo_env(5),
        ScriptedGenerator(coin(0.5)),
        n=8,
        k=1,
        sampling=rg.SamplingParams(),
        run_dir=tmp_path / "c",
    )
    code, _, err = told(capsys, first, tmp_path / "c")
    assert code == 2
    assert "task-set fingerprint" in err
    assert "--common" in err
    code, out, err = told(capsys, first, tmp_path / "c", "--common", "--picture", tmp_path / "p.png")
    assert code == 0, err
    assert "5 tasks in common; left out: 7 of A, 0 of B" in out
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
