"""A module that learns to predict one token more: the loss by hand and by the formula, runs, and drafts that help."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.multi_token.model import MultiTokenPolicy
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.objectives.multi_token import MultiTokenObjective
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.transformers.multi_token import FILE
from tests.rlvr_trainers.judged import RIGHT, said
from tests.rlvr_trainers.test_ranks import SMALL, assert_same_but_for_rounding, measured, outcomes, start
from tests.rlvr_trainers.test_trainer import same_weights, without_times

# The loss

WEIGHT = 0.3
ROLLOUTS = [said("a", RIGHT, tokens=tokens) for tokens in ((5, 6, 7), (5, 8), (9,), (7, 5, 4, 8))]


def test_a_loss_of_two_sequences_is_worked_by_hand() -> None:
    """Probabilities 1/2, 1/4 and 1/8 of the tokens, and 1/2, 1/2 and 1/4 by the module."""
    tokens = TokenBatch.of_sequences(
        [[1]] * 2, [[2, 3], [4]], masks=[[True, True], [True]], logprobs=[[0.0] * 2, [0.0]], groups=[0, 1],
        scored=[True] * 2,
    )  # fmt: skip
    halves = torch.tensor([[1.0, 2.0], [3.0, 7.0]], dtype=torch.float64, requires_grad=True)
    ahead = torch.tensor([[1.0, 1.0], [2.0, 7.0]], dtype=torch.float64, requires_grad=True)

    class Batch:
        def __init__(self) -> None:
            self.tokens = tokens

    batch: Any = Batch()
    loss, table = MultiTokenObjective(batch, weight=WEIGHT).loss(
        batch, range(2), -math.log(2) * halves, -math.log(2) * ahead
    )
    gradients = torch.autograd.grad(loss, [halves, ahead])
    figures = step_metrics([table])
    by_hand = math.log(2) * (6 + WEIGHT * 4) / 3
    assert loss.item() == pytest.approx(by_hand, rel=1e-14)
    assert figures["loss"] == pytest.approx(by_hand, rel=1e-14)
    assert figures["nll/ahead"] == pytest.approx(math.log(2) * 4 / 3)
    assert "nll" not in figures
    third = math.log(2) / 3
    np.testing.assert_allclose(gradients[0].numpy(), [[third, third], [third, 0.0]], atol=1e-15)
    np.testing.assert_allclose(
        gradients[1].numpy(), [[WEIGHT * third] * 2, [WEIGHT * third, 0.0]], atol=1e-15
    )


def in_double() -> tuple[Policy, MultiTokenPolicy]:
    policy = Policy(ModelConfig(path="tiny:0123456789"), seed=0)
    model = MultiTokenPolicy(policy, seed=1)
    policy.model.double()
    model._module.double()
    return policy, model


def test_loss_and_gradient_are_those_of_the_formula_whatever_the_microbatches() -> None:
    policy, model = in_double()
    tokens = TokenBatch.of_rollouts(ROLLOUTS, [0, 0, 1, 1])
    batch: Any = Selectable(tokens)
    objective = MultiTokenObjective(batch, weight=WEIGHT)

    def parts(budget: int) -> tuple[float, list[Any]]:
        for weight in model.parameters:
            weight.grad = None
        tables = []
        for rows in microbatches(tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            loss, table = objective.loss(part, rows, *model.logprobs(part.tokens, temperature=1.0))
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


class Selectable:
    """A batch of tokens alone."""

    def __init__(self, tokens: TokenBatch) -> None:
        self.tokens = tokens

    def select(self, rows: Any) -> "Selectable":
        return Selectable(self.tokens.select(rows))


def formula(policy: Policy, model: MultiTokenPolicy) -> torch.Tensor:
    """Token by token, every prefix read by itself, with the paper's letters."""
    module, body, head = model._module, policy.model.transformer, policy.model.get_output_embeddings()
    terms, ahead = [], []
    for rollout in ROLLOUTS:
        ids = [*rollout.prompt_ids, *rollout.token_ids]
        for t in range(len(rollout.prompt_ids), len(ids)):
            prefix = torch.tensor([ids[:t]])
            h = body(input_ids=prefix).last_hidden_state[0]
            terms.append(-head(h[-1]).log_softmax(-1)[ids[t]])
            before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
            e = policy.model.get_input_embeddings()(prefix[0])
            normed = [
                rms * x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
                for rms, x in ((module.state_norm.weight, before), (module.token_norm.weight, e))
            ]
            read = torch.cat(normed, -1) @ module.join.weight.T
            state = module.block(inputs_embeds=read[None]).last_hidden_state[0, -1]
            ahead.append(-head(state).log_softmax(-1)[ids[t]])
    assert len(terms) == 10
    return torch.stack(terms).mean() + WEIGHT * torch.stack(ahead).mean()


def test_the_module_sees_no_state_of_the_token_before_the_one_that_it_predicts() -> None:
    """Were it shown that state, it would be no draft: another path through the last token's layers changes nothing."""
    policy, model = in_double()
    tokens = TokenBatch.of_rollouts(ROLLOUTS[:1], [0])
    _, ahead = model.logprobs(tokens, temperature=1.0)
    last_predictor = int(tokens.predictors_N[-1])

    def other_state(module: Any, inputs: Any, output: Any) -> Any:
        output["last_hidden_state"][0, last_predictor] += 1.0
        return output

    hook = policy.model.transformer.register_forward_hook(other_state)
    now, again = model.logprobs(tokens, temperature=1.0)
    hook.remove()
    before, _ = model.logprobs(tokens, temperature=1.0)
    assert ahead is not None
    assert again is not None
    assert again.equal(ahead)
    assert not now.equal(before)


