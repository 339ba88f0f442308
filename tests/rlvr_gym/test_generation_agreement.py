"""Each model's way of sampling is found before its first use; one without a way, or an end token, is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.tiny import character_tokenizer, tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator, agreement
from rlvr_gym.generation.transformers.lockstep import Memory

SMALL: dict[str, Any] = {
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
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
}


@pytest.fixture(autouse=True)
def nothing_looked_at(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(agreement, "_agreed", {})


def model_of(kind: str, dtype: torch.dtype = torch.float32, **settings: Any) -> PreTrainedModel:
    config = AutoConfig.for_model(kind, vocab_size=100, bos_token_id=1, eos_token_id=2, **settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoModelForCausalLM.from_config(config, dtype=dtype).eval()


OTHER_STATE: dict[str, dict[str, Any]] = {
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32, "context_length": 64},
    "bart": BART,
    "trocr": {name: value for name, value in BART.items() if not name.startswith("encoder")},
    "openai-gpt": {"n_embd": 32, "n_layer": 2, "n_head": 4},
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
    "qwen3_moe": {
        **SMALL,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
    },
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("kind", "memory"),
    [("rwkv", Memory.NONE), ("bart", Memory.OWN), ("trocr", Memory.OWN), ("openai-gpt", Memory.NONE)],
)
def test_a_model_that_keys_and_values_alone_would_sample_wrongly_is_sampled_from_what_is_right(
    kind: str, memory: Memory, dtype: torch.dtype
):
    model = model_of(kind, dtype, initializer_range=0.3, **OTHER_STATE[kind])
    assert TransformersGenerator(model, character_tokenizer()).memory is memory


def test_a_model_that_looks_ahead_is_refused_with_the_difference():
    model = model_of("bert", **SMALL)
    with pytest.raises(
        ConfigError,
        match=r"a 'bert' model \(BertLMHeadModel\) cannot be sampled: .* up to [\d.]+ off .*look ahead",
    ) as refused:
        TransformersGenerator(model, character_tokenizer())
    assert "\n" not in str(refused.value)


def test_a_model_that_cannot_read_text_alone_is_refused_in_one_line():
    model = model_of("llama", **SMALL)
    model.get_submodule("lm_head").register_forward_pre_hook(_no_picture)
    with pytest.raises(
        ConfigError,
        match=r"a 'llama' model .* its forward pass over text fails \(ValueError: give a picture\)",
    ) as refused:
        TransformersGenerator(model, character_tokenizer())
    assert "\n" not in str(refused.value)


def _no_picture(*_: object) -> None:
    raise ValueError("give a picture\nto look at")


class OffBeyond(LlamaForCausalLM):
    """With a cache of so many tokens or more, its logits are a little too large."""

    tokens, factor = 0, 1.0

    def forward(self, *args: Any, past_key_values: Any = None, **kwargs: Any) -> Any:
        output = super().forward(*args, past_key_values=past_key_values, **kwargs)
        if past_key_values is not None and past_key_values.get_seq_length() >= self.tokens:
            assert output.logits is not None
            output.logits = output.logits * self.factor
        return output


@pytest.mark.parametrize(
    ("tokens", "factor", "dtype"),
    [
        (0, 1.001, torch.float32),
        (8, 1.01, torch.float32),
        (65, 1.01, torch.float32),
        (0, 1.5, torch.bfloat16),
        (65, 1.5, torch.bfloat16),
    ],
)
def test_a_small_error_and_one_that_only_long_sequences_show_are_seen(
    tokens: int, factor: float, dtype: torch.dtype
):
    settings = {**SMALL, "max_position_embeddings": 128, "initializer_range": 0.3}
    config = LlamaConfig(vocab_size=100, bos_token_id=1, eos_token_id=2, **settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = OffBeyond(config).eval()
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    assert agreement.choose_memory(model, 128) is Memory.ROWS
    agreement._agreed.clear()
    model.tokens, model.factor = tokens, factor
    with torch.no_grad():
        assert agreement.choose_memory(model, 128) is Memory.NONE


def test_a_sliding_window_is_looked_beyond():
    lengths: list[int] = []
    settings = {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 512}
    model = model_of("mistral", sliding_window=100, **settings)
    model.register_forward_pre_hook(
        lambda _, __, named: lengths.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    TransformersGenerator(model, character_tokenizer())
    assert max(lengths) > 100


@pytest.mark.parametrize("kind", RIGHT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_of_keys_and_values_is_sampled_in_rows_that_share_prompts(kind: str, dtype: torch.dtype):
    model = model_of(kind, dtype, initializer_range=0.3, **RIGHT[kind])
    assert TransformersGenerator(model, character_tokenizer()).memory is Memory.ROWS


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
