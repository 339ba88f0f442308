"""Distillation of policies that are tables: expected gradients by enumeration, and where training ends."""

import math
from collections.abc import Sequence
from typing import Literal

import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.distillation.divergences import divergence
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import Divergence
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from torch import Tensor

from tests.rlvr_trainers.judged import WRONG, said

# A tabular policy with three tokens, of which token 0 ends a sequence, and a budget of two: seven sequences. Row 0 of
# a table holds the logits of the first token, rows 1 and 2 those of the second after token 1 and token 2.
BUDGET = 2
SEQUENCES = [(0,), *((first, second) for first in (1, 2) for second in (0, 1, 2))]
STUDENT = torch.tensor([[0.2, -0.3, 0.5], [0.4, 0.9, -0.1], [-0.2, 0.3, 0.0]], dtype=torch.float64)
TEACHER = torch.tensor([[-0.7, 0.3, 0.1], [0.6, -0.4, 1.2], [0.0, 0.7, -0.9]], dtype=torch.float64)
KINDS: list[tuple[Divergence, float | None]] = [("reverse_kl", None), ("forward_kl", None), ("jsd", 0.5)]


def states(sequence: Sequence[int]) -> list[int]:
    """The row of the table that each token of a sequence was drawn from."""
    return [0, *sequence[:1]][: len(sequence)]


def logprobs(logits: Tensor, sequence: Sequence[int]) -> Tensor:
    return torch.log_softmax(logits, -1)[states(sequence), list(sequence)]


def distances(kind: Divergence, beta: float | None, logits: Tensor, sequence: Sequence[int]) -> Tensor:
    """The divergences of a sequence's tokens from the teacher."""
    rows = states(sequence)
    logp, logq = (torch.log_softmax(table, -1)[rows] for table in (logits, TEACHER))
    return divergence(kind, logp, logq, beta)


def table_of(values: Sequence[Tensor]) -> Tensor:
    """(B, T), 0 behind a sequence's end."""
    return torch.stack([torch.cat([row, row.new_zeros(BUDGET - len(row))]) for row in values])


def loss(config: Distill, logits: Tensor, sequences: Sequence[tuple[int, ...]]) -> Tensor:
    """The loss of a step that drew `sequences`, by the way that samples take: tokens, scores, credit, objective."""
    around = Surroundings(
        reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=BUDGET, updates_per_step=1, decode=str
    )
    algorithm = config.build(around)

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        table = {Role.POLICY: logits.detach(), Role.TEACHER: TEACHER}[role]
        values = table_of([logprobs(table, sequence) for sequence in sequences])
        width = tokens.mask_BT.shape[1]
        return values[:, :width], torch.zeros(tokens.mask_BT.shape)

    rollouts = [said(str(sequence), WRONG, tokens=sequence) for sequence in sequences]
    scored = algorithm.score(algorithm.tokens(rollouts, range(len(rollouts))), scorer)
    batch: CreditedBatch = algorithm.credit(rollouts, scored)
    width = batch.tokens.mask_BT.shape[1]
    lp_BT = table_of([logprobs(logits, sequence) for sequence in sequences])[:, :width]
    of_tokens = [distances(config.divergence, config.beta, logits, sequence) for sequence in sequences]
    objective = algorithm.objective(batch, scorer)
    return objective.loss(batch, range(len(rollouts)), lp_BT, table_of(of_tokens)[:, :width])[0]


def expected_gradient(config: Distill) -> Tensor:
    """The gradient of a step of one sample, over all that it could be."""
    logits = STUDENT.clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    for sequence in SEQUENCES:
        probability = math.exp(float(logprobs(STUDENT, sequence).sum()))
        total = total + probability * loss(config, logits, [sequence])
    return torch.autograd.grad(total, [logits])[0]


def test_the_seven_sequences_are_all_there_are() -> None:
    assert sum(math.exp(float(logprobs(STUDENT, s).sum())) for s in SEQUENCES) == pytest.approx(1.0)


def test_the_gradient_of_sampled_tokens_is_on_average_that_of_whole_distributions() -> None:
    full, sampled = (
        expected_gradient(Distill(teacher="t", vocabulary=vocabulary, aggregation="constant"))
        for vocabulary in ("full", "sampled")
    )
    torch.testing.assert_close(sampled, full, rtol=0, atol=1e-15)
    assert float(full.abs().max()) > 0.01
    # By hand, of the first token, which every sequence has: the gradient of KL(p || q) by its logits, over the budget.
    logp, logq = STUDENT.log_softmax(-1)[0], TEACHER.log_softmax(-1)[0]
    by_hand = logp.exp() * (logp - logq - (logp.exp() * (logp - logq)).sum()) / BUDGET
    torch.testing.assert_close(full[0], by_hand, rtol=0, atol=1e-15)


def test_with_lengths_in_the_denominator_a_sampled_token_weighs_by_the_length_that_it_brought() -> None:
    """A first token that ends its sequence has all of its weight, and one that does not half of it."""
    full, sampled = (
        expected_gradient(Distill(teacher="t", vocabulary=vocabulary, aggregation="sequence_mean"))
        for vocabulary in ("full", "sampled")
    )
    assert float((full - sampled).abs().max()) > 1e-3


@pytest.mark.parametrize(("kind", "beta"), KINDS)
def test_a_student_ends_where_its_teacher_is(kind: Divergence, beta: float | None) -> None:
    config = Distill(teacher="t", divergence=kind, beta=beta)
    logits = STUDENT.clone().requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(400):
        optimizer.zero_grad()
        loss(config, logits, SEQUENCES).backward()
        optimizer.step()
    assert distance(logits) < 1e-8


def test_a_student_that_sees_its_own_samples_alone_ends_there_too() -> None:
    """Near the teacher the advantages of all tokens go to 0, and the noise with them."""
    config = Distill(teacher="t", vocabulary="sampled", aggregation="constant")
    logits = STUDENT.clone().requires_grad_()
    optimizer, random = torch.optim.Adam([logits], lr=0.03), torch.Generator().manual_seed(0)
    probabilities = [0.0] * len(SEQUENCES)
    for _ in range(500):
        probabilities = [math.exp(float(logprobs(logits.detach(), s).sum())) for s in SEQUENCES]
        drawn = torch.multinomial(torch.tensor(probabilities), 16, replacement=True, generator=random)
        optimizer.zero_grad()
        loss(config, logits, [SEQUENCES[place] for place in drawn.tolist()]).backward()
        optimizer.step()
    assert distance(logits) < 1e-4


@pytest.mark.parametrize("vocabulary", ["full", "sampled"])
def test_a_student_that_is_its_teacher_stays(vocabulary: Literal["full", "sampled"]) -> None:
    logits = TEACHER.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(
        loss(Distill(teacher="t", vocabulary=vocabulary), logits, SEQUENCES), [logits]
    )
    assert float(gradient.abs().max()) < 1e-15


def distance(logits: Tensor) -> float:
    """KL(teacher || student) of whole sequences."""
    gaps = [
        float(logprobs(TEACHER, s).sum().exp() * (logprobs(TEACHER, s) - logprobs(logits.detach(), s)).sum())
        for s in SEQUENCES
    ]
    return sum(gaps)
