"""Process reward models: the loss by hand and by the formula, runs that learn, and the verifier that they become."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.data.said import Said
from rlvr_trainers.data.steps.demonstrations import StepDemonstrations
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.rewards.model import RewardModelInTraining
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.objectives.step_labels import StepLabelObjective
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.evaluation.stored import read_run
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.rollouts import Rollout
from rlvr_gym.verifiers import ProcessRewardModel, judge
from tests.rlvr_trainers.test_ranks import SMALL, assert_same_but_for_rounding, measured, outcomes, start
from tests.rlvr_trainers.test_trainer import same_weights, without_times

# The loss

ALPHABET = "tiny:0123456789+=>\n"
AROUND = Surroundings(
    reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=9, updates_per_step=1, decode=str
)


def answer(text: str, *labels: float | None) -> Said:
    """An answer whose lines are its steps."""
    parts: dict[str, rg.Verdict] = {}
    begins = 0
    for number, (line, label) in enumerate(zip(text.split("\n"), labels, strict=True)):
        given = (
            rg.Verdict.unscored("not labelled")
            if label is None
            else rg.Verdict.right()
            if label == 1
            else rg.Verdict.wrong(score=label)
        )
        parts[f"step {number}"] = given.model_copy(update={"span": (begins, begins + len(line))})
        begins += len(line) + 1
    whole = rg.Verdict.wrong().model_copy(update={"parts": parts})
    return Said(messages=(rg.Message(role="assistant", content=text),), verdict=whole)


ANSWERS = [
    answer("1+1=2\n2+2=4", 1.0, 1.0),
    answer("1+1=3\n3+2=5\n5", 0.0, None, 0.25),
    answer("12", 0.5),
    answer("7\n8", None, 0.0),
]
"""Six labelled steps, and two that are not."""


def rollouts_of(policy: Policy) -> list[Rollout]:
    shows = StepDemonstrations(policy.tokenizer, policy.turn_frame)
    return [shows.rollout(rg.Task(id=str(i), prompt="1+1>"), said) for i, said in enumerate(ANSWERS)]


def process_model() -> tuple[Policy, RewardModelInTraining]:
    policy = Policy(ModelConfig(path=ALPHABET), seed=0)
    model = RewardModelInTraining(policy, steps="line")
    policy.model.double()
    model._head.double()
    torch.manual_seed(0)
    for weight in model._head.parameters():
        torch.nn.init.normal_(weight)
    return policy, model


def credited(rollouts: list[Rollout]) -> CreditedBatch:
    algorithm = ProcessRewardModelling().build(AROUND)

    def scorer(*_: Any, **__: Any) -> Any:
        raise AssertionError("no other model has a part")

    tokens = algorithm.tokens(rollouts, [0, 0, 1, 1])
    return algorithm.credit(rollouts, algorithm.score(tokens, scorer))


def test_a_loss_of_three_steps_is_worked_by_hand() -> None:
    """Logits ln 3, 0 and -ln 4 are probabilities 3/4, 1/2 and 1/5; their labels are 1, 1/2 and 0."""
    tokens = TokenBatch.of_sequences(
        [[1]] * 2,
        [[2, 3], [4, 5]],
        masks=[[True, True], [False, True]],
        logprobs=[[0.0] * 2] * 2,
        groups=[0, 1],
        scored=[True] * 2,
    )
    scores = torch.tensor([[math.log(3), 0.0], [9.0, -math.log(4)]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
    batch = CreditedBatch(
        tokens=tokens,
        rewards_B=torch.zeros(2),
        advantages_B=torch.zeros(2),
        advantages_BT=labels,
    )
    loss, table = StepLabelObjective(batch).loss(batch, range(2), scores, None)
    (gradient,) = torch.autograd.grad(loss, [scores])
    figures = step_metrics([table])
    by_hand = -(math.log(3 / 4) + math.log(1 / 2) + math.log(4 / 5)) / 3
    assert loss.item() == pytest.approx(by_hand, rel=1e-14)
    assert figures["loss"] == pytest.approx(by_hand, rel=1e-14)
    np.testing.assert_allclose(gradient.numpy(), [[-1 / 12, 0.0], [0.0, 1 / 15]], atol=1e-15)
    assert (
        figures["process/accuracy"] == 1.0
    )  # a label of 1/2 is not above 1/2, and neither is its probability
    assert figures["process/probability"] == pytest.approx((3 / 4 + 1 / 2 + 1 / 5) / 3)
    assert figures["process/label"] == pytest.approx(0.5)
    assert figures["tokens/trained"] == 3


def test_labels_are_the_credit_of_the_last_tokens_of_their_steps() -> None:
    policy, _ = process_model()
    rollouts = rollouts_of(policy)
    batch = credited(rollouts)
    for row, (rollout, said) in enumerate(zip(rollouts, ANSWERS, strict=True)):
        text = said.messages[-1].content
        found = {
            policy.text(rollout.token_ids[: place + 1]): batch.advantages_BT[row, place].item()
            for place in batch.tokens.mask_BT[row].nonzero()[:, 0].tolist()
        }
        expected = {
            text[: step.span[1]]: step.score
            for step in said.verdict.steps
            if step.span is not None and step.scored
        }
        assert found == expected


def test_loss_and_gradient_are_those_of_the_formula_whatever_the_microbatches() -> None:
    policy, model = process_model()
    rollouts = rollouts_of(policy)
    batch = credited(rollouts)
    objective = StepLabelObjective(batch)

    def parts(budget: int) -> tuple[float, list[Any]]:
        for weight in model.parameters:
            weight.grad = None
        tables = []
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            scores, _ = model.logprobs(part.tokens, temperature=1.0)
            loss, table = objective.loss(part, rows, scores, None)
            loss.backward()
            tables.append(table)
        return step_metrics(tables)["loss"], [w.grad.clone() for w in model.parameters if w.grad is not None]

    whole_loss, whole = parts(10_000)
    single_loss, single = parts(1)
    for weight in model.parameters:
        weight.grad = None
    written = formula(policy, model)
    written.backward()
    expected = [w.grad for w in model.parameters if w.grad is not None]
    assert whole_loss == pytest.approx(written.item(), abs=1e-10)
    assert single_loss == pytest.approx(whole_loss, abs=1e-10)
    assert len(whole) == len(single) == len(expected) == len(model.parameters)
    for one, other, third in zip(whole, single, expected, strict=True):
        torch.testing.assert_close(one, third, rtol=0, atol=1e-10)
        torch.testing.assert_close(other, third, rtol=0, atol=1e-10)


def formula(policy: Policy, model: RewardModelInTraining) -> torch.Tensor:
    """Step by step, each answer read by itself up to the end of a step and no further."""
    terms = []
    for said in ANSWERS:
        text = said.messages[-1].content
        for step in said.verdict.steps:
            if step.score is None or step.span is None:
                continue
            ids = torch.tensor([policy.tokenizer.encode("1+1>" + text[: step.span[1]])])
            hidden = policy.model.transformer(input_ids=ids).last_hidden_state
            p = torch.sigmoid(hidden[0, -1] @ model._head.weight[0] + model._head.bias[0])
            terms.append(-step.score * torch.log(p) - (1 - step.score) * torch.log(1 - p))
    assert len(terms) == 6
    return torch.stack(terms).mean()


def test_the_head_begins_by_saying_one_half() -> None:
    policy = Policy(ModelConfig(path=ALPHABET), seed=0)
    model = RewardModelInTraining(policy, steps="line")
    batch = credited(rollouts_of(policy))
    scores, _ = model.logprobs(batch.tokens, temperature=1.0)
    assert not scores.any()
    _, table = StepLabelObjective(batch).loss(batch, range(4), scores, None)
    assert step_metrics([table])["loss"] == pytest.approx(math.log(2))


# Runs

TINY = [
    *[f"model.path={ALPHABET}", "run.checkpoint_every=2"],
    *["optimizer.learning_rate=1e-3", "optimizer.warmup_steps=0"],
]
NUMBERS = range(100, 1000)


def labelled(
    file: Path, numbers: list[int], *, seed: int = 0, shuffled: bool = False, spread: bool = False
) -> Path:
    """Count on from a number's last digit, a line each; a line that does not go on from the one before it is wrong.

    Shuffled labels are those of any other steps. Spread ones are 0.9 and 0.1 in place of 1 and 0.
    """
    rng, data = random.Random(seed), []
    for number in numbers:
        last, steps, labels = number % 10, list[str](), list[float]()
        for _ in range(rng.randint(1, 4)):
            right = rng.random() < 0.6
            said = (last + 1) % 10 if right else rng.choice([n for n in range(10) if n != (last + 1) % 10])
            steps.append(str(said))
            labels.append((0.9 if right else 0.1) if spread else float(right))
            last = said
        data.append({"prompt": f"{number}>", "completions": steps, "labels": labels})
    if shuffled:
        every = [label for row in data for label in row["labels"]]
        rng.shuffle(every)
        taken = iter(every)
        data = [{**row, "labels": [next(taken) for _ in row["labels"]]} for row in data]
    file.write_text("".join(json.dumps(row) + "\n" for row in data))
    return file


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("prm", parse_overrides([*TINY, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def learned(folder: Path, *, seed: int, shuffled: bool = False) -> dict[str, Any]:
    """The last figures of a run, measured on right labels of answers to other numbers."""
    numbers = random.Random(1).sample(NUMBERS, len(NUMBERS))
    data = labelled(folder / "train.jsonl", numbers[:700], shuffled=shuffled)
    held_out = labelled(folder / "held-out.jsonl", numbers[700:])
    more = ["batch.prompts=64", f"run.steps={STEPS}", "run.checkpoint_every=1000", f"run.seed={seed}"]
    more += [f"algorithm.held_out={held_out}", "algorithm.measure_every=1000", "optimizer.schedule=constant"]
    Trainer(config(folder / "run", f"data.path={data}", *more, "optimizer.learning_rate=3e-3")).run()
    return rows(folder / "run")[-1]


STEPS = 100


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("steps")
    return learned(folder, seed=0), folder


def verdict(model: ProcessRewardModel, prompt: str, text: str) -> rg.Verdict:
    return judge(model, rg.Task(prompt=prompt), rg.Completion(text=text))


def scores(given: rg.Verdict) -> list[float]:
    return [step.score or 0.0 for step in given.steps]


def test_it_learns_which_steps_are_right_in_answers_that_it_has_not_seen(
    trained: tuple[dict[str, Any], Path],
) -> None:
    end, folder = trained
    assert end["held_out/accuracy"] >= 0.95
    assert end["held_out/accuracy/low"] > 0.9
    assert end["held_out/ranking"] >= 0.97
    first = rows(folder / "run")[1]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert end["loss"] < 0.2
    # The verifier that is read from the folder, and the model in training, are the same.
    model, right = ProcessRewardModel(folder / "run" / "model"), 0
    labels = [label for row in read_lines(folder / "held-out.jsonl") for label in row["labels"]]
    found: list[float] = []
    for row in read_lines(folder / "held-out.jsonl"):
        probabilities = verdict(model, row["prompt"], "\n".join(row["completions"])).detail
        found += [float(one) for one in probabilities.split(":")[0].split()[2:]]
    right = sum((one > 0.5) == (label > 0.5) for one, label in zip(found, labels, strict=True))
    assert right / len(labels) == pytest.approx(end["held_out/accuracy"], abs=2 / len(labels))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_and_nothing_is_learned_from_shuffled_labels(
    seed: int, tmp_path: Path
) -> None:
    for name in ("right", "shuffled"):
        (tmp_path / name).mkdir()
    figures = learned(tmp_path / "right", seed=seed)
    assert figures["held_out/ranking"] >= 0.97
    control = learned(tmp_path / "shuffled", seed=seed, shuffled=True)
    assert 0.4 <= control["held_out/ranking"] <= 0.6
    told = ", ".join(
        f"{one['held_out/accuracy']:.3f} {one['held_out/ranking']:.3f}" for one in (figures, control)
    )
    print(f"\nseed {seed}: {told}")


@pytest.mark.parametrize(
    "adapter",
    [[], pytest.param(["model.lora.rank=4", "model.lora.targets=[c_attn,c_fc]"], marks=pytest.mark.slow)],
)
def test_four_steps_are_two_steps_and_two_more(adapter: list[str], tmp_path: Path) -> None:
    data = labelled(tmp_path / "steps.jsonl", list(NUMBERS)[:24])
    held_out = labelled(tmp_path / "held-out.jsonl", list(NUMBERS)[24:30])
    more = [f"data.path={data}", "batch.prompts=8", "batch.minibatches=2", "optimizer.schedule=constant"]
    more += [f"algorithm.held_out={held_out}", "algorithm.measure_every=2", *adapter]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config(tmp_path / name, *more, f"run.steps={steps}")).run()
    folders = [tmp_path / name / "model" for name in ("whole", "parts")]
    assert same_weights(*folders)
    heads = [(folder / "step_head.safetensors").read_bytes() for folder in folders]
    assert heads[0] == heads[1]
    assert any(heads[0][-100:])
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]
    assert (tmp_path / "whole" / "checkpoints" / "step-2" / "step_head.safetensors").exists()


def test_two_processes_train_what_one_would_have_trained(tmp_path: Path) -> None:
    data = labelled(tmp_path / "steps.jsonl", list(NUMBERS)[:24])
    held_out = labelled(tmp_path / "held-out.jsonl", list(NUMBERS)[24:31])
    own = [f"model.path={ALPHABET}", f"data.path={data}", "run.steps=2", "optimizer.schedule=constant"]
    # Of a head of zeros the layers' first gradients are 0: Adam makes whole steps of rounding errors, so small ones.
    own += ["optimizer.learning_rate=1e-4", f"algorithm.held_out={held_out}"]
    both = outcomes(start("prm", tmp_path / "two", *own))
    assert [status for status, _ in both] == [0, 0], both
    Trainer(load_recipe("prm", parse_overrides([*SMALL, *own, f"run.dir={tmp_path / 'one'}"]))).run()
    one, two = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "two"))
    assert_same_but_for_rounding(one, two)
    for left, right in zip(*(rows(tmp_path / name) for name in ("one", "two")), strict=True):
        of_both = [measured(row) for row in (left, right)]
        for figures in of_both:
            figures.pop("process/accuracy", None)  # the sign of what is 0 but for rounding
        assert of_both[1] == pytest.approx(of_both[0], rel=1e-3, abs=1e-4)
    assert rows(tmp_path / "one")[-1]["tokens/trained"] > 0


def test_soft_labels_are_learned_as_probabilities_and_hard_ones_as_certainties(tmp_path: Path) -> None:
    data = labelled(tmp_path / "steps.jsonl", list(NUMBERS)[:64], spread=True)
    found = {}
    for labels in ("soft", "hard"):
        more = [f"data.path={data}", "batch.prompts=64", "run.steps=1", f"algorithm.labels={labels}"]
        Trainer(config(tmp_path / labels, *more)).run()
        found[labels] = rows(tmp_path / labels)[-1]["process/label"]
    assert 0.3 < found["soft"] < 0.75
    assert found["hard"] == 1.0  # shares of 0.1 are above 0


def test_stored_samples_teach_what_a_verifier_said_of_their_steps(tmp_path: Path) -> None:
    tasks = rg.TaskSet.from_tasks([rg.Task(id=f"{n}", prompt=f"{n}>") for n in range(20, 40)], name="any")

    def lines(task: rg.Task, steps: Any, index: int) -> rg.Verdict:
        return rg.Verdict.right() if "7" in steps[index].text else rg.Verdict.wrong()

    class Sevens:
        timeout_seconds = 1.0

        def judge_step(self, task: rg.Task, steps: Any, index: int) -> rg.Verdict:
            return lines(task, steps, index)

    env = rg.Environment(tasks, rg.verifiers.Steps(Sevens()))
    generator = TransformersGenerator(*load_model(ALPHABET, seed=3))
    sampling = rg.SamplingParams(temperature=1.0, max_tokens=12)
    evaluate(env, generator, n=2, sampling=sampling, seed=0, run_dir=tmp_path / "eval")
    judged = [sample.verdict for sample in read_run(tmp_path / "eval").samples]
    assert any(
        verdict.outcome == "malformed" for verdict in judged
    )  # without steps, so there is none to learn
    expected = [s.score for verdict in judged for s in verdict.steps if verdict.outcome != "malformed"]
    more = [f"data.runs=[{tmp_path / 'eval'}]", "batch.prompts=20", "run.steps=1"]
    Trainer(config(tmp_path / "run", *more)).run()
    stored = read_run(tmp_path / "eval")
    first = next(sample for sample in stored.samples if len(sample.verdict.steps) > 1)
    parts = {"step 1": first.verdict.steps[0]}
    other = first.model_copy(update={"verdict": first.verdict.model_copy(update={"parts": parts})})
    with (tmp_path / "eval" / "samples.jsonl").open("a") as file:
        file.write(other.model_dump_json() + "\n")
    with pytest.raises(
        rg.ConfigError, match=r"settings:\n  the training tasks"
    ):  # other steps, and all else as it was
        Trainer(config(tmp_path / "run", *more))
    figures = rows(tmp_path / "run")[-1]
    assert figures["tokens/trained"] == len(expected)
    assert figures["process/label"] == pytest.approx(sum(score or 0 for score in expected) / len(expected))


# As a verifier


def test_a_step_is_scored_from_what_stands_before_its_end_and_nothing_after(
    trained: tuple[dict[str, Any], Path],
) -> None:
    model = ProcessRewardModel(trained[1] / "run" / "model", aggregate="last")
    whole = verdict(model, "123>", "4\n5\n7")
    right, wrong = scores(whole)[:2], scores(whole)[2]
    assert min(right) > 0.8
    assert wrong < 0.2
    for text in ("4", "4\n5", "4\n5\n7\n8"):
        longer = scores(verdict(model, "123>", text))
        assert longer[:3] == pytest.approx(scores(whole)[: len(longer)], abs=1e-5)
    assert not whole.correct
    assert whole.score == wrong


def test_steps_pay_in_training_where_they_end(trained: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    """With rewards of steps alone, the policy comes to write steps that the model takes for right."""
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": f"{n}>"}) + "\n" for n in NUMBERS[:64]))
    env = ["env.id=jsonl", f"env.data={prompts}", f"env.process_reward_model={trained[1] / 'run' / 'model'}"]
    more = ["sampling.max_tokens=6", "batch.prompts=16", "batch.group_size=8", "run.steps=10"]
    settings = parse_overrides([*TINY, *env, "env.aggregate=minimum", *more, f"run.dir={tmp_path / 'run'}"])
    Trainer(load_recipe("grpo_process", settings)).run()
    first, *_, last = [row for row in rows(tmp_path / "run") if row["step"]]
    assert first["reward/mean"] + 0.02 < last["reward/mean"] < 1
    assert (last["outcome/correct"], last["unscored/share"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "algorithm.kind=process_reward_model needs labelled steps"),
        (["env.id=reverse"], "algorithm.kind=process_reward_model needs labelled steps"),
        (["data.path=x", "eval.env.id=reverse"], "a reward model says nothing"),
        (["data.path=x", "warmup.steps=1"], "nothing is sampled by algorithm.kind=process_reward_model here"),
        (["data.path=x", "overlong.filter=true"], "overlong has no meaning"),
        (["data.path=x", "algorithm.steps=word"], "algorithm.steps"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config(tmp_path / "run", *more)


def test_answers_to_prompts_that_are_trained_on_are_not_held_out(tmp_path: Path) -> None:
    data = labelled(tmp_path / "steps.jsonl", list(NUMBERS)[:24])
    same = labelled(tmp_path / "same.jsonl", list(NUMBERS)[20:30])
    with pytest.raises(rg.ConfigError, match=r"algorithm\.held_out: "):
        Trainer(
            config(tmp_path / "run", f"data.path={data}", "batch.prompts=8", f"algorithm.held_out={same}")
        )
