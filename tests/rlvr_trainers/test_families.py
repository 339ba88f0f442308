"""Every family of causal language models in transformers: sampled and scored alike, or refused before use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.logprobs import token_logprobs
from transformers import BloomConfig, BloomForCausalLM, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from rlvr_gym import Completion, ConfigError, FinishReason, Message, Rollout, Task, Verdict
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.lockstep import Memory
from rlvr_gym.generation.transformers.speculative import Draft
from tests.rlvr_trainers.families import NOT_MADE, REFUSED, SAMPLED, page, tiny

PROMPTS = ((5, 6, 7), (9, 8, 7), tuple(range(30, 42)))
WAYS = {family: memory for memory, families in SAMPLED.items() for family in families.split()}


def test_every_family_that_transformers_lists_stands_in_the_table_once():
    listed = [*WAYS, *REFUSED.split(), *NOT_MADE]
    assert sorted(listed) == sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


def test_the_page_of_models_is_the_table():
    written = Path(__file__).parents[2] / "docs" / "models.md"
    assert written.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("family", WAYS)
def test_a_family_is_sampled_as_it_is_trained(family: str):
    model = tiny(family)
    generator = TransformersGenerator(model, character_tokenizer())
    assert generator.memory is WAYS[family]
    samples = _sampled(generator)
    assert [c.prompt_token_ids for c in samples] == [ids for ids in PROMPTS for _ in range(2)]
    for completion, trained in zip(samples, _trained(model, samples), strict=True):
        assert completion.logprobs == pytest.approx(_plain(model, completion), abs=2e-4)
        assert completion.logprobs == pytest.approx(trained, abs=2e-4)


@pytest.mark.parametrize("family", SAMPLED[Memory.ROWS].split())
def test_a_family_that_keeps_keys_and_values_is_sampled_with_a_draft_as_without(family: str):
    model, tokenizer = tiny(family), character_tokenizer()
    # Of a family without a longest context, as some of these have none.
    drafts = BloomForCausalLM(BloomConfig(vocab_size=len(tokenizer), hidden_size=16, n_layer=1, n_head=2))
    draft = Draft(model=drafts.eval(), tokenizer=tokenizer, tokens=3)
    generator = TransformersGenerator(model, tokenizer, draft=draft)
    for completion in _sampled(generator):
        assert completion.logprobs == pytest.approx(_plain(model, completion), abs=2e-4)
    assert generator.draft_counts is not None
    assert generator.draft_counts.judged > 0


@pytest.mark.parametrize("family", REFUSED.split())
def test_a_family_whose_forward_pass_is_not_causal_is_refused(family: str):
    with pytest.raises(ConfigError, match=f"a '{family}' model .* cannot be sampled: ") as refused:
        TransformersGenerator(tiny(family), character_tokenizer())
    assert "\n" not in str(refused.value)


def _sampled(generator: TransformersGenerator) -> list[Completion]:
    asked = [
        GenerationRequest(messages=(Message(role="user", content="?"),), seed=seed, token_ids=ids)
        for seed, ids in enumerate(PROMPTS)
    ]
    groups = dict(generator.generate(asked, 2, SamplingParams(max_tokens=9)))
    return [completion for index in range(len(PROMPTS)) for completion in groups[index]]


def _plain(model: PreTrainedModel, completion: Completion) -> list[float]:
    """One forward pass over each prefix: nothing that comes later can be seen."""
    found: list[float] = []
    with torch.no_grad():
        for place, token in enumerate(completion.token_ids):
            prefix = torch.tensor([[*completion.prompt_token_ids, *completion.token_ids[:place]]])
            logits = model(input_ids=prefix, use_cache=False).logits[0, -1]
            found.append(torch.log_softmax(logits, dim=-1)[token].item())
    return found


def _trained(model: PreTrainedModel, samples: Sequence[Completion]) -> list[list[float]]:
    """As the trainer scores them, side by side and padded on the right."""
    rollouts = [
        Rollout(
            task=Task(prompt="?"),
            sample=place,
            prompt_ids=completion.prompt_token_ids,
            token_ids=completion.token_ids,
            action_mask=(True,) * len(completion.token_ids),
            logprobs=completion.logprobs,
            messages=(Message(role="assistant", content=""),),
            finish_reason=FinishReason.STOP,
            verdict=Verdict.right(),
        )
        for place, completion in enumerate(samples)
    ]
    batch = TokenBatch.of_rollouts(rollouts, [0] * len(rollouts))
    with torch.no_grad():
        logprobs, _ = token_logprobs(model, batch, temperature=1.0)
    return [row[: len(c.token_ids)].tolist() for row, c in zip(logprobs, samples, strict=True)]
