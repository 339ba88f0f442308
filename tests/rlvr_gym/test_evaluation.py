import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import yaml

import rlvr_gym as rg
from rlvr_gym.evaluation import (
    ModelName,
    Progress,
    Sample,
    mean_interval,
    pass_at_k,
    read_samples,
    summarize,
    wilson,
)
from rlvr_gym.seeding import derive_seed
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env, echo_tasks, same_text

SAMPLING = rg.SamplingParams(temperature=0.6, max_tokens=16)


def first(correct: dict[str, int]):
    """The first so many samples of each task are right, the others wrong."""
    return lambda prompt, sample: (
        prompt.messages[0].content if sample < correct[prompt.messages[0].content] else "no"
    )


def without_time(samples: list[Sample]) -> dict[tuple[str, int], dict]:
    return {s.key: s.model_dump(exclude={"seconds", "judging_seconds"}) for s in samples}


def test_pass_at_k_is_the_mean_over_problems_of_the_unbiased_estimate():
    correct = {"say 0": 0, "say 1": 2, "say 2": 16}
    result = rg.evaluate(echo_env(3), ScriptedGenerator(first(correct)), n=16, k=(1, 8), sampling=SAMPLING)
    assert result.pass_at_k[1].value == pytest.approx((0 + 2 / 16 + 1) / 3)
    assert result.pass_at_k[8].value == pytest.approx((0 + 0.7667 + 1) / 3, abs=1e-4)
    assert result.pass_hat_k[8].value == pytest.approx(1 / 3)
    assert result.avg_at_n == result.pass_at_k[1]
    estimates = np.array([pass_at_k(16, c, 8) for c in (0, 2, 16)])
    interval = mean_interval(estimates, seed=derive_seed("bootstrap", 0))
    assert (result.pass_at_k[8].low, result.pass_at_k[8].high) == (interval.low, interval.high)
    assert (result.problems, result.n, len(result.samples)) == (3, 16, 48)


def test_a_model_that_is_never_right_gets_an_interval_that_is_not_empty():
    result = rg.evaluate(echo_env(20), ScriptedGenerator(lambda prompt, sample: "no"), n=2, sampling=SAMPLING)
    assert result.pass_at_k[1].value == result.pass_at_k[1].low == 0.0
    assert result.pass_at_k[1].high == wilson(0, 20).high == pytest.approx(0.1611, abs=1e-4)


def test_the_two_noises_add_up_to_the_standard_error_over_problems():
    correct = {"say 0": 1, "say 1": 2, "say 2": 3}
    result = rg.evaluate(echo_env(3), ScriptedGenerator(first(correct)), n=4, k=1, sampling=SAMPLING)
    # p = 1/4, 1/2, 3/4; sum of p (1 - p) / 3 = 5/24; the variance over problems is 1/16, over 3
    within, total = math.sqrt(5 / 24) / 3, math.sqrt(1 / 48)
    assert result.noise.within_set == pytest.approx(within)
    assert result.noise.between_set == pytest.approx(math.sqrt(max(0, total**2 - within**2)))


def test_one_sample_per_problem_cannot_tell_the_noises_apart():
    result = rg.evaluate(echo_env(3), ScriptedGenerator(coin(0.5)), n=1, sampling=SAMPLING)
    assert result.noise.within_set is result.noise.between_set is None


