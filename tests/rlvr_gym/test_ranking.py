"""bon@k: what the sample that a model ranks highest is worth, by every draw there is, and in an evaluation."""

import json
import math
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import Sample, bon_at_k, pass_at_k, ranks_of, summarize
from rlvr_gym.evaluation.ranking import ranker_in
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.rewards import new_head, save_head
from rlvr_gym.generation.step_scores import save_step_head
from rlvr_gym.verifiers import ProcessRewardModel, RewardModel
from tests.rlvr_gym.scripted import ScriptedGenerator

SAMPLING = rg.SamplingParams(max_tokens=16)


def chosen(drawn: tuple[tuple[float, bool], ...]) -> float:
    """The share of right samples among those that are ranked highest."""
    highest = max(rank for rank, _ in drawn)
    tied = [right for rank, right in drawn if rank == highest]
    return sum(tied) / len(tied)


@given(
    st.lists(st.tuples(st.sampled_from([-math.inf, 0.0, 0.2, 0.5]), st.booleans()), min_size=1, max_size=10),
    st.data(),
)
def test_bon_at_k_is_the_mean_over_draws_of_what_is_ranked_highest(
    samples: list[tuple[float, bool]], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(samples)))
    expected = np.mean([chosen(drawn) for drawn in combinations(samples, k)])
    ranks, right = [rank for rank, _ in samples], [one for _, one in samples]
    assert bon_at_k(ranks, right, k) == pytest.approx(expected, abs=1e-12)


def test_bon_of_two_among_three_by_hand() -> None:
    # draws: (.2 right, .5 wrong), (.2 right, .8 right), (.5 wrong, .8 right): two of three are won
    assert bon_at_k([0.5, 0.2, 0.8], [False, True, True], 2) == pytest.approx(2 / 3)
    assert bon_at_k([0.5, 0.2, 0.8], [False, True, True], 3) == 1.0
    assert bon_at_k([0.5, 0.5], [False, True], 2) == 0.5


@pytest.mark.parametrize(("n", "c", "k"), [(8, 3, 4), (5000, 17, 64)])
def test_a_ranker_that_knows_has_pass_at_k_and_one_that_knows_nothing_has_pass_at_1(
    n: int, c: int, k: int
) -> None:
    right = [place < c for place in range(n)]
    assert bon_at_k([float(one) for one in right], right, k) == pytest.approx(pass_at_k(n, c, k), abs=1e-12)
    assert bon_at_k([0.5] * n, right, k) == pytest.approx(c / n, abs=1e-12)
    assert bon_at_k([-float(one) for one in right], right, k) <= c / n


def test_it_is_unbiased_for_fresh_draws_of_k() -> None:
    """Of 6 samples each, averaged over many problems, as of k drawn anew; resampling with replacement is not."""
    rng = np.random.default_rng(0)
    ranks = rng.random((4_000, 6))
    right = rng.random((4_000, 6)) < ranks
    estimated = np.mean([bon_at_k(r.tolist(), c.tolist(), 3) for r, c in zip(ranks, right, strict=True)])
    fresh = rng.random((200_000, 3)).max(axis=1)  # the highest rank is right with its own probability
    assert estimated == pytest.approx(fresh.mean(), abs=0.012)
    drawn = rng.integers(6, size=(4_000, 3))
    best = np.take_along_axis(ranks, drawn, 1).argmax(1)[:, None]
    replaced = np.take_along_axis(right, np.take_along_axis(drawn, best, 1), 1).mean()
    assert abs(replaced - fresh.mean()) > 0.02


@pytest.mark.parametrize(
    ("ranks", "right", "k", "message"),
    [
        ([0.1], [True], 2, "needs at least 2 samples of a problem; there are 1"),
        ([0.1, 0.2], [True], 1, "2 ranks for 1 samples"),
        ([0.1, math.nan], [True, False], 1, "each needs one, which is a number"),
        ([0.1], [True], 0, "at least 1"),
    ],
)
def test_what_cannot_be_ranked_is_refused(
    ranks: list[float], right: list[bool], k: int, message: str
) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        bon_at_k(ranks, right, k)


SAID = ["7", "8", "no", "7!"]


def env(prompts: int = 1) -> rg.Environment:
    def is_seven(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if completion.text == "no":
            return rg.Verdict.unscored("no judge")
        return rg.Verdict.right() if completion.text == "7" else rg.Verdict.wrong()

    tasks = [rg.Task(id=f"{number}", prompt=f"What is {number}?") for number in range(prompts)]
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="sevens"), rg.FunctionVerifier(is_seven))


def ranked_by(scores: dict[str, float]) -> rg.EvaluationResult:
    generator = ScriptedGenerator(lambda prompt, sample: SAID[sample])
    ranker = rg.FunctionVerifier(lambda task, completion: scores[completion.text])
    return rg.evaluate(
        env(), generator, n=4, k=(1, 3, 4), sampling=SAMPLING, ranker=ranker, max_unscored_share=1.0
    )


