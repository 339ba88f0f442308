"""Divergences of a student from its teacher: by hand, by an oracle, chunk by chunk, in any microbatches."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.distillation.divergences import divergence, head_divergences
from rlvr_trainers.learner.distillation.student import Student
from rlvr_trainers.learner.layout.microbatches import microbatches
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.loss_settings import Divergence
from rlvr_trainers.objectives.divergence import DivergenceObjective
from rlvr_trainers.objectives.token_table import step_metrics
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from torch import Tensor

from rlvr_gym import ConfigError, FinishReason, Rollout
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, WRONG, said

KINDS: list[tuple[Divergence, float | None]] = [("reverse_kl", None), ("forward_kl", None), ("jsd", 0.3)]
LN2 = math.log(2)


def oracle(kind: Divergence, beta: float | None, z: np.ndarray, zq: np.ndarray) -> tuple[float, list[float]]:
    """The divergence of one token, and its gradient by the student's logits, in loops."""
    p, q = (
        [math.exp(x) / sum(map(math.exp, logits)) for x in logits] for logits in (z.tolist(), zq.tolist())
    )
    if kind == "forward_kl":
        value = sum(b * math.log(b / a) for a, b in zip(p, q, strict=True))
        return value, [a - b for a, b in zip(p, q, strict=True)]
    share = 0.0 if beta is None else beta
    other = q if beta is None else [share * b + (1 - share) * a for a, b in zip(p, q, strict=True)]
    gaps = [math.log(a / m) for a, m in zip(p, other, strict=True)]
    mean = sum(a * gap for a, gap in zip(p, gaps, strict=True))
    value = (1 - share) * mean + share * sum(b * math.log(b / m) for b, m in zip(q, other, strict=True))
    return value, [(1 - share) * a * (gap - mean) for a, gap in zip(p, gaps, strict=True)]


@pytest.mark.parametrize(
    ("kind", "beta", "value", "slopes"),
    [
        ("reverse_kl", None, LN2 / 4, [0.375 * LN2, -0.0625 * LN2, -0.3125 * LN2]),
        ("forward_kl", None, LN2 / 4, [0.25, 0.0, -0.25]),
        (
            "jsd",  # the mixture is (3, 2, 3) / 8
            0.5,
            math.log(4 / 3) / 2 + math.log(2 / 3) / 4,
            [
                0.25 * (math.log(4 / 3) - (math.log(4 / 3) / 2 + math.log(2 / 3) / 4)),
                0.125 * (0 - (math.log(4 / 3) / 2 + math.log(2 / 3) / 4)),
                0.125 * (math.log(2 / 3) - (math.log(4 / 3) / 2 + math.log(2 / 3) / 4)),
            ],
        ),
    ],
)
def test_three_words_are_worked_by_hand(
    kind: Divergence, beta: float | None, value: float, slopes: list[float]
) -> None:
    student = torch.tensor([[2.0, 1.0, 1.0]], dtype=torch.float64).log().requires_grad_()
    teacher = torch.tensor([[1.0, 1.0, 2.0]], dtype=torch.float64).log()
    found = divergence(kind, student.log_softmax(-1), teacher.log_softmax(-1), beta)
    assert found.item() == pytest.approx(value, rel=1e-14)
    (gradient,) = torch.autograd.grad(found.sum(), [student])
    np.testing.assert_allclose(gradient.numpy(), [slopes], atol=1e-15)
    told, written = oracle(kind, beta, student.detach().numpy()[0], teacher.numpy()[0])
    assert (told, written) == (pytest.approx(value, rel=1e-14), pytest.approx(slopes, abs=1e-15))


def test_equal_distributions_are_at_a_distance_of_0_and_have_no_gradient() -> None:
    z = torch.linspace(-20, 20, 7, dtype=torch.float64)[None].requires_grad_()
    for kind, beta in KINDS:
        found = divergence(kind, z.log_softmax(-1), z.detach().log_softmax(-1), beta)
        (gradient,) = torch.autograd.grad(found.sum(), [z])
        assert abs(found.item()) < 1e-14
        assert float(gradient.abs().max()) < 1e-14