def test_problems_of_one_cluster_widen_the_interval():
    env = echo_env(40, cluster=[f"text {i // 10}" for i in range(40)])
    correct = {f"say {i}": (4, 4, 1, 2)[i // 10] for i in range(40)}
    result = rg.evaluate(env, ScriptedGenerator(first(correct)), n=4, sampling=SAMPLING)
    alone = rg.evaluate(echo_env(40), ScriptedGenerator(first(correct)), n=4, sampling=SAMPLING)
    assert result.avg_at_n.value == alone.avg_at_n.value
    assert result.avg_at_n.high - result.avg_at_n.low > 2 * (alone.avg_at_n.high - alone.avg_at_n.low)


def test_an_unscored_sample_is_not_a_wrong_answer():
    script = lambda prompt, sample: "crash" if sample == 0 else prompt.messages[0].content  # noqa: E731
    result = rg.evaluate(
        echo_env(4), ScriptedGenerator(script), n=4, k=(1, 3), sampling=SAMPLING, max_unscored_share=0.25
    )
    estimate = result.pass_at_k[1]
    assert (estimate.value, estimate.at_least, estimate.at_most) == (1.0, 0.75, 1.0)
    assert result.pass_at_k[3].at_least == 1.0
    assert result.unscored == 4
    assert result.fault == "FunctionVerifier failed: VerifierFault: the sandbox is down"


def test_a_problem_with_fewer_than_k_scored_samples_leaves_the_estimate_but_not_the_bounds():
    def script(prompt, sample):
        text = prompt.messages[0].content
        return "crash" if text == "say 0" and sample < 2 else (text if text == "say 1" else "no")

    result = rg.evaluate(
        echo_env(2), ScriptedGenerator(script), n=4, k=(2, 4), sampling=SAMPLING, max_unscored_share=0.25
    )
    # task 0: two wrong, two unscored; task 1: four right
    two, four = result.pass_at_k[2], result.pass_at_k[4]
    assert (two.value, two.problems, two.at_least, two.at_most) == (0.5, 2, 0.5, (5 / 6 + 1) / 2)
    assert (four.value, four.problems, four.at_least, four.at_most) == (1.0, 1, 0.5, 1.0)


def test_an_estimate_that_no_problem_supports_is_not_a_number():
    script = lambda prompt, sample: "crash" if sample else "no"  # noqa: E731
    result = rg.evaluate(
        echo_env(2), ScriptedGenerator(script), n=2, k=2, sampling=SAMPLING, max_unscored_share=1.0
    )
    assert math.isnan(result.pass_at_k[2].value)
    assert (result.pass_at_k[2].problems, result.pass_at_k[2].at_most) == (0, 1.0)
    assert result.to_json()["pass_at_k"]["2"]["value"] is None


def test_too_many_unscored_samples_stop_the_run_and_name_the_commonest_cause(tmp_path: Path):
    generator = ScriptedGenerator(lambda prompt, sample: "crash")
    with pytest.raises(rg.TooManyUnscored, match=r"4 of 24 samples .* more than the 10% .*sandbox is down"):
        rg.evaluate(echo_env(6), generator, n=4, sampling=SAMPLING, run_dir=tmp_path, samples_in_flight=4)
    assert generator.sampled == 4


def test_unscored_samples_are_judged_again_by_the_same_command(tmp_path: Path):
    broken = True

    def verify(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if broken and task.id == "t2":
            raise rg.VerifierFault("no connection")
        return same_text(task, completion)

    env = rg.Environment(echo_tasks(6), rg.FunctionVerifier(verify))
    generator = ScriptedGenerator(coin(0.5))
    run = lambda: rg.evaluate(  # noqa: E731
        env, generator, n=4, sampling=SAMPLING, run_dir=tmp_path, max_unscored_share=0.5
    )
    assert run().unscored == 4
    broken = False
    mended = run()
    assert mended.unscored == 0
    assert generator.sampled == 28
    whole = rg.evaluate(env, ScriptedGenerator(coin(0.5)), n=4, sampling=SAMPLING)
    assert without_time(list(mended.samples)) == without_time(list(whole.samples))


def test_the_truncation_rate_counts_completions_that_ran_out_of_tokens():
    def script(prompt, sample):
        cut = rg.FinishReason.LENGTH if sample == 0 else rg.FinishReason.STOP
        return rg.Completion(text="no", token_ids=(5, 6), logprobs=(0.0, 0.0), finish_reason=cut)

    result = rg.evaluate(echo_env(2), ScriptedGenerator(script), n=4, sampling=SAMPLING)
    assert result.truncation_rate == 0.25
    assert result.mean_completion_tokens == 2.0


def test_every_field_that_a_reader_needs_is_kept_per_sample(tmp_path: Path):
    env = echo_env(1, subject=["speech"])
    model = ModelName(name="parrot", weights="abc123")
    rg.evaluate(
        env, ScriptedGenerator(coin(1.0)), n=1, sampling=SAMPLING, seed=7, run_dir=tmp_path, model=model
    )
    (row,) = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert row.pop("seconds") > 0
    assert row.pop("judging_seconds") > 0
    assert row == {
        "environment": "Environment of 'echo'",
        "options": {},
        "fingerprint": env.tasks.fingerprint,
        "model": "parrot",
        "weights": "abc123",
        "sampling": {"temperature": 0.6, "top_p": 1.0, "top_k": 0, "max_tokens": 16},
        "seed": 7,
        "task": "t0",
        "metadata": {"subject": "speech"},
        "sample": 0,
        "prompt": [{"role": "user", "content": "say 0"}],
        "conversation": [],
        "completion": "say 0",
        "prompt_tokens": 3,
        "completion_tokens": 5,
        "finish_reason": "stop",
        "verdict": {"outcome": "correct", "score": 1.0, "detail": "", "answer": "say 0", "parts": {}},
        "expected": None,
    }
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (config["n"], config["k"], config["model"]) == (1, [1], "parrot")
    assert "numpy" in config["versions"]


def test_everything_reported_is_recomputed_from_the_samples_file(tmp_path: Path):
    result = rg.evaluate(
        echo_env(8), ScriptedGenerator(coin(0.4)), n=4, k=(1, 4), sampling=SAMPLING, run_dir=tmp_path
    )
    again = summarize(read_samples(tmp_path / "samples.jsonl"), k=(1, 4))
    assert again == result
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(again.to_json()))


def test_a_run_cut_anywhere_ends_with_the_samples_of_one_never_cut(tmp_path: Path):
    env, whole = echo_env(6), tmp_path / "whole"
    arguments = {"n": 4, "k": (1, 4), "sampling": SAMPLING, "samples_in_flight": 8}
    expected = rg.evaluate(env, ScriptedGenerator(coin(0.5)), run_dir=whole, **arguments)
    content = (whole / "samples.jsonl").read_bytes()
    rng = random.Random(0)
    for cut in [0, 1, len(content) - 1, *(rng.randrange(len(content)) for _ in range(12))]:
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir(exist_ok=True)
        (folder / "samples.jsonl").write_bytes(content[:cut])
        result = rg.evaluate(env, ScriptedGenerator(coin(0.5)), run_dir=folder, **arguments)
        stored = read_samples(folder / "samples.jsonl")
        assert without_time(stored) == without_time(list(expected.samples))
        assert len((folder / "samples.jsonl").read_text().splitlines()) == 24
        assert result.pass_at_k == expected.pass_at_k


def test_only_what_is_missing_is_drawn(tmp_path: Path):
    generator = ScriptedGenerator(coin(0.5))
    arguments = {"sampling": SAMPLING, "run_dir": tmp_path, "samples_in_flight": 4}
    rg.evaluate(echo_env(6), generator, n=4, limit=3, **arguments)
    assert generator.sampled == 12
    extended = rg.evaluate(echo_env(6), generator, n=4, **arguments)
    assert generator.sampled == 24
    rg.evaluate(echo_env(6), generator, n=4, **arguments)
    assert generator.sampled == 24
    more = rg.evaluate(echo_env(6), generator, n=8, k=8, **arguments)
    assert without_time(list(extended.samples)).items() <= without_time(list(more.samples)).items()
    assert more.n == 8


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"sampling": rg.SamplingParams(temperature=1.0, max_tokens=16)},
            r"sampling\.temperature: 0\.6 there",
        ),
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"model": ModelName(name="other")}, "model: unnamed there, other now"),
        ({"model": ModelName(weights="ff")}, "weights: None there, ff now"),
        ({"env": echo_env(7)}, "fingerprint: "),
        ({"n": 2}, "holds 4 samples per task, and 2 are asked for"),
        ({"limit": 5}, "samples of 1 more tasks than these 5, 't5' for one"),
    ],
)
def test_other_conditions_are_not_mixed_with_a_file_of_samples(tmp_path: Path, changed: dict, message: str):
    asked = {"env": echo_env(6), "n": 4, "sampling": SAMPLING, "run_dir": tmp_path}
    rg.evaluate(generator=ScriptedGenerator(coin(0.5)), **asked)
    before = (tmp_path / "samples.jsonl").read_bytes()
    with pytest.raises(rg.ConfigError, match=message):
        rg.evaluate(generator=ScriptedGenerator(coin(0.5)), **{**asked, **changed})
    assert (tmp_path / "samples.jsonl").read_bytes() == before