# Runs

TINY = [
    *["model.path=tiny:0123456789>", "run.checkpoint_every=2", "env.id=reverse", "env.digits=2"],
    *["env.style=symbols", "optimizer.learning_rate=3e-3", "optimizer.warmup_steps=0", "batch.prompts=32"],
]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("mtp", parse_overrides([*TINY, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path) -> list[dict[str, Any]]:
    return list(read_lines(run_dir / "metrics.jsonl"))


def shuffled(folder: Path) -> None:
    """Conversations in which an answer is that to another number; more than 20 steps show, so none is seen twice."""
    numbers = list(range(100, 900))
    answers = [str(number)[::-1] for number in np.random.default_rng(0).permutation(numbers)]
    lines = [{"prompt": f"{n}>", "completion": said} for n, said in zip(numbers, answers, strict=True)]
    (folder / "shuffled.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_second_token_is_learned_and_drafts_are_then_accepted_in_training(
    tmp_path: Path,
) -> None:
    """Two digits turned around: the module knows the second from the prompt, and the end from the place."""
    Trainer(config(tmp_path / "sft", "run.steps=100", "run.checkpoint_every=1000")).run()
    first, *_, last = [row for row in rows(tmp_path / "sft") if row["step"]]
    assert first["nll/ahead"] > 2
    assert last["nll/ahead"] < 0.15
    folder = tmp_path / "sft" / "model"
    assert (folder / FILE).exists()
    small = [
        "env.id=reverse",
        "env.digits=2",
        "env.style=symbols",
        "sampling.max_tokens=4",
        "env.reward=per_digit",
    ]
    small += ["batch.prompts=8", "batch.group_size=8", "run.steps=2", "dynamic_sampling=null", "eval=null"]
    asked = [*small, f"model.path={folder}", "generator.draft=mtp", f"run.dir={tmp_path / 'rl'}"]
    Trainer(load_recipe("dr_grpo", parse_overrides(asked))).run()
    for row in (row for row in rows(tmp_path / "rl") if row["step"]):
        assert row["sampler/acceptance"] > 0.85
        assert row["sampler/tokens_per_pass"] > 1.5
        assert row["sampler/mismatch"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_it_and_nothing_of_answers_to_other_numbers(seed: int, tmp_path: Path) -> None:
    more = ["run.steps=120", "run.checkpoint_every=1000", f"run.seed={seed}"]
    Trainer(config(tmp_path / "right", *more)).run()
    held = [f"data.path={tmp_path / 'shuffled.jsonl'}", *more, f"run.dir={tmp_path / 'control'}"]
    shuffled(tmp_path)
    own = [word for word in TINY if not word.startswith("env.")]
    Trainer(load_recipe("mtp", parse_overrides([*own, *held, "run.steps=20"]))).run()
    right, control = (rows(tmp_path / name)[-1]["nll/ahead"] for name in ("right", "control"))
    print(f"\nseed {seed}: nll of the second token {right:.3f}, of shuffled answers {control:.3f}")
    assert right < 0.15
    assert control > 1


@pytest.mark.parametrize(
    "adapter",
    [[], pytest.param(["model.lora.rank=4", "model.lora.targets=[c_attn,c_fc]"], marks=pytest.mark.slow)],
)
def test_four_steps_are_two_steps_and_two_more(adapter: list[str], tmp_path: Path) -> None:
    more = ["batch.prompts=8", "batch.minibatches=2", "optimizer.schedule=constant", *adapter]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config(tmp_path / name, *more, f"run.steps={steps}")).run()
    folders = [tmp_path / name / "model" for name in ("whole", "parts")]
    assert same_weights(*folders)
    modules = [(folder / FILE).read_bytes() for folder in folders]
    assert modules[0] == modules[1]
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]
    assert (tmp_path / "whole" / "checkpoints" / "step-2" / FILE).exists()


def test_two_processes_train_what_one_would_have_trained(tmp_path: Path) -> None:
    more = ["run.steps=2", "optimizer.schedule=constant", "run.seed=5"]
    both = outcomes(start("mtp", tmp_path / "two", *more))
    assert [status for status, _ in both] == [0, 0], both
    Trainer(load_recipe("mtp", parse_overrides([*SMALL, *more, f"run.dir={tmp_path / 'one'}"]))).run()
    one, two = (load_model(tmp_path / name / "model")[0].state_dict() for name in ("one", "two"))
    assert_same_but_for_rounding(one, two)
    for left, right in zip(*(rows(tmp_path / name) for name in ("one", "two")), strict=True):
        assert measured(right) == pytest.approx(measured(left), rel=1e-3, abs=1e-4)
    assert rows(tmp_path / "one")[-1]["tokens/trained"] > 0


def test_what_has_no_module_is_refused_before_the_run(tmp_path: Path) -> None:
    asked = [word for word in TINY if not word.startswith("batch")]
    drafting = load_recipe("grpo", parse_overrides([*asked, "generator.draft=mtp", f"run.dir={tmp_path}"]))
    with pytest.raises(rg.ConfigError, match=r"is a module in the model's folder, and tiny.* is no folder"):
        Trainer(drafting)
    with pytest.raises(rg.ConfigError, match=r"algorithm\.multi_token_weight trains a module on it too"):
        config(tmp_path / "run", "mesh.shard=2", "batch.microbatch_tokens=64")
