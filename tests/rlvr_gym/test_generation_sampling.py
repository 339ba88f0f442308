"""Drawing tokens: hand-worked distributions and a published reference of the random stream."""

import pytest
import torch

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.sampling import draw, truncate, uniforms


def tokens_at(probabilities: list[float], uniform: list[float], **sampling: float) -> list[int]:
    logits = torch.tensor([probabilities]).log()
    tokens, _ = draw(
        logits, SamplingParams.model_validate(sampling), torch.tensor([uniform], dtype=torch.float64)
    )
    return tokens[0].tolist()


def logprobs_at(probabilities: list[float], uniform: list[float], **sampling: float) -> list[float]:
    logits = torch.tensor([probabilities]).log()
    _, logprobs = draw(
        logits, SamplingParams.model_validate(sampling), torch.tensor([uniform], dtype=torch.float64)
    )
    return logprobs[0].exp().tolist()


def test_the_random_stream_is_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    expected = torch.tensor([word / 2**64 for word in published], dtype=torch.float64)
    found = uniforms([1234567] * 4, [0, 1, 2, 3])
    assert torch.allclose(found, expected, rtol=0, atol=2**-51)
    assert uniforms([1234567], [2]) == found[2]


def test_streams_are_uniform_and_never_reach_one():
    drawn = uniforms([2**63 - 1] * 100_000, range(100_000))
    assert drawn.min() >= 0.0
    assert drawn.max() < 1.0
    counts = torch.histc(drawn, bins=10, min=0, max=1)
    assert ((counts - 10_000).abs() < 4 * (100_000 * 0.1 * 0.9) ** 0.5).all()


def test_a_token_is_drawn_where_the_cumulative_probability_passes_the_uniform():
    assert tokens_at([0.5, 0.25, 0.25], [0.0, 0.49, 0.51, 0.74, 0.76, 1 - 2**-52]) == [0, 0, 1, 1, 2, 2]


def test_a_token_of_probability_zero_is_never_drawn():
    assert tokens_at([0.0, 0.5, 0.0, 0.5, 0.0], [0.0, 0.25, 0.75, 1 - 2**-52]) == [1, 1, 3, 3]


def test_temperature_sharpens_before_drawing():
    assert logprobs_at([0.2, 0.8], [0.1], temperature=0.5) == pytest.approx([0.64 / 0.68])
    assert tokens_at([0.2, 0.8], [0.05, 0.07], temperature=0.5) == [0, 1]


def test_temperature_zero_takes_the_likeliest_and_records_temperature_one():
    assert tokens_at([0.2, 0.7, 0.1], [0.0, 0.99], temperature=0.0) == [1, 1]
    assert logprobs_at([0.2, 0.7, 0.1], [0.0], temperature=0.0) == pytest.approx([0.7])


def test_top_p_keeps_the_fewest_tokens_that_hold_the_mass():
    kept = truncate(torch.tensor([[0.2, 0.5, 0.3]]).log(), 0.6, 0).exp()
    assert kept[0].tolist() == pytest.approx([0.0, 0.625, 0.375])
    assert truncate(torch.tensor([[0.2, 0.5, 0.3]]).log(), 0.4, 0).exp()[0].tolist() == [0.0, 1.0, 0.0]
    assert truncate(torch.tensor([[0.2, 0.5, 0.3]]).log(), 1e-9, 0).exp()[0].tolist() == [0.0, 1.0, 0.0]


def test_top_k_keeps_exactly_k_tokens_even_among_equals():
    kept = truncate(torch.tensor([[0.25, 0.25, 0.25, 0.25]]).log(), 1.0, 3).exp()
    assert sorted(kept[0].tolist()) == pytest.approx([0.0, 1 / 3, 1 / 3, 1 / 3])
    assert truncate(torch.tensor([[0.4, 0.6]]).log(), 1.0, 9).exp()[0].tolist() == pytest.approx([0.4, 0.6])


def test_top_p_is_taken_of_what_top_k_leaves():
    kept = truncate(torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log(), 0.55, 2).exp()
    assert kept[0].tolist() == pytest.approx([1.0, 0.0, 0.0, 0.0])


def test_truncated_sampling_records_the_distribution_it_drew_from():
    assert logprobs_at([0.2, 0.5, 0.3], [0.1, 0.9], top_p=0.6) == pytest.approx([0.625, 0.375])
    assert logprobs_at([0.2, 0.5, 0.3], [0.1, 0.9], top_k=2) == pytest.approx([0.625, 0.375])


def test_many_rows_are_drawn_as_each_would_be_alone():
    vocabulary = 2**20
    logits = torch.sin(torch.arange(20.0 * vocabulary)).view(20, vocabulary)
    uniform = uniforms(range(20), [0] * 20)[:, None]
    together = draw(logits, SamplingParams(), uniform)[0]
    for row in (0, 15, 16, 19):
        alone = draw(logits[row : row + 1], SamplingParams(), uniform[row : row + 1])[0]
        assert together[row] == alone[0]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_an_error(poison: float, temperature: float):
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, poison, 2.0]])
    with pytest.raises(TrainingError, match="NaN or infinity"):
        draw(logits, SamplingParams(temperature=temperature), torch.full((2, 1), 0.5).double())
