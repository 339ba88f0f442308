import dataclasses
import math
from collections.abc import Callable
from typing import Any

import peft
import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner import logprobs as module
from rlvr_trainers.learner.logprobs import token_logprobs
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GraniteConfig,
    GraniteForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)

from rlvr_gym import ConfigError, Rollout

Rollouts = tuple[list[Rollout], list[int]]
Make = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

SHAPE: dict[str, Any] = {"vocab_size": 23, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "initializer_range": 0.4}
IDS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}


def batch_of(rollouts: Rollouts) -> TokenBatch:
    return TokenBatch.of_rollouts(*rollouts)


def gemma2() -> torch.nn.Module:
    torch.manual_seed(0)
    return Gemma2ForCausalLM(Gemma2Config(**SHAPE, **IDS, final_logit_softcapping=2.0)).double().eval()


def granite() -> torch.nn.Module:
    torch.manual_seed(0)
    return GraniteForCausalLM(GraniteConfig(**SHAPE, **IDS, logits_scaling=4.0)).double().eval()


def opt() -> torch.nn.Module:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 23,
        "hidden_size": 16,
        "ffn_dim": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    return OPTForCausalLM(OPTConfig(**shape, **IDS, word_embed_proj_dim=16, init_std=0.4)).double().eval()


def bloom() -> torch.nn.Module:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 23,
        "hidden_size": 16,
        "n_layer": 2,
        "n_head": 2,
        "initializer_range": 0.4,
    }
    return BloomForCausalLM(BloomConfig(**shape, **IDS)).double().eval()


@pytest.fixture(params=["llama", "gpt2", "gemma2", "granite", "opt", "bloom", "lora", "lora-head"])
def model(request: pytest.FixtureRequest, tiny_llama: Make, tiny_gpt2: Make) -> torch.nn.Module:
    match request.param:
        case "llama":
            return tiny_llama()
        case "gpt2":
            return tiny_gpt2()
        case "lora" | "lora-head":
            targets = ["q_proj", "v_proj", *(["lm_head"] if request.param == "lora-head" else [])]
            config = peft.LoraConfig(r=2, target_modules=targets, init_lora_weights=False)
            return peft.get_peft_model(tiny_llama(), config).double().eval()
        case name:
            return {"gemma2": gemma2, "granite": granite, "opt": opt, "bloom": bloom}[name]()


@torch.no_grad()
def by_prefix(model: Any, rollout: Rollout, temperature: float) -> tuple[list[float], list[float]]:
    """Log-probability and entropy of each token, from one forward pass over each prefix alone."""
    ids, logprobs, entropies = [*rollout.prompt_ids], [], []
    for token in rollout.token_ids:
        logp = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0, -1] / temperature, -1)
        logprobs.append(logp[token].item())
        entropies.append(-(logp.exp() * logp).sum().item())
        ids.append(token)
    return logprobs, entropies


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_log_probability_of_a_token_is_that_of_a_forward_pass_over_its_prefix(
    model: torch.nn.Module, mixed_rollouts: Rollouts, temperature: float
):
    batch = batch_of(mixed_rollouts)
    logprobs, entropy = token_logprobs(model, batch, temperature=temperature, chunk=7, with_entropy=True)
    assert entropy is not None
    for row, rollout in enumerate(mixed_rollouts[0][:6]):
        expected = by_prefix(model, rollout, temperature)
        for t in batch.mask_BT[row].nonzero().flatten().tolist():
            assert logprobs[row, t].item() == pytest.approx(expected[0][t], abs=1e-5)
            assert entropy[row, t].item() == pytest.approx(expected[1][t], abs=1e-5)
    assert (logprobs[~batch.mask_BT] == 0).all()