def test_unscored_samples_keep_their_ranks_and_bound_the_estimate() -> None:
    result = ranked_by({"7": 0.5, "8": 0.2, "no": 0.9, "7!": 0.4})
    assert result.unscored == 1
    assert result.bon_at_k[3].value == 1.0  # of the three that were judged
    assert math.isnan(result.bon_at_k[4].value)
    assert (result.bon_at_k[4].at_least, result.bon_at_k[4].at_most) == (0.0, 1.0)
    assert result.to_json()["bon_at_k"]["3"]["value"] == 1.0
    lower = ranked_by({"7": 0.5, "8": 0.2, "no": 0.1, "7!": 0.4})
    assert (lower.bon_at_k[4].at_least, lower.bon_at_k[4].at_most) == (1.0, 1.0)


def test_it_is_not_there_unless_something_ranks() -> None:
    generator = ScriptedGenerator(lambda prompt, sample: SAID[sample])
    plain = rg.evaluate(env(), generator, n=2, k=(1, 2), sampling=SAMPLING)
    assert plain.bon_at_k == {}
    assert "bon_at_k" in {
        row["metric"] for row in ranked_by(dict.fromkeys(SAID, 0.5)).estimates_table().to_pylist()
    }


def test_a_ranker_that_fails_ends_the_evaluation_and_names_the_sample() -> None:
    with pytest.raises(rg.VerifierFault, match=r"task '0', sample \d has no rank: .*KeyError: '8'"):
        ranked_by({"7": 0.5, "7!": 0.4, "no": 0.1})


def test_a_ranker_sees_no_reference_and_nothing_of_what_the_sampler_failed_to_give() -> None:
    seen: list[object] = []

    def look(task: rg.Task, completion: rg.Completion) -> float:
        seen.append(task.reference)
        return 0.5

    generator = ScriptedGenerator(lambda prompt, sample: SAID[sample])
    samples = list(rg.evaluate(env(), generator, n=2, k=1, sampling=SAMPLING).samples)
    lost = samples[0].model_copy(
        update={
            "finish_reason": rg.FinishReason.ERROR,
            "sample": 2,
            "verdict": rg.Verdict.unscored("lost"),
        }
    )
    ranks = ranks_of(rg.FunctionVerifier(look), [*samples, lost])
    assert seen == [None, None]
    assert lost.key not in ranks
    found = summarize([*samples, Sample.model_validate(lost.model_dump())], k=(1, 3), ranks=ranks)
    assert found.bon_at_k[3].at_most == 0.5  # ranked below both others, so chosen never: of two that are tied


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A reward model, a process reward model, and a model that judges nothing."""
    found = {name: tmp_path_factory.mktemp(name) for name in ("rewards", "steps", "none")}
    model, tokenizer = load_model("tiny:0123456789+-*=\n")
    for folder in found.values():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    for name, bias in (("rewards", False), ("steps", True)):
        head = new_head(model, bias=bias)
        head.weight.data = torch.linspace(-1, 1, head.weight.numel())[None]
        save_step_head(head, found[name], "line") if bias else save_head(head, found[name])
    return found


def test_a_folder_is_the_kind_of_model_that_its_head_says(folders: dict[str, Path]) -> None:
    assert isinstance(ranker_in(folders["rewards"]), RewardModel)
    ranker = ranker_in(folders["steps"], "minimum")
    assert isinstance(ranker, ProcessRewardModel)
    assert ranker.aggregate == "minimum"
    with pytest.raises(rg.ConfigError, match="which scores no steps: leave out --aggregate"):
        ranker_in(folders["rewards"], "minimum")
    with pytest.raises(rg.ConfigError, match="is no folder of a model that judges"):
        ranker_in(folders["none"])


ASKED = ["eval", "arithmetic", "env.digits=1", "env.style=symbols", "sampling.max_tokens=4", "--limit", "3"]


def run(arguments: list[str]) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize(("name", "more"), [("rewards", []), ("steps", ["--aggregate", "last"])])
def test_the_command_reports_it_beside_pass_at_k(
    name: str,
    more: list[str],
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [
        *ASKED,
        "--n",
        "4",
        "--k",
        "1,4",
        "--model",
        str(folders["none"]),
        "--out",
        str(tmp_path / "run"),
    ]
    assert run([*asked, "--rank-by", str(folders[name]), *more]) == 0
    assert "bon@4, as ranked" in capsys.readouterr().out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert set(summary["bon_at_k"]) == {"1", "4"}
    assert summary["bon_at_k"]["1"]["value"] == summary["pass_at_k"]["1"]["value"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--aggregate", "last"], "--aggregate is for the steps that --rank-by FOLDER scores"),
        (["--rank-by", "NONE"], "--rank-by: .* is no folder of a model that judges"),
        (["--rank-by", "REWARDS", "--aggregate", "last"], "--rank-by: .* scores no steps"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_sampled(
    more: list[str],
    message: str,
    folders: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [str(folders[word.lower()]) if word.isupper() else word for word in more]
    assert run([*ASKED, "--model", str(folders["none"]), "--out", str(tmp_path / "run"), *named]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(message, said)
    assert not (tmp_path / "run").exists()
