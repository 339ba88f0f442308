"""New weights for a sampler: the contract, held by transformers, and broken in every way that the check must see."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams, TokenSequence
from rlvr_gym.generation.conformance import check_trainable_generator
from rlvr_gym.generation.tiny import character_tokenizer, tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.weights import whole_update
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, WeightsSpan

DIGITS = "0123456789"


def llama() -> PreTrainedModel:
    config = LlamaConfig(
        vocab_size=14,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config).eval()


def request(text: str, seed: int = 0) -> GenerationRequest:
    return GenerationRequest(messages=(Message(role="user", content=text),), seed=seed)


PROMPTS = [request("12345678901234567890", 1), request("42", 2), request("777", 3)]


def a_generator(
    kind: type[TransformersGenerator] = TransformersGenerator,
) -> tuple[TransformersGenerator, PreTrainedModel]:
    model = llama()
    return kind(copy.deepcopy(model), character_tokenizer(DIGITS, context=64)), model


def test_the_sampler_of_transformers_models_takes_new_weights_as_the_contract_says():
    generator, model = a_generator()
    check_trainable_generator(generator, model, PROMPTS, tolerance=1e-4)
    model, tokenizer = tiny_model(seed=3, alphabet=DIGITS, hidden=32, context=64)
    generator = TransformersGenerator(copy.deepcopy(model), tokenizer)
    check_trainable_generator(generator, model, PROMPTS, tolerance=1e-4)


class NeverUpdated(TransformersGenerator):
    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        super().update_weights(self.model.named_parameters(), version)
        list(weights)


class InPart(TransformersGenerator):
    """Takes what is there, as an engine does that is not told what should be."""

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        given = dict(weights)
        own = dict(self.model.named_parameters())
        super().update_weights([(name, given.get(name, weight)) for name, weight in own.items()], version)


class SamplesOnAfterAFailure(TransformersGenerator):
    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        before = self.weights_version
        try:
            super().update_weights(weights, version)
        except TrainingError:
            self.weights_version = before
            raise


class RawLogprobs(TransformersGenerator):
    """Log-probabilities before the temperature, as engines report unless told otherwise."""

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        for index, group in super().generate(prompts, n, sampling):
            sequences = [
                TokenSequence(prompt_token_ids=c.prompt_token_ids, token_ids=c.token_ids) for c in group
            ]
            raw = self.score(sequences)
            yield (
                index,
                [
                    Completion(
                        text=c.text,
                        token_ids=c.token_ids,
                        logprobs=logprobs,
                        prompt_token_ids=c.prompt_token_ids,
                        finish_reason=c.finish_reason,
                        sampled_under=c.sampled_under,
                    )
                    for c, logprobs in zip(group, raw, strict=True)
                ],
            )


class ScoresByOldWeights(TransformersGenerator):
    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        first, _ = a_generator()
        scored = super().score(sequences, temperature)
        return first.score(sequences, temperature) if scored else scored


class SaysTheNextVersion(TransformersGenerator):
    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        self.weights_version = (self.weights_version or 0) + 1
        return super().generate(prompts, n, sampling)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (NeverUpdated, "off that of a forward pass"),
        (InPart, "an update of no weights is not refused"),
        (SamplesOnAfterAFailure, "left a version of the weights"),
        (RawLogprobs, "off that of a forward pass"),
        (ScoresByOldWeights, "scored against sampled"),
        (SaysTheNextVersion, "version"),
    ],
)
def test_the_check_sees_a_sampler_out_of_step(kind: type[TransformersGenerator], said: str):
    generator, model = a_generator(kind)
    with pytest.raises(AssertionError, match=said):
        check_trainable_generator(generator, model, PROMPTS)


def test_the_check_sees_what_old_weights_computed_going_into_new_samples():
    """A generator that goes on from the keys and values of the old weights, at an update under way."""

    class Stale(TransformersGenerator):
        def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
            updates = self._updates
            super().update_weights(weights, version)
            self._updates = updates

    generator, model = a_generator(Stale)
    long = [request("12345678901234567890", seed) for seed in range(12)]
    generator.max_batch_rows = 16
    with pytest.raises(AssertionError, match="off that of a forward pass"):
        check_trainable_generator(generator, model, long, max_tokens=24)


def test_a_refused_update_names_what_is_wrong_with_it():
    shapes = {"a.weight": (2, 3), "b.weight": (4,), "c.weight": (5,)}
    wrong = [("a.weight", torch.zeros(3, 2)), ("b.weight", torch.zeros(4)), ("b.weight", torch.zeros(4))]
    with pytest.raises(TrainingError) as refused:
        whole_update([*wrong, ("d.weight", torch.zeros(1))], shapes)
    assert str(refused.value) == (
        "these are not the sampler's 3 parameters: 1 missing (c.weight); 1 unknown (d.weight); 1 given twice "
        "(b.weight); 1 of another shape (a.weight (3, 2) for (2, 3)). Nothing was changed; an update is the whole of a "
        "model's named_parameters"
    )


def test_a_refused_update_changes_no_weight():
    generator, _ = a_generator()
    before = {name: weight.clone() for name, weight in generator.model.named_parameters()}
    others = [(name, weight + 1) for name, weight in before.items()]
    with pytest.raises(TrainingError, match="1 missing"):
        generator.update_weights(others[:-1], 1)
    assert all(torch.equal(weight, before[name]) for name, weight in generator.model.named_parameters())


def test_a_model_that_is_trained_where_it_is_sampled_needs_no_copy_of_its_weights():
    generator, _ = a_generator()
    with torch.no_grad():
        for weight in generator.model.parameters():
            weight *= 1.1
    places = [weight.data_ptr() for weight in generator.model.parameters()]
    generator.update_weights(generator.model.named_parameters(), 7)
    assert [weight.data_ptr() for weight in generator.model.parameters()] == places
    (completion,) = next(generator.generate(PROMPTS[:1], 1, SamplingParams(max_tokens=5)))[1]
    assert completion.sampled_under == (WeightsSpan(version=7, tokens=len(completion.token_ids)),)
    assert completion.oldest_weights == 7


def test_a_completion_is_as_old_as_its_oldest_token():
    spans = (WeightsSpan(version=3, tokens=2), WeightsSpan(version=4, tokens=1))
    completion = Completion(text="", token_ids=(5, 6, 7), logprobs=(-1.0,) * 3, sampled_under=spans)
    assert completion.oldest_weights == 3
    assert Completion(text="said").oldest_weights is None


def test_an_empty_completion_was_sampled_under_nothing():
    generator, _ = a_generator()
    full = GenerationRequest(messages=(), token_ids=(4,) * 64, seed=0)
    ((_, (completion,)),) = generator.generate([full], 1, SamplingParams(max_tokens=5))
    assert completion.token_ids == completion.sampled_under == ()