def gradients(model: torch.nn.Module, batch: TokenBatch, **how: Any) -> list[torch.Tensor]:
    model.zero_grad()
    logprobs, entropy = token_logprobs(model, batch, temperature=0.7, with_entropy=True, **how)
    assert entropy is not None
    weights = torch.cos(torch.arange(logprobs.numel())).view_as(logprobs)
    (weights * logprobs + 0.3 * weights * entropy).sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_gradients_are_those_of_plain_autograd_over_full_logits(
    model: torch.nn.Module, mixed_rollouts: Rollouts
):
    batch = batch_of(mixed_rollouts)
    chunked = gradients(model, batch, chunk=5)
    model.zero_grad()
    inputs = {"input_ids": batch.input_ids}
    logits = model(
        **inputs, attention_mask=(torch.arange(batch.input_ids.shape[1]) < batch.lengths_B[:, None])
    )
    logp = torch.log_softmax(logits.logits / 0.7, -1).flatten(0, 1)[batch.predictors_N]
    lp = torch.zeros(batch.mask_BT.shape, dtype=torch.float64)
    lp[batch.mask_BT] = logp.gather(-1, batch.targets_N[:, None])[:, 0]
    entropy = torch.zeros_like(lp)
    entropy[batch.mask_BT] = -(logp.exp() * logp).sum(-1)
    weights = torch.cos(torch.arange(lp.numel())).view_as(lp)
    (weights * lp + 0.3 * weights * entropy).sum().backward()
    full = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(full) == len(chunked) > 0
    for one, other in zip(chunked, full, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_written_out_gradient_passes_a_finite_difference_check():
    generator = torch.Generator().manual_seed(0)
    hidden, weight, bias = (
        torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True)
        for shape in [(5, 3), (7, 3), (7,)]
    )
    targets = torch.tensor([0, 6, 3, 3, 1])

    def score(*tensors: torch.Tensor) -> Any:
        return module._LinearLogprobs.apply(*tensors, targets, 0.7, 2, True, torch.float64)

    assert torch.autograd.gradcheck(score, (hidden, weight, bias))
    assert torch.autograd.gradcheck(lambda *t: score(*t)[0], (hidden, weight, bias))
    assert torch.autograd.gradcheck(lambda *t: score(*t)[1], (hidden, weight, bias))