def test_the_mixtures_ends_are_the_two_kls() -> None:
    """As the paper has it: jsd / beta goes to KL(teacher || student) with beta to 0, and to the other at 1."""
    torch.manual_seed(0)
    p, q = (torch.randn(4, 6, dtype=torch.float64).log_softmax(-1) for _ in range(2))
    small = 1e-7
    forward, reverse = divergence("forward_kl", p, q), divergence("reverse_kl", p, q)
    torch.testing.assert_close(divergence("jsd", p, q, small) / small, forward, rtol=1e-5, atol=0)
    torch.testing.assert_close(divergence("jsd", p, q, 1 - small) / small, reverse, rtol=1e-5, atol=0)


def test_a_mixture_without_a_share_is_refused() -> None:
    p = torch.zeros(1, 2)
    with pytest.raises(ConfigError, match="needs beta"):
        divergence("jsd", p, p)


def heads(student_size: int = 9, teacher_size: int = 9) -> tuple[torch.nn.Linear, torch.nn.Linear]:
    torch.manual_seed(1)
    student, teacher = torch.nn.Linear(5, student_size).double(), torch.nn.Linear(4, teacher_size).double()
    return student, teacher.requires_grad_(False)


@pytest.mark.parametrize(("kind", "beta"), KINDS)
def test_every_chunk_size_has_the_loss_and_gradient_of_the_formula(
    kind: Divergence, beta: float | None
) -> None:
    student, teacher = heads()
    torch.manual_seed(2)
    hidden = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    taught, targets = torch.randn(7, 4, dtype=torch.float64), torch.tensor([0, 3, 8, 1, 1, 5, 2])
    upstream = torch.rand(7, dtype=torch.float64)
    zs, zqs = (student(hidden) / 0.7).detach().numpy(), (teacher(taught) / 0.7).numpy()
    told = [oracle(kind, beta, z, zq) for z, zq in zip(zs, zqs, strict=True)]
    by_logits = torch.tensor([slopes for _, slopes in told], dtype=torch.float64) * upstream[:, None] / 0.7
    for chunk in (1, 3, 7, 100):
        logprobs, found = head_divergences(
            (student, teacher),
            (hidden, taught),
            targets,
            kind=kind,
            beta=beta,
            temperature=0.7,
            chunk=chunk,
        )
        np.testing.assert_allclose(found.detach().numpy(), [value for value, _ in told], rtol=1e-12)
        expected = torch.from_numpy(zs).log_softmax(-1).gather(1, targets[:, None])[:, 0]
        torch.testing.assert_close(logprobs, expected, rtol=0, atol=1e-12)
        assert not logprobs.requires_grad
        of_hidden, of_weight = torch.autograd.grad((upstream * found).sum(), [hidden, student.weight])
        torch.testing.assert_close(of_hidden, by_logits @ student.weight, rtol=0, atol=1e-12)
        torch.testing.assert_close(of_weight, by_logits.T @ hidden, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(9, 12), (12, 9)])
def test_ids_that_only_one_head_has_are_left_out_of_both_distributions(sizes: tuple[int, int]) -> None:
    """Heads are padded to round sizes, which differ within a family of models."""
    student, teacher = heads(*sizes)
    hidden, taught = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    targets = torch.tensor([0, 3, 8])
    for kind, beta in KINDS:
        _, found = head_divergences(
            (student, teacher), (hidden, taught), targets, kind=kind, beta=beta, temperature=1.0, chunk=4
        )
        z, zq = student(hidden)[:, :9].detach().numpy(), teacher(taught)[:, :9].numpy()
        expected = [oracle(kind, beta, *pair)[0] for pair in zip(z, zq, strict=True)]
        np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12)