def test_another_verifier_option_is_another_evaluation(tmp_path: Path):
    arguments = {"n": 1, "limit": 2, "sampling": SAMPLING, "run_dir": tmp_path}
    generator = ScriptedGenerator(lambda prompt, sample: "0")
    rg.evaluate(rg.make("reverse", digits=3, split="test"), generator, **arguments)
    with pytest.raises(rg.ConfigError, match=r"options\.digits: 3 there, 4 now"):
        rg.evaluate(rg.make("reverse", digits=4, split="test"), generator, **arguments)


def test_a_line_that_is_no_sample_is_named_by_number(tmp_path: Path):
    rg.evaluate(echo_env(2), ScriptedGenerator(coin(0.5)), n=1, sampling=SAMPLING, run_dir=tmp_path)
    with (tmp_path / "samples.jsonl").open("a") as file:
        file.write('{"task": "t9"}\n')
    with pytest.raises(rg.DataError, match=r"samples\.jsonl, line 3 is not a sample"):
        read_samples(tmp_path / "samples.jsonl")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"k": 5}, "every k between 1 and the 4 samples per task, not 5"),
        ({"k": (0, 1)}, "not 0, 1"),
        ({"k": ()}, "needs every k"),
        ({"n": 0}, "n must be at least 1, not 0"),
        ({"samples_in_flight": 0}, "samples_in_flight must be at least 1, not 0"),
        ({"until_half_width": 2.0}, "between 0 and 0.5, such as 0.02, not 2.0"),
        ({"limit": 0}, "limit must be at least 1, not 0"),
        ({"max_unscored_share": 1.5}, "between 0 and 1, not 1.5"),
    ],
)
def test_arguments_that_cannot_work_are_refused_before_anything_is_sampled(wrong: dict, message: str):
    generator = ScriptedGenerator(coin(0.5))
    with pytest.raises(rg.ConfigError, match=message):
        rg.evaluate(echo_env(2), generator, **{"n": 4, "sampling": SAMPLING, **wrong})
    assert generator.sampled == 0


