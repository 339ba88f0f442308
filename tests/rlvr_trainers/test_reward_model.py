"""Reward models: the loss by hand and by the formula, runs that learn, and the verifier that they become."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.cli import _summary
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.data.held_out_pairs import measure
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.rewards.model import RewardModelInTraining
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer, TrainResult
from torch import Tensor

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.evaluation.statistics.calibration import PairFigures
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.verifiers import RewardModel, judge
from rlvr_gym.verifiers.reward_model import HEAD
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, WRONG, said
from tests.rlvr_trainers.test_ranks import SMALL, assert_same_but_for_rounding, measured, outcomes, start
from tests.rlvr_trainers.test_trainer import same_weights, without_times

# The loss

ROLLOUTS = [
    *[said("a", RIGHT, tokens=(5, 6, 7)), said("b", WRONG, tokens=(5, 8)), said("c", UNKNOWN, tokens=(9,))],
    *[said("d", WRONG, tokens=(4,)), said("e", RIGHT, tokens=(6, 6)), said("f", WRONG, tokens=(7, 5, 4, 8))],
    *[said("g", RIGHT, tokens=(5,)), said("h", RIGHT, tokens=(6,))],
]
GROUPS = [0, 0, 0, 1, 1, 1, 2, 2]
AROUND = Surroundings(
    reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=1, decode=str
)


def reward_model() -> tuple[Policy, RewardModelInTraining]:
    policy = Policy(ModelConfig(path="tiny:0123456789"), seed=0)
    model = RewardModelInTraining(policy)
    policy.model.double()
    model._head.double()
    torch.manual_seed(0)
    torch.nn.init.normal_(model._head.weight)
    return policy, model


def credited(model: RewardModelInTraining, *, pairs: int = 1) -> tuple[CreditedBatch, Any]:
    algorithm = RewardModelling(pairs=pairs).build(AROUND)

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        assert role is Role.REWARD
        with torch.no_grad():
            values, _ = model.logprobs(tokens, temperature=1.0)
        return values, torch.zeros_like(values)

    scored = algorithm.score(algorithm.tokens(ROLLOUTS, GROUPS), scorer)
    batch = algorithm.credit(ROLLOUTS, scored)
    return batch, algorithm.objective(batch, scorer)


def test_a_loss_of_two_pairs_is_worked_by_hand() -> None:
    """Rewards ln 3 and 0, and 0 and ln 2: sigmoids 3/4 and 1/3."""
    tokens = TokenBatch.of_sequences(
        [[1]] * 4,
        [[2]] * 4,
        masks=[[True]] * 4,
        logprobs=[[0.0]] * 4,
        groups=[0, 0, 1, 1],
        scored=[True] * 4,
    )
    rewards = torch.tensor(
        [[math.log(3)], [0.0], [0.0], [math.log(2)]], dtype=torch.float64, requires_grad=True
    )
    algorithm = RewardModelling().build(AROUND)
    rollouts = [said("a", RIGHT), said("b", WRONG), said("c", RIGHT), said("d", WRONG)]

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        return rewards.detach(), torch.zeros_like(rewards)

    batch = algorithm.credit(rollouts, algorithm.score(tokens, scorer))
    loss, table = algorithm.objective(batch, scorer).loss(batch, range(4), rewards, None)
    (gradient,) = torch.autograd.grad(loss, [rewards])
    figures = step_metrics([table])
    assert figures["loss"] == pytest.approx(-(math.log(3 / 4) + math.log(1 / 3)) / 2, rel=1e-14)
    np.testing.assert_allclose(gradient.numpy(), [[-1 / 8], [1 / 8], [-1 / 3], [1 / 3]], atol=1e-15)
    assert figures["preference/margin"] == pytest.approx((math.log(3) - math.log(2)) / 2)
    assert figures["preference/accuracy"] == 0.5
    assert figures["preference/chosen"] == pytest.approx(math.log(3) / 2)
    assert figures["preference/rejected"] == pytest.approx(math.log(2) / 2)


def test_loss_and_gradient_are_those_of_the_formula_whatever_the_microbatches() -> None:
    policy, model = reward_model()
    batch, objective = credited(model, pairs=2)

    def parts(budget: int) -> tuple[float, list[Tensor]]:
        for weight in model.parameters:
            weight.grad = None
        tables = []
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            rewards, _ = model.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, rewards, None)
            loss.backward()
            tables.append(table)
        return step_metrics(tables)["loss"], [w.grad.clone() for w in model.parameters if w.grad is not None]

    whole_loss, whole = parts(10_000)
    single_loss, single = parts(4)
    for weight in model.parameters:
        weight.grad = None
    written = formula(policy, model, batch)
    written.backward()
    expected = [w.grad for w in model.parameters if w.grad is not None]
    assert whole_loss == pytest.approx(written.item(), abs=1e-10)
    assert single_loss == pytest.approx(whole_loss, abs=1e-10)
    assert len(whole) == len(single) == len(expected) == len(model.parameters)
    for one, other, third in zip(whole, single, expected, strict=True):
        torch.testing.assert_close(one, third, rtol=0, atol=1e-10)
        torch.testing.assert_close(other, third, rtol=0, atol=1e-10)


def formula(policy: Policy, model: RewardModelInTraining, batch: CreditedBatch) -> Tensor:
    """Pair by pair, each answer read by itself: the hidden state of its last token times the head's weights."""

    def reward(row: int) -> Tensor:
        ids = torch.tensor([[*ROLLOUTS[row].prompt_ids, *ROLLOUTS[row].token_ids]])
        hidden = policy.model.transformer(input_ids=ids).last_hidden_state
        return hidden[0, -1] @ model._head.weight[0]

    assert batch.pairs_B is not None
    numbers = batch.pairs_B.tolist()
    pairs = [
        (good, bad)
        for good in range(8)
        for bad in range(8)
        if numbers[good] == numbers[bad] >= 0 and batch.advantages_B[good] > batch.advantages_B[bad]
    ]
    assert len(pairs) == 2
    return torch.stack([-torch.log(torch.sigmoid(reward(good) - reward(bad))) for good, bad in pairs]).mean()