def test_no_more_than_a_chunks_logits_are_ever_computed_at_once() -> None:
    student, teacher = heads()
    seen: list[int] = []

    def watched(head: torch.nn.Linear) -> Callable[[Tensor], Tensor]:
        def logits(hidden: Tensor) -> Tensor:
            seen.append(len(hidden))
            return head(hidden)

        return logits

    hidden = torch.randn(11, 5, dtype=torch.float64, requires_grad=True)
    taught, targets = torch.randn(11, 4, dtype=torch.float64), torch.zeros(11, dtype=torch.long)
    _, found = head_divergences(
        (watched(student), watched(teacher)),
        (hidden, taught),
        targets,
        kind="reverse_kl",
        beta=None,
        temperature=1.0,
        chunk=4,
    )
    forward = len(seen)
    found.sum().backward()
    assert (forward, len(seen)) == (6, 12)  # both heads, once more in the backward pass
    assert max(seen) == 4


# Sequences of models

ROLLOUTS = [
    *[said("a", RIGHT, tokens=(5, 6, 7)), said("b", WRONG, tokens=(5, 8)), said("c", UNKNOWN, tokens=(9,))],
    *[said("d", WRONG, tokens=(4,)), said("e", RIGHT, tokens=(6, 6)), said("f", WRONG, tokens=(7, 5, 4, 8))],
    dataclasses.replace(
        said("g", RIGHT, tokens=(5, 4, 4, 6)), action_mask=(True, False, False, True), logprobs=(0.0,) * 4
    ),
]
GROUPS = [0, 0, 1, 1, 2, 2, 2]
AROUND = Surroundings(
    reward=RewardConfig(),
    overlong=OverlongConfig(),
    max_tokens=9,
    updates_per_step=1,
    decode=str,
    temperature=0.8,
)


def two_models() -> tuple[Policy, Policy]:
    policy, teacher = (Policy(ModelConfig(path="tiny:0123456789"), seed=seed) for seed in (0, 1))
    policy.model.double()
    teacher.model.double().requires_grad_(False)
    return policy, teacher


def credited(
    config: Distill,
    policy: Policy,
    teacher: Policy,
    *,
    around: Surroundings = AROUND,
    rollouts: list[Rollout] = ROLLOUTS,
) -> CreditedBatch:
    algorithm = config.build(around)

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            model = {Role.POLICY: policy, Role.TEACHER: teacher}[role]
            values, _ = model.logprobs(tokens, temperature=around.temperature)
        return values, torch.zeros_like(values)

    scored = algorithm.score(algorithm.tokens(rollouts, GROUPS[: len(rollouts)]), scorer)
    return algorithm.credit(rollouts, scored)


@pytest.mark.parametrize("aggregation", ["sequence_mean", "token_mean", "prompt_mean", "constant"])
@pytest.mark.parametrize(("kind", "beta"), KINDS)
def test_loss_and_gradient_are_those_of_the_formula_whatever_the_microbatches(
    kind: Divergence, beta: float | None, aggregation: str
) -> None:
    policy, teacher = two_models()
    config = Distill(teacher="t", divergence=kind, beta=beta, aggregation=aggregation)  # type: ignore[arg-type]
    batch = credited(config, policy, teacher)
    student = Student(policy, teacher, kind=kind, beta=beta)

    def parts(budget: int) -> tuple[float, list[Tensor]]:
        policy.model.zero_grad()
        objective, tables = DivergenceObjective(config.aggregation, batch, max_tokens=9), []
        for rows in microbatches(batch.tokens.lengths_B.tolist(), budget):
            part = batch.select(rows)
            logprobs, divergences = student.logprobs(part.tokens, temperature=0.8)
            loss, table = objective.loss(part, rows, logprobs, divergences)
            loss.backward()
            tables.append(table)
        return step_metrics(tables)["loss"], [w.grad.clone() for w in policy.parameters if w.grad is not None]

    whole_loss, whole = parts(10_000)
    single_loss, single = parts(4)
    policy.model.zero_grad()
    written = formula(config, policy, teacher)
    written.backward()
    expected = [w.grad for w in policy.parameters if w.grad is not None]
    assert whole_loss == pytest.approx(written.item(), abs=1e-10)
    assert single_loss == pytest.approx(whole_loss, abs=1e-10)
    assert max(float(g.abs().max()) for g in expected) > 1e-3
    for one, other, third in zip(whole, single, expected, strict=True):
        torch.testing.assert_close(one, third, rtol=0, atol=1e-10)
        torch.testing.assert_close(other, third, rtol=0, atol=1e-10)
    assert all(weight.grad is None for weight in teacher.model.parameters())


