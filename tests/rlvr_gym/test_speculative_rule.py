"""The rule of speculative decoding: by hand, and by many draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from rlvr_gym.generation.transformers.speculative import verify

P = [0.5, 0.3, 0.2]
Q = [0.2, 0.3, 0.5]


def table(*rows: list[float]) -> Tensor:
    return torch.tensor([rows], dtype=torch.float64)


def verified(
    target: Tensor, draft: Tensor, drafted: list[int], accept: list[float], drawing: list[float]
) -> tuple[int, int]:
    accepted, following = verify(target, draft, torch.tensor([drafted]), table(accept)[0], table(drawing)[0])
    return int(accepted), int(following)


# The rule


def test_a_token_is_accepted_with_the_ratio_of_its_probabilities():
    # 0.2 of 0.5: 0.4. In its place one of max(0, p - q) = (0.3, 0, 0) is drawn.
    assert verified(table(P, P), table(Q), [2], [0.39], [0.0, 0.99])[0] == 1
    assert verified(table(P, P), table(Q), [2], [0.41], [0.99, 0.0]) == (0, 0)


def test_a_token_that_the_model_gives_more_than_the_draft_is_always_accepted():
    assert verified(table(P, P), table(Q), [0], [1 - 2**-52], [0.0, 0.55]) == (1, 1)


def test_after_accepted_tokens_one_more_is_drawn_from_the_model():
    target = table(P, P, [0.1, 0.2, 0.7])
    assert verified(target, table(Q, Q), [0, 1], [0.9, 0.9], [0.0, 0.0, 0.35]) == (2, 2)
    assert verified(target, table(Q, Q), [0, 1], [0.9, 0.9], [0.9, 0.9, 0.25]) == (2, 1)


def test_nothing_after_a_refused_token_is_accepted():
    assert verified(table(P, P, P), table(Q, Q), [2, 0], [0.9, 0.0], [0.5, 0.0, 0.0]) == (0, 0)


def test_the_residual_is_normalised():
    # max(0, p - q) = (0.1, 0.2, 0): 0 up to a third, then 1.
    target, draft = table([0.3, 0.6, 0.1], [1.0, 0.0, 0.0]), table([0.2, 0.4, 0.4])
    assert verified(target, draft, [2], [0.9], [0.33, 0.0]) == (0, 0)
    assert verified(target, draft, [2], [0.9], [0.34, 0.0]) == (0, 1)


def test_where_nothing_was_drafted_the_token_is_drawn_from_the_model():
    assert verified(table(P, P), torch.zeros(1, 1, 3).double(), [2], [0.0], [0.6, 0.0]) == (0, 1)
    assert verified(table(P), torch.zeros(1, 0, 3).double(), [], [], [0.9]) == (0, 2)


def test_a_token_of_probability_zero_is_never_accepted_or_drawn():
    target, draft = table([0.0, 1.0, 0.0], P), table([0.5, 0.0, 0.5])
    for drawing in (0.0, 1 - 2**-52):
        assert verified(target, draft, [0], [0.0], [drawing, 0.0]) == (0, 1)


def test_a_refusal_by_rounding_alone_draws_from_the_model():
    less = [0.2, 0.8]
    more = [0.2, float(np.nextafter(0.8, 1.0))]
    assert verified(table(less, less), table(more), [1], [1 - 2**-53], [0.1, 0.0])[1] == 0


SHAPE = 8
SAMPLES = 200_000


def two_distributions() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    drawn = torch.randn(2, SHAPE, generator=generator).double()
    p, q = torch.softmax(drawn, dim=-1)
    return p, q


def chi_square_p_value(observed: Sequence[float], expected: Sequence[float]) -> float:
    """The probability of counts as unlike the expected ones as these: Pearson's test."""
    seen, wanted = (torch.tensor(counts, dtype=torch.float64) for counts in (observed, expected))
    statistic = ((seen - wanted) ** 2 / wanted).sum()
    freedom = torch.tensor((len(seen) - 1) / 2, dtype=torch.float64)
    return torch.special.gammaincc(freedom, statistic / 2).item()


def test_the_chi_square_test_gives_a_published_value():
    # Mendel's peas, Fisher 1936: 315, 101, 108 and 32 for 9:3:3:1.
    expected = [556 * share / 16 for share in (9, 3, 3, 1)]
    assert chi_square_p_value([315, 101, 108, 32], expected) == pytest.approx(0.9254, abs=1e-4)


def many_verified(p: Tensor, q: Tensor, drafted: int) -> tuple[Tensor, Tensor, Tensor]:
    """Drafts (n, K) of q verified by p: with the tokens accepted and those that follow."""
    stream = torch.Generator().manual_seed(0)
    tokens = torch.multinomial(q, SAMPLES * drafted, replacement=True, generator=stream).view(
        SAMPLES, drafted
    )
    accept = torch.rand(SAMPLES, drafted, generator=stream, dtype=torch.float64)
    drawing = torch.rand(SAMPLES, drafted + 1, generator=stream, dtype=torch.float64)
    target, draft = p.expand(SAMPLES, drafted + 1, SHAPE), q.expand(SAMPLES, drafted, SHAPE)
    return tokens, *verify(target, draft, tokens, accept, drawing)


def p_value(tokens: Tensor, p: Tensor) -> float:
    counts = torch.bincount(tokens, minlength=SHAPE)
    return chi_square_p_value(counts.tolist(), (p / p.sum() * len(tokens)).tolist())


def test_the_first_token_follows_the_model_and_would_not_if_refused_ones_were_drawn_from_it():
    p, q = two_distributions()
    tokens, accepted, following = many_verified(p, q, 1)
    assert p_value(torch.where(accepted > 0, tokens[:, 0], following), p) > 0.01
    unlike = torch.multinomial(p, SAMPLES, replacement=True, generator=torch.Generator().manual_seed(1))
    assert p_value(torch.where(accepted > 0, tokens[:, 0], unlike), p) < 1e-6


def test_acceptance_is_what_both_distributions_share_and_a_pass_gives_as_many_tokens_as_the_formula_says():
    p, q = two_distributions()
    alpha = torch.minimum(p, q).sum().item()
    assert 0.3 < alpha < 0.9
    for drafted in (1, 2, 4):
        _, accepted, _ = many_verified(p, q, drafted)
        gained = (accepted + 1).double()
        expected = (1 - alpha ** (drafted + 1)) / (1 - alpha)
        assert gained.mean().item() == pytest.approx(expected, abs=4 * gained.std().item() / SAMPLES**0.5)