def test_the_head_for_tokens_is_not_trained_and_that_for_rewards_begins_with_zeros() -> None:
    policy = Policy(ModelConfig(path="tiny:0123456789"), seed=0)
    model = RewardModelInTraining(policy)
    rewards, _ = model.logprobs(TokenBatch.of_rollouts(ROLLOUTS[:2], [0, 0]), temperature=1.0)
    assert rewards.tolist() == [[0.0] * 3] * 2
    assert len(model.parameters) == len(list(policy.model.transformer.parameters())) + 1


# Runs

TINY = [
    *["model.path=tiny:0123456789>", "run.checkpoint_every=2"],
    *["optimizer.learning_rate=1e-3", "optimizer.warmup_steps=0"],
]
NUMBERS = [n for n in range(10, 100) if n % 11]


def pairs(file: Path, numbers: list[int], *, copies: int = 1, shuffled: bool = False) -> Path:
    """Numbers to turn around: the right answer preferred to any other, or either to the other."""
    rng, lines = random.Random(0), []
    for number in [n for n in numbers for _ in range(copies)]:
        right = f"{number}"[::-1]
        answers = [right, rng.choice([f"{n}" for n in NUMBERS if f"{n}" != right])]
        if shuffled:
            rng.shuffle(answers)
        lines.append({"prompt": f"{number}>", "chosen": answers[0], "rejected": answers[1]})
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("reward_model", parse_overrides([*TINY, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def learned(folder: Path, *, seed: int, shuffled: bool = False) -> tuple[RewardModel, PairFigures]:
    """A model of which answers are preferred, and its figures on numbers that it has not seen."""
    numbers = random.Random(1).sample(NUMBERS, len(NUMBERS))
    data = pairs(folder / "train.jsonl", numbers[:60], copies=8, shuffled=shuffled)
    held_out = pairs(folder / "held-out.jsonl", numbers[60:], copies=8, shuffled=shuffled)
    more = ["batch.prompts=64", "run.steps=100", "run.checkpoint_every=1000", f"run.seed={seed}"]
    more += [f"algorithm.held_out={held_out}", "algorithm.measure_every=30"]
    Trainer(config(folder / "run", f"data.path={data}", *more)).run()
    model = RewardModel(folder / "run" / "model")
    return model, measure(model, str(held_out), batch_size=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RewardModel, PairFigures, Path]:
    folder = tmp_path_factory.mktemp("rewards")
    return *learned(folder, seed=0), folder / "run"


def test_it_learns_what_is_preferred_of_answers_that_it_has_not_seen(
    trained: tuple[RewardModel, PairFigures, Path],
) -> None:
    _, figures, run = trained
    assert figures.pairs == 21 * 8
    measured_at = {row["step"]: row for row in rows(run) if "held_out/accuracy" in row}
    assert list(measured_at) == [30, 60, 90, 100]
    end = measured_at[100]
    # The verifier that was read from the folder, and the model in training, are the same.
    assert end["held_out/accuracy"] == figures.accuracy
    assert end["held_out/accuracy/low"] == figures.accuracy_interval.low
    assert end["held_out/margin"] == pytest.approx(figures.mean_margin, abs=1e-4)
    assert end["held_out/loss"] == pytest.approx(figures.loss, abs=1e-4)
    assert end["held_out/calibration_error"] == pytest.approx(figures.calibration_error, abs=1e-3)
    assert measured_at[30]["held_out/loss"] > end["held_out/loss"]
    assert figures.accuracy >= 0.85
    assert figures.accuracy_interval.low > 0.75
    assert figures.mean_margin > 1
    assert figures.calibration_error < 0.25
    first, *_, last = [row for row in rows(run) if row["step"]]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert last["loss"] < 0.3


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_preferences_and_nothing_from_shuffled_ones(seed: int, tmp_path: Path) -> None:
    for name in ("right", "shuffled"):
        (tmp_path / name).mkdir()
    _, figures = learned(tmp_path / "right", seed=seed)
    assert figures.accuracy >= 0.85
    _, control = learned(tmp_path / "shuffled", seed=seed, shuffled=True)
    assert 0.35 <= control.accuracy <= 0.65
    print(
        f"\nseed {seed}: {figures.accuracy:.3f} {figures.calibration_error:.3f} control {control.accuracy:.3f}"
    )


@pytest.mark.parametrize("adapter", [[], ["model.lora.rank=4", "model.lora.targets=[c_attn,c_fc]"]])
def test_four_steps_are_two_steps_and_two_more(adapter: list[str], tmp_path: Path) -> None:
    data = pairs(tmp_path / "pairs.jsonl", NUMBERS[:24])
    held_out = pairs(tmp_path / "held-out.jsonl", NUMBERS[24:30])
    more = [f"data.path={data}", "batch.prompts=8", "batch.minibatches=2", "optimizer.schedule=constant"]
    more += [f"algorithm.held_out={held_out}", "algorithm.measure_every=2", *adapter]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config(tmp_path / name, *more, f"run.steps={steps}")).run()
    folders = [tmp_path / name / "model" for name in ("whole", "parts")]
    assert same_weights(*folders)
    heads = [(folder / "reward_head.safetensors").read_bytes() for folder in folders]
    assert heads[0] == heads[1]
    assert any(heads[0][-100:])
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]
    assert (tmp_path / "whole" / "checkpoints" / "step-2" / "reward_head.safetensors").exists()


def test_two_processes_train_what_one_would_have_trained(tmp_path: Path) -> None:
    data = pairs(tmp_path / "pairs.jsonl", NUMBERS[:24])
    # Of a head of zeros the layers' first gradients are 0: Adam makes whole steps of rounding errors, so small ones.
    held_out = pairs(tmp_path / "held-out.jsonl", NUMBERS[24:31])
    more = [f"data.path={data}", "run.steps=2", "optimizer.schedule=constant", "optimizer.learning_rate=1e-4"]
    more.append(f"algorithm.held_out={held_out}")
    both = outcomes(start("reward_model", tmp_path / "two", *more))
    assert [status for status, _ in both] == [0, 0], both
    settings = parse_overrides([*SMALL, *more, f"run.dir={tmp_path / 'one'}"])
    Trainer(load_recipe("reward_model", settings)).run()
    one, two = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "two"))
    assert_same_but_for_rounding(one, two)
    first, second = (rows(tmp_path / name) for name in ("one", "two"))
    for left, right in zip(first, second, strict=True):
        of_both = [measured(row) for row in (left, right)]
        for figures in of_both:
            figures.pop("preference/accuracy", None)  # the sign of what is 0 but for rounding
        assert ("held_out/margin" in left) == (left["step"] == 2)
        assert of_both[1] == pytest.approx(of_both[0], rel=1e-3, abs=1e-4)
    assert first[-1]["tokens/trained"] > 0