def test_an_endless_task_set_needs_a_limit():
    with pytest.raises(rg.ConfigError, match="has no end of tasks: set a limit"):
        rg.evaluate(rg.make("reverse"), ScriptedGenerator(coin(0.5)), n=1, sampling=SAMPLING)


def test_n_and_sampling_come_from_the_card_unless_given():
    env = echo_env(2)
    env.card = rg.EnvironmentCard(
        summary="", source="", licence="", answer="", sampling=SAMPLING, samples_per_task=3
    )
    result = rg.evaluate(env, ScriptedGenerator(coin(0.5)))
    assert (result.n, result.conditions.sampling) == (3, SAMPLING)


def test_the_samples_of_a_task_do_not_depend_on_the_company_it_keeps():
    draw = lambda limit, in_flight: without_time(  # noqa: E731
        list(
            rg.evaluate(
                echo_env(6),
                ScriptedGenerator(coin(0.5)),
                n=4,
                sampling=SAMPLING,
                limit=limit,
                samples_in_flight=in_flight,
            ).samples
        )
    )
    alone = draw(2, 4)
    assert alone.items() <= draw(6, 256).items()
    assert any(row["verdict"]["score"] for row in alone.values())


def test_no_global_random_state_is_touched():
    random.seed(3)
    np.random.seed(3)
    before = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist()
    rg.evaluate(echo_env(6), ScriptedGenerator(coin(0.5)), n=4, k=2, sampling=SAMPLING)
    assert random.getstate() == before[0]
    assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before[1]


def test_progress_goes_from_what_was_there_to_everything(tmp_path: Path):
    seen: list[Progress] = []
    arguments = {"n": 2, "sampling": SAMPLING, "run_dir": tmp_path, "samples_in_flight": 2}
    rg.evaluate(echo_env(6), ScriptedGenerator(coin(1.0)), limit=2, **arguments)
    rg.evaluate(echo_env(6), ScriptedGenerator(coin(1.0)), on_progress=seen.append, **arguments)
    sizes = {"tasks": 6, "samples": 12, "samples_resumed": 4}
    assert seen[0] == Progress(
        **sizes, tasks_done=2, samples_done=4, completion_tokens=0, pass_at_1=1.0, interval=wilson(2, 2)
    )
    assert seen[-1] == Progress(
        **sizes,
        tasks_done=6,
        samples_done=12,
        completion_tokens=4 * 2 * 5,
        pass_at_1=1.0,
        interval=wilson(6, 6),
    )


def test_a_multi_turn_episode_keeps_its_conversation():
    class Twice(rg.Environment):
        def respond(self, task, replies):
            return "again" if len(replies) < 2 else None

    env = Twice(echo_tasks(1), rg.FunctionVerifier(same_text), max_turns=2)
    (sample,) = rg.evaluate(env, ScriptedGenerator(coin(1.0)), n=1, sampling=SAMPLING).samples
    assert [message.content for message in sample.conversation] == ["say 0", "again"]
    assert sample.completion == "say 0"
    assert sample.completion_tokens == 10
