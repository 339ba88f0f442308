"""Models that the sampler would not sample as they are, and tokenizers without an end, are refused before use."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation import agreement
from rlvr_gym.generation.tiny import character_tokenizer, tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator

SMALL = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
BART = {
    "d_model": 32,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 64,
    "encoder_layers": 1,
    "encoder_attention_heads": 4,
}


@pytest.fixture(autouse=True)
def nothing_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agreement, "_agreed", set())


def model_of(kind: str, dtype: torch.dtype = torch.float32, **settings: Any) -> PreTrainedModel:
    config = AutoConfig.for_model(kind, vocab_size=100, bos_token_id=1, eos_token_id=2, **settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


WRONG: dict[str, dict[str, Any]] = {
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32, "context_length": 64},
    "bart": BART,
    "trocr": {name: value for name, value in BART.items() if not name.startswith("encoder")},
}
RIGHT: dict[str, dict[str, Any]] = {
    "llama": SMALL,
    "qwen3": {**SMALL, "num_key_value_heads": 2, "head_dim": 8},
    "gemma2": {**SMALL, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 4},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "word_embed_proj_dim": 32,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "gpt_neox": SMALL,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_model_that_would_be_sampled_wrongly_is_refused_with_the_difference(kind: str):
    model = model_of(kind, dtype=torch.float32, **WRONG[kind])
    with pytest.raises(
        ConfigError, match=rf"a '{kind}' model \(.*\) would be sampled wrongly: .* up to [\d.]+ off"
    ):
        TransformersGenerator(model, character_tokenizer())


def test_a_model_that_knows_no_cache_is_refused_in_one_line():
    model = model_of("openai-gpt", torch.float32, n_embd=32, n_layer=2, n_head=4)
    with pytest.raises(
        ConfigError, match=r"a 'openai-gpt' model \(.*\) cannot be sampled here: .*; possible: "
    ) as refused:
        TransformersGenerator(model, character_tokenizer())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_that_is_sampled_rightly_is_taken(kind: str, dtype: torch.dtype):
    TransformersGenerator(model_of(kind, dtype, initializer_range=0.3, **RIGHT[kind]), character_tokenizer())


def test_weights_of_16_bits_hide_no_wrong_sampling():
    model = model_of("rwkv", torch.bfloat16, **WRONG["rwkv"])
    with pytest.raises(ConfigError, match="would be sampled wrongly"):
        TransformersGenerator(model, character_tokenizer())


def test_an_architecture_is_looked_at_once_and_another_configuration_again():
    passes: list[object] = []

    def looked(layers: int = 2) -> int:
        model, tokenizer = tiny_model(seed=0, layers=layers)
        model.register_forward_pre_hook(lambda *_: passes.append(1))
        TransformersGenerator(model, tokenizer)
        return len(passes)

    first = looked()
    assert first > 0
    assert looked() == first
    assert looked(layers=1) > first


def test_a_look_leaves_the_model_and_the_random_state_as_they_were():
    model, tokenizer = tiny_model(seed=0)
    model.train()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    TransformersGenerator(model, tokenizer)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("context", [1, 2, 3, 8, 12])
def test_a_short_context_is_looked_at_as_far_as_it_goes(context: int):
    TransformersGenerator(*tiny_model(seed=0, context=context))


def test_weights_that_are_not_finite_are_told_as_such():
    model, tokenizer = tiny_model(seed=0)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match="logits are not finite"):
        TransformersGenerator(model, tokenizer)


def test_a_model_without_any_end_token_is_refused():
    model, tokenizer = tiny_model(seed=0)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = None
    TransformersGenerator(model, tokenizer)
    tokenizer.eos_token = None
    with pytest.raises(
        ConfigError, match=r"names an end-of-sequence token \(eos_token\), so no completion could ever end"
    ):
        TransformersGenerator(model, tokenizer)