def test_stored_samples_are_paired_by_their_verdicts(tmp_path: Path) -> None:
    env = rg.make("reverse", digits=2, style="symbols", reward="per_digit")
    generator = TransformersGenerator(*load_model("tiny:0123456789>", seed=3))
    sampling = rg.SamplingParams(temperature=1.0, max_tokens=4)
    evaluate(env, generator, n=16, sampling=sampling, limit=20, seed=0, run_dir=tmp_path / "eval")
    more = [f"data.runs=[{tmp_path / 'eval'}]", "batch.prompts=20", "run.steps=10", "model.lora.rank=4"]
    more += ["algorithm.pairs=2", "model.lora.targets=[c_attn,c_fc]", "optimizer.learning_rate=1e-2"]
    Trainer(config(tmp_path / "run", *more)).run()
    first, *_, last = [row for row in rows(tmp_path / "run") if row["step"]]
    assert last["preference/margin"] > first["preference/margin"] + 0.5
    task = rg.Task(prompt="12>")
    reward_of = RewardModel(tmp_path / "run" / "model").rewards
    good, bad = reward_of([(task, rg.Completion(text=text)) for text in ("21", "zzzz")])
    assert math.isfinite(good)
    assert math.isfinite(bad)


# As a verifier


def test_a_verdict_is_a_score_between_0_and_1_and_claims_nothing_to_be_right(
    trained: tuple[RewardModel, PairFigures, Path],
) -> None:
    model, _, _ = trained
    task = rg.Task(prompt="47>")
    right, wrong = (judge(model, task, rg.Completion(text=text)) for text in ("74", "31"))
    assert right.score is not None
    assert wrong.score is not None
    assert 0 < wrong.score < right.score < 1
    assert not right.correct
    (reward,) = model.rewards([(task, rg.Completion(text="74"))])
    assert right.score == pytest.approx(1 / (1 + math.exp(-reward)))
    assert right.detail == f"reward {reward:.6g}: preferred or not, which is not right or wrong"