def formula(config: Distill, policy: Policy, teacher: Policy) -> Tensor:
    """Sequence by sequence from the models' own logits, with the aggregation as it is written."""
    of_sequence = []
    for rollout in ROLLOUTS:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.token_ids]])
        z, zq = (model.model(input_ids=ids).logits[0, :-1] / 0.8 for model in (policy, teacher))
        terms = divergence(config.divergence, z.log_softmax(-1), zq.log_softmax(-1), config.beta)
        of_sequence.append(terms[torch.tensor(rollout.action_mask)])
    match config.aggregation:
        case "sequence_mean":
            return torch.stack([terms.mean() for terms in of_sequence]).mean()
        case "token_mean":
            return torch.cat(of_sequence).mean()
        case "constant":
            return torch.cat(of_sequence).sum() / (len(ROLLOUTS) * 9)
        case "prompt_mean":
            groups = [
                [t for t, g in zip(of_sequence, GROUPS, strict=True) if g == group] for group in range(3)
            ]
            return torch.stack([torch.cat(terms).mean() for terms in groups]).mean()


def test_an_advantage_is_the_teachers_log_probability_less_the_students() -> None:
    policy, teacher = two_models()
    batch = credited(Distill(teacher="t", vocabulary="sampled"), policy, teacher)
    with torch.no_grad():
        lp, lp_teacher = (m.logprobs(batch.tokens, temperature=0.8)[0] for m in (policy, teacher))
    torch.testing.assert_close(batch.advantages_BT, lp_teacher - lp, rtol=0, atol=1e-12)
    assert batch.advantages_BT[~batch.tokens.mask_BT].tolist() == [0.0] * 13
    assert batch.advantages_B[6].item() == pytest.approx(float((lp_teacher - lp)[6].sum() / 2), abs=1e-12)
    assert batch.old_logprobs_BT is None  # a step's only update has ratios of exactly 1
    assert (
        batch.tokens.scored_B.tolist() == [True] * 7
    )  # one of them could not be judged, and teaches like all


def test_samples_without_a_token_have_no_place_and_filtered_ones_keep_theirs() -> None:
    policy, teacher = two_models()
    cut = dataclasses.replace(ROLLOUTS[0], finish_reason=FinishReason.LENGTH)
    empty = said("", WRONG, tokens=())
    around = dataclasses.replace(AROUND, overlong=OverlongConfig(filter=True))
    batch = credited(Distill(teacher="t"), policy, teacher, around=around, rollouts=[cut, ROLLOUTS[1], empty])
    assert batch.tokens.scored_B.tolist() == [True, True, False]
    assert batch.tokens.mask_BT.any(1).tolist() == [False, True, False]
    assert batch.advantages_BT.abs().sum() == 0


def test_a_loss_that_is_not_told_divergences_says_so() -> None:
    batch = credited(Distill(teacher="t"), *two_models())
    with pytest.raises(ConfigError, match="needs those of its tokens"):
        DivergenceObjective("token_mean", batch, max_tokens=9).loss(
            batch, range(7), batch.advantages_BT, None
        )


@pytest.mark.parametrize(("kind", "beta"), KINDS)
def test_tokens_that_have_no_probability_have_no_part(kind: Divergence, beta: float | None) -> None:
    z = torch.tensor([[0.3, -0.2, -math.inf]], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([[0.1, 0.4, -math.inf]], dtype=torch.float64)
    value = divergence(kind, z.log_softmax(-1), q.log_softmax(-1), beta)
    value.sum().backward()
    expected, slopes = oracle(kind, beta, z.detach().numpy()[0, :2], q.numpy()[0, :2])
    assert float(value.detach()) == pytest.approx(expected, abs=1e-12)
    assert z.grad is not None
    assert z.grad[0].tolist() == pytest.approx([*slopes, 0.0], abs=1e-12)