def test_logits_of_more_than_a_chunk_are_never_held_at_once(tiny_llama: Make, mixed_rollouts: Rollouts):
    batch, model = batch_of(mixed_rollouts), tiny_llama(vocab_size=1009)
    token_logprobs(model, batch, temperature=1.0)  # verifies the head, once
    largest, views = 0, (torch.ops.aten.t.default, torch.ops.aten.transpose.int)  # of the weight

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.shape[-1:] == (1009,) and func not in views:
                largest = max(largest, result.numel() // 1009)
            return result

    with Watch():
        logprobs, _ = token_logprobs(model, batch, temperature=0.7, chunk=3, with_entropy=True)
        logprobs.sum().backward()
    assert 0 < largest <= 3


def test_a_soft_cap_is_noticed_in_a_model_whose_logits_are_small():
    model = Gemma2ForCausalLM(Gemma2Config(**SHAPE | {"initializer_range": 0.001}, **IDS)).eval()
    assert module._find_kind(model) is module._HeadKind.OWN


def test_logits_of_a_models_own_making_are_made_without_its_layers():
    model: Any = gemma2()
    hidden_CH = torch.randn(5, 16, dtype=torch.float64)
    head = module.head_of(model)
    calls: list[Any] = []
    for layer in model.model.layers:
        layer.register_forward_pre_hook(lambda *_: calls.append(1))
    logits_CV = head(hidden_CH)
    assert not calls
    torch.testing.assert_close(logits_CV, 2 * torch.tanh(model.lm_head(hidden_CH) / 2), rtol=0, atol=1e-12)
    ids = torch.tensor([[1, 2, 3]])
    states = model.model(input_ids=ids).last_hidden_state[0]
    assert len(calls) == 2
    torch.testing.assert_close(head(states), model(input_ids=ids).logits[0], rtol=0, atol=1e-12)


def test_a_model_whose_logits_come_from_elsewhere_is_refused(tiny_llama: Make, mixed_rollouts: Rollouts):
    config = peft.PromptTuningConfig(task_type=peft.TaskType.CAUSAL_LM, num_virtual_tokens=3)
    model = peft.get_peft_model(tiny_llama(), config).double().eval()
    with pytest.raises(ConfigError, match="use a decoder-only model, with LoRA for adapters"):
        token_logprobs(model, batch_of(mixed_rollouts), temperature=1.0)


def test_a_model_that_cannot_tell_packed_sequences_apart_is_refused(mixed_rollouts: Rollouts):
    with pytest.raises(ConfigError, match="BloomModel does not keep packed sequences apart"):
        token_logprobs(bloom(), batch_of(mixed_rollouts).packed(), temperature=1.0)


def test_an_end_token_that_is_the_padding_id_is_scored_like_any_other(make_rollout: Make, tiny_gpt2: Make):
    rollout, longer = make_rollout([5, 1], [7, 0]), make_rollout([5], [7, 8, 9, 4, 4])
    model = tiny_gpt2()
    logprobs, _ = token_logprobs(model, TokenBatch.of_rollouts([rollout, longer], [0, 0]), temperature=1.0)
    assert logprobs[0, 1].item() == pytest.approx(by_prefix(model, rollout, 1.0)[0][1], abs=1e-6)


def test_without_gradient_the_numbers_are_the_same_bit_for_bit(
    model: torch.nn.Module, mixed_rollouts: Rollouts
):
    batch = batch_of(mixed_rollouts)
    scored, _ = token_logprobs(model, batch, temperature=0.7)
    with torch.no_grad():
        again, _ = token_logprobs(model, batch, temperature=0.7)
    assert torch.equal(scored, again)


def test_a_batch_without_action_tokens_gives_zeros(make_rollout: Make, tiny_llama: Make):
    batch = TokenBatch.of_rollouts([make_rollout([1], [2, 3], score=None)], [0])
    logprobs, entropy = token_logprobs(tiny_llama(), batch, temperature=1.0, with_entropy=True)
    assert entropy is not None
    logprobs.sum().backward()
    assert logprobs.tolist() == entropy.tolist() == [[0.0, 0.0]]


def test_entropy_of_a_uniform_distribution_is_log_of_the_vocabulary(make_rollout: Make, tiny_llama: Make):
    model = tiny_llama()
    torch.nn.init.zeros_(model.lm_head.weight)
    batch = TokenBatch.of_rollouts([make_rollout([1], [2])], [0])
    logprobs, entropy = token_logprobs(model, batch, temperature=1.7, with_entropy=True)
    assert entropy is not None
    assert logprobs.item() == pytest.approx(-math.log(23))
    assert entropy.item() == pytest.approx(math.log(23))


def test_under_bfloat16_autocast_log_probabilities_stay_in_float32_and_gradients_near_those_of_float32(
    tiny_llama: Make, mixed_rollouts: Rollouts
):
    model, batch = tiny_llama(initializer_range=0.1).float(), batch_of(mixed_rollouts)
    exact = gradients(model, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logprobs, _ = token_logprobs(model, batch, temperature=0.7)
        rough = gradients(model, batch)
    assert logprobs.dtype == torch.float32
    for one, other in zip(rough, exact, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() <= 0.05 * other.norm()


@pytest.mark.parametrize("layout", ["wide", "packed"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_results_do_not_depend_on_padding_or_packing(
    tiny_llama: Make, tiny_gpt2: Make, mixed_rollouts: Rollouts, layout: str, attention: str
):
    for make in (tiny_llama, tiny_gpt2):
        # Eager attention computes its softmax in float32, where float64's masking value is infinite.
        model = make(attn_implementation=attention).to(
            torch.float64 if attention == "sdpa" else torch.float32
        )
        batch = batch_of(mixed_rollouts)
        expected, _ = token_logprobs(model, batch, temperature=1.0)
        other = {"wide": with_padding, "packed": TokenBatch.packed}[layout]
        found, _ = token_logprobs(model, other(batch), temperature=1.0)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 if attention == "sdpa" else 1e-5)


def with_padding(batch: TokenBatch, more: int = 4) -> TokenBatch:
    """The same sequences with junk behind them."""
    rows, width = batch.input_ids.shape
    pad = torch.nn.functional.pad
    inside = torch.arange(width) < batch.lengths_B[:, None]
    return dataclasses.replace(
        batch,
        input_ids=pad(torch.where(inside, batch.input_ids, 11), (0, more), value=13),
        position_ids=pad(batch.position_ids, (0, more)),
        offsets_B=torch.arange(rows) * (width + more),
    )