def test_a_policy_can_be_trained_on_its_scores(
    trained: tuple[RewardModel, PairFigures, Path], tmp_path: Path
) -> None:
    """The score rises, and nothing is ever said to be right."""
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"{n}>"}) + "\n" for n in NUMBERS[:32]))
    env = ["env.id=jsonl", f"env.data={prompts}", f"env.reward_model={trained[2] / 'model'}"]
    more = ["sampling.max_tokens=4", "batch.prompts=16", "batch.group_size=8", "run.steps=12"]
    settings = parse_overrides([*TINY, *env, *more, f"run.dir={tmp_path / 'run'}"])
    Trainer(load_recipe("dr_grpo", settings)).run()
    first, *_, last = [row for row in rows(tmp_path / "run") if row["step"]]
    assert 0 < first["reward/mean"] + 0.02 < last["reward/mean"] < 1
    assert (last["outcome/correct"], last["unscored/share"]) == (0.0, 0.0)


def test_pairs_of_prompts_that_are_trained_on_are_not_held_out(tmp_path: Path) -> None:
    data, same = pairs(tmp_path / "pairs.jsonl", NUMBERS[:24]), pairs(tmp_path / "same.jsonl", NUMBERS[20:30])
    with pytest.raises(rg.ConfigError, match=r"algorithm\.held_out: "):
        Trainer(
            config(tmp_path / "run", f"data.path={data}", "batch.prompts=8", f"algorithm.held_out={same}")
        )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "algorithm.kind=reward_model needs pairs"),
        (["env.id=reverse"], "algorithm.kind=reward_model needs pairs"),
        (["env.id=reverse", "data.epochs=2"], "algorithm.kind=reward_model needs pairs"),
        (["data.path=x", "eval.env.id=reverse"], "a reward model says nothing"),
        (
            ["data.path=x", "warmup.steps=1"],
            "nothing is sampled by algorithm.kind=reward_model here, so warmup",
        ),
        (["data.path=x", "overlong.filter=true"], "overlong has no meaning"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config(tmp_path / "run", *more)


def test_a_run_ends_by_saying_how_to_judge_with_its_reward_model(tmp_path: Path) -> None:
    scores: dict[str, Any] = {"before": None, "after": None, "best": None}
    result = TrainResult(run_dir=tmp_path, step=1, finished=True, solved=False, **scores)
    assert " eval " in _summary(result)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / HEAD).write_bytes(b"")
    assert f"env.reward_model={tmp_path / 'model'}" in _summary(result)
    assert " eval " not in _summary(result)
