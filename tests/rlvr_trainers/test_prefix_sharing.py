"""GRPO's outcomes are a process reward already, weighted by how many samples share a step; and the weighting undone."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.policy_gradient import PolicyGradient
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.credit.baselines import outcome_advantages
from rlvr_trainers.credit.prefix_sharing import sharers
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.objectives.denominators import Denominators
from rlvr_trainers.objectives.policy_gradient import policy_loss
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from tests.rlvr_trainers.batches import credited

Node = tuple[int, ...]


def batch_of(completions: list[list[int]], groups: list[int], scored: list[bool] | None = None) -> TokenBatch:
    return TokenBatch.of_sequences(
        [[7]] * len(completions),
        completions,
        masks=[[True] * len(c) for c in completions],
        logprobs=[[-1.0] * len(c) for c in completions],
        groups=groups,
        scored=scored or [True] * len(completions),
    )


def test_a_token_counts_the_samples_of_its_group_that_are_the_same_so_far():
    completions = [[1, 2, 3], [1, 2, 4], [1, 5], [6], [1, 2, 3], [1, 2, 3]]
    counts = sharers(batch_of(completions, [0, 0, 0, 0, 1, 1], [True, True, True, True, True, False]))
    # The last two are another group's, and one of them is unscored: nobody shares their tokens.
    expected = [[3, 2, 1], [3, 2, 1], [3, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]]
    assert counts.tolist() == expected


def test_tokens_that_are_alike_after_a_difference_are_not_shared():
    assert sharers(batch_of([[1, 9, 9], [2, 9, 9]], [0, 0])).tolist() == [[1, 1, 1], [1, 1, 1]]


def node_coefficients(
    completions: list[list[int]], rewards: np.ndarray, settings: dict[str, Any]
) -> dict[Node, float]:
    """The loss's derivative with respect to the log-probability of each node of the tree of prefixes."""
    config = PolicyGradientConfig.model_validate(settings)
    tokens = batch_of(completions, [0] * len(completions))
    advantages = outcome_advantages(rewards, [0] * len(rewards), config)
    shared = {"sharers_BT": sharers(tokens)} if config.prefix_weighting else {}
    batch = credited(tokens, advantages.tolist(), **shared)
    nodes: dict[Node, torch.Tensor] = defaultdict(
        lambda: torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    )
    zero = torch.zeros((), dtype=torch.float64)
    rows = [[nodes[tuple(c[: t + 1])] for t in range(len(c))] for c in completions]
    width = tokens.mask_BT.shape[1]
    logprobs_BT = torch.stack([torch.stack(row + [zero] * (width - len(row))) for row in rows])
    denominators = Denominators.of(config.aggregation, tokens, max_tokens=width)
    loss, _ = policy_loss(config, batch, denominators, logprobs_BT)
    loss.backward()
    return {node: float(leaf.grad) for node, leaf in nodes.items() if leaf.grad is not None}


def expected_coefficients(completions: list[list[int]], rewards: np.ndarray) -> dict[Node, tuple[float, int]]:
    """Of each node: (mean reward of its samples - mean of the group) / std / tokens, and how many samples it has."""
    members: dict[Node, list[int]] = defaultdict(list)
    for sample, completion in enumerate(completions):
        for end in range(1, len(completion) + 1):
            members[tuple(completion[:end])].append(sample)
    spread = float(rewards.std(ddof=1)) + PolicyGradientConfig().std_epsilon
    count = sum(map(len, completions))
    return {
        node: (float(rewards[samples].mean() - rewards.mean()) / spread / count, len(samples))
        for node, samples in members.items()
    }


def some_group(seed: int) -> tuple[list[list[int]], np.ndarray]:
    """Six samples over two tokens, of unequal lengths, that share many prefixes; rewards differ."""
    rng = np.random.default_rng(seed)
    completions = [rng.integers(0, 2, int(rng.integers(1, 7))).tolist() for _ in range(6)]
    rewards = rng.random(6).round(2)
    return completions, rewards


@pytest.mark.parametrize("seed", range(50))
def test_grpo_gives_every_step_the_mean_advantage_of_its_samples_times_their_number(seed: int):
    completions, rewards = some_group(seed)
    found = node_coefficients(completions, rewards, {"aggregation": "token_mean"})
    for node, (value, size) in expected_coefficients(completions, rewards).items():
        assert found[node] == pytest.approx(-size * value, rel=0, abs=1e-12)


@pytest.mark.parametrize("seed", range(50))
def test_with_prefix_weighting_every_step_counts_once(seed: int):
    completions, rewards = some_group(seed)
    settings = {"aggregation": "token_mean", "prefix_weighting": True}
    found = node_coefficients(completions, rewards, settings)
    for node, (value, _) in expected_coefficients(completions, rewards).items():
        assert found[node] == pytest.approx(-value, rel=0, abs=1e-12)


def test_the_identity_does_not_hold_under_sequence_means_with_unequal_lengths():
    completions, rewards = [[0, 1], [0, 0, 0, 0, 0, 0], [1]], np.array([1.0, 0.0, 0.5])
    found = node_coefficients(completions, rewards, {"aggregation": "sequence_mean"})
    expected = expected_coefficients(completions, rewards)
    differences = [abs(found[node] + size * value) for node, (value, size) in expected.items()]
    assert max(differences) > 1e-2


def test_the_kl_of_a_shared_token_counts_once_too():
    config = PolicyGradientConfig(aggregation="token_mean", prefix_weighting=True, kl_coefficient=0.5)
    tokens = batch_of([[1, 2], [1, 3]], [0, 0])
    tables = {"ref_logprobs_BT": torch.full((2, 2), -2.0), "sharers_BT": sharers(tokens)}
    logprobs_BT = torch.full((2, 2), -1.0, dtype=torch.float64)
    denominators = Denominators.of("token_mean", tokens, max_tokens=2)
    loss, _ = policy_loss(config, credited(tokens, [0.0, 0.0], **tables), denominators, logprobs_BT)
    k3 = np.exp(-1.0) + 1 - 1
    # Four tokens in the denominator; the two first ones count half each.
    assert float(loss) == pytest.approx(0.5 * k3 * (2 * 0.5 + 2) / 4, rel=1e-12)


def test_the_algorithm_counts_sharers_only_where_they_weigh(mixed_rollouts: Any):
    rollouts, groups = mixed_rollouts
    around = Surroundings(
        reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=16, updates_per_step=1, decode=str
    )
    for on in (False, True):
        algorithm = PolicyGradient(PolicyGradientConfig(prefix_weighting=on), around)
        tokens = algorithm.tokens(rollouts, groups)
        credit = algorithm.credit(rollouts, algorithm.score(tokens, lambda *_, **__: pytest.fail("no model")))
        assert (credit.sharers_BT is not None) is on


SMALL = (
    "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols", "env.reward=per_digit",
    "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=8", "run.steps=2", "eval=null", "run.seed=3",
    "algorithm.prefix_weighting=true", "run.checkpoint_every=9",
)  # fmt: skip


def test_gradients_with_prefix_weighting_do_not_depend_on_microbatches(tmp_path: Path):
    norms = []
    for tokens in (12, 4096):
        settings = [*SMALL, f"batch.microbatch_tokens={tokens}", f"run.dir={tmp_path / str(tokens)}"]
        Trainer(load_recipe("dapo", parse_overrides([*settings, "dynamic_sampling=null"]))).run()
        rows = [row for row in read_lines(tmp_path / str(tokens) / "metrics.jsonl") if row["step"]]
        norms.append([row["grad_norm"] for row in rows])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
    assert min(norms[0]) > 0
