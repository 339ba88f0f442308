"""Reward models as verifiers: scores that depend on one completion alone, and what cannot be scored."""

import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import rlvr_gym as rg
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.rewards import new_head, save_head
from rlvr_gym.verifiers import RewardModel, judge

NUMBERS = list(range(10, 22))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rewards mean nothing, and differ."""
    folder = tmp_path_factory.mktemp("rewards")
    model, tokenizer = load_model("tiny:0123456789>")
    head = new_head(model)
    head.weight.data = torch.linspace(-1, 1, head.weight.numel())[None]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_head(head, folder)
    return folder


def test_a_verdict_depends_on_no_other_completion_and_on_no_thread(
    folder: Path,
) -> None:
    fresh = RewardModel(folder)
    asked = [(rg.Task(prompt=f"{n}>"), rg.Completion(text=f"{n + 1}" * (n % 3 + 1))) for n in NUMBERS]
    one_by_one = [fresh.verify(*pair) for pair in asked]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda pair: fresh.verify(*pair), reversed(asked)))
    assert again[::-1] == one_by_one
    batched = fresh.rewards(asked, batch_size=5)
    single = [fresh.rewards([pair])[0] for pair in asked]
    assert batched == pytest.approx(single, abs=1e-4)


def test_however_high_a_reward_is_the_score_stays_below_1(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (weight,) = load_file(folder / "reward_head.safetensors").values()
    task, said_right = rg.Task(prompt="47>"), rg.Completion(text="74")
    (reward,) = RewardModel(folder).rewards([(task, said_right)])
    for sign in (1, -1):
        save_file(
            {"weight": sign * 1e4 * math.copysign(1.0, reward) * weight}, tmp_path / "reward_head.safetensors"
        )
        verdict = RewardModel(tmp_path).verify(task, said_right)
        assert verdict.score == pytest.approx((1 + sign) / 2)
        assert verdict.outcome == "incorrect"


def test_a_completion_that_was_cut_off_is_scored_without_an_end(
    folder: Path,
) -> None:
    model, task = RewardModel(folder), rg.Task(prompt="47>")
    whole, cut = (
        rg.Completion(text="74", finish_reason=reason)
        for reason in (rg.FinishReason.STOP, rg.FinishReason.LENGTH)
    )
    assert model.verify(task, whole) != model.verify(task, cut)


def test_nothing_and_more_than_the_model_reads_are_malformed(
    folder: Path,
) -> None:
    model, task = RewardModel(folder), rg.Task(prompt="47>")
    for text, reason in (
        (" \n", "nothing in it"),
        ("7" * 300, "304 tokens with its prompt, and .* reads 256"),
    ):
        verdict = judge(model, task, rg.Completion(text=text))
        assert verdict.outcome == "malformed"
        assert re.search(reason, verdict.detail)


def test_a_folder_without_a_head_leaves_samples_unscored(tmp_path: Path) -> None:
    model, tokenizer = load_model("tiny:0123456789>")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for place, reason in ((tmp_path, "without a reward head"), (tmp_path / "none", "no model")):
        verdict = judge(RewardModel(place), rg.Task(prompt="1>"), rg.Completion(text="1"))
        assert verdict.outcome == "unscored"
        assert reason in verdict.detail


def test_a_reward_model_travels_to_another_process(folder: Path) -> None:
    judge = RewardModel(folder)
    task, completion = rg.Task(id="1", prompt="12>"), rg.Completion(text="21")
    here = judge.verify(task, completion)
    assert pickle.loads(pickle.dumps(judge)).verify(task, completion) == here
