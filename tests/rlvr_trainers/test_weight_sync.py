"""Weights for a sampler elsewhere: they arrive, and are proven to have arrived, or nothing is sampled."""

from collections.abc import Iterable, Iterator

import pytest
import torch
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.weight_sync import Proof, SentWeights, SharedWeights, probes_of
from rlvr_trainers.learner_settings import LoraConfig, ModelConfig
from rlvr_trainers.mesh import Mesh
from torch import Tensor

from rlvr_gym import GenerationRequest, Message, SamplingParams, TrainingError
from rlvr_gym.generation.base import TrainableGenerator
from rlvr_gym.generation.transformers import TransformersGenerator

TINY = ModelConfig(path="tiny:0123456789>")
PROBES = probes_of([(1, 2, 3, 4, 5), (6, 7, 8), (9,)])


class Forgetful(TransformersGenerator):
    """A sampler that says it has taken weights and has not."""

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        self.weights_version = version


class Partial(TransformersGenerator):
    """A sampler that loses one parameter on the way."""

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        super().update_weights(list(weights)[1:], version)


class BrokenOff(TransformersGenerator):
    """A sampler whose first update ends half-way."""

    broken = True

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        super().update_weights(self._half(list(weights)) if self.broken else weights, version)

    def _half(self, weights: list[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        yield from weights[: len(weights) // 2]
        raise TrainingError("the connection is gone")


def elsewhere(kind: type[TransformersGenerator] = TransformersGenerator) -> TransformersGenerator:
    """A sampler with a model of its own, whose weights are other ones."""
    other = Policy(TINY, seed=1)
    return kind(other.model, other.tokenizer)


def sent(policy: Policy, generator: TrainableGenerator) -> SentWeights:
    proof = Proof(generator, policy, PROBES, temperature=0.7)
    return SentWeights(generator, policy, proof, shared=False, mesh=Mesh())


def first_token(generator: TrainableGenerator) -> tuple[int, ...]:
    request = GenerationRequest(messages=(Message(role="user", content="12>"),), seed=0)
    ((_, (completion,)),) = generator.generate([request], 1, SamplingParams(max_tokens=6))
    return completion.token_ids


def test_a_probe_is_the_second_half_of_a_prompt() -> None:
    assert [(p.prompt_token_ids, p.token_ids) for p in PROBES] == [((1, 2, 3), (4, 5)), ((6, 7), (8,))]


def test_after_a_publication_the_sampler_draws_what_the_policy_would() -> None:
    policy, generator = Policy(TINY, seed=0), elsewhere()
    assert first_token(generator) != first_token(policy.generator())
    sent(policy, generator).publish(3)
    assert first_token(generator) == first_token(policy.generator())
    assert generator.weights_version == 3


def test_an_adapter_is_sent_merged_into_its_base() -> None:
    policy = Policy(TINY.model_copy(update={"lora": LoraConfig(rank=4)}), seed=0)
    with torch.no_grad():
        for parameter in policy.parameters:
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    generator = elsewhere()
    sent(policy, generator).publish(1)
    assert first_token(generator) == first_token(policy.generator())


def test_weights_that_never_arrived_stop_the_run() -> None:
    with pytest.raises(TrainingError, match=r"after optimizer step 2 the sampler does not have the weights"):
        sent(Policy(TINY, seed=0), elsewhere(Forgetful)).publish(2)


def test_a_partial_update_is_refused_and_nothing_is_sampled_after_it() -> None:
    generator = elsewhere(Partial)
    with pytest.raises(TrainingError, match="missing"):
        sent(Policy(TINY, seed=0), generator).publish(1)
    with pytest.raises(TrainingError, match="nothing is sampled"):
        first_token(generator)


def test_a_sync_broken_off_half_way_stops_the_run_until_a_whole_one_mends_it() -> None:
    policy, generator = Policy(TINY, seed=0), elsewhere(BrokenOff)
    assert isinstance(generator, BrokenOff)
    with pytest.raises(TrainingError, match="the connection is gone"):
        sent(policy, generator).publish(1)
    with pytest.raises(TrainingError, match="nothing is sampled"):
        first_token(generator)
    generator.broken = False
    sent(policy, generator).publish(2)
    assert first_token(generator) == first_token(policy.generator())
    assert generator.weights_version == 2


def test_a_sampler_on_the_very_weights_is_only_told_their_version() -> None:
    policy = Policy(TINY, seed=0)
    generator = policy.generator()
    SharedWeights(generator, policy).publish(5)
    assert generator.weights_version == 5


def test_a_sampler_of_another_shape_is_refused() -> None:
    other = Policy(ModelConfig(path="tiny:0123456789>+"), seed=0)
    with pytest.raises(TrainingError, match="of another shape"):
        sent(other, elsewhere()).publish(1)
