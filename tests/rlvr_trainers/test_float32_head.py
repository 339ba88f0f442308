"""Logits in float32 over layers in bfloat16: in the trainer and in its sampler, so that both say the same."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import predicting_states
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import ModelConfig
from transformers import Gemma2Config, Gemma2ForCausalLM, LlamaConfig, LlamaForCausalLM

from rlvr_gym import ConfigError, Rollout
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.transformers.head import Float32Linear, compute_head_in_float32
from rlvr_gym.tasks import Message

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
Rollouts = tuple[list[Rollout], list[int]]
SHAPE: dict[str, Any] = {
    "vocab_size": 400, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 32, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def loud(model: Any) -> Any:
    """With logits as spread as a trained model's: rounding them to 16 bits costs as much as it does there."""
    with torch.no_grad():
        model.get_output_embeddings().weight.normal_(0, 0.6, generator=torch.Generator().manual_seed(1))
    return model.eval()


def llama() -> Any:
    torch.manual_seed(0)
    return loud(LlamaForCausalLM(LlamaConfig(**SHAPE)))


def gemma2(*, tied: bool = False) -> Any:
    """Logits of its own making: capped by a tanh."""
    torch.manual_seed(0)
    config = Gemma2Config(**SHAPE, final_logit_softcapping=30.0, tie_word_embeddings=tied)
    return loud(Gemma2ForCausalLM(config))


def adapted() -> Any:
    torch.manual_seed(0)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    return peft.get_peft_model(llama(), config).eval()


MODELS: dict[str, Callable[[], Any]] = {"llama": llama, "gemma2": gemma2, "adapted": adapted}


def policy_of(model: Any, *, float32_head: bool = True, dtype: str = "bfloat16") -> Policy:
    config = ModelConfig.model_validate({"path": "handed in", "dtype": dtype, "float32_head": float32_head})
    return Policy(config, seed=0, loaded=(copy.deepcopy(model), character_tokenizer()))


def sampled(policy: Policy) -> TokenBatch:
    """Tokens of the policy's own sampler, with the log-probabilities that it gave them."""
    asked = [GenerationRequest(messages=(Message(role="user", content=f"{n}"),), seed=n) for n in range(6)]
    groups = policy.generator().generate(asked, 4, SamplingParams(max_tokens=24))
    completions = [c for _, group in groups for c in group]
    return TokenBatch.of_sequences(
        [c.prompt_token_ids or () for c in completions],
        [c.token_ids or () for c in completions],
        masks=[[True] * len(c.token_ids or ()) for c in completions],
        logprobs=[c.logprobs or () for c in completions],
        groups=[0] * len(completions),
        scored=[True] * len(completions),
    )


@torch.no_grad()
def mismatch(policy: Policy) -> float:
    """The metric that a run logs as `sampler/mismatch`: mean |sampler - trainer| per token."""
    batch = sampled(policy)
    logprobs_BT, _ = policy.logprobs(batch, temperature=1.0)
    return float((logprobs_BT - batch.rollout_logprobs_BT)[batch.mask_BT].abs().mean())


# Gemma 2 attends in one way alone, whoever asks: both sides have the same bits.
@pytest.mark.parametrize("name", ["llama", "adapted"])
def test_sampler_and_trainer_differ_less_with_logits_in_float32(name: str) -> None:
    model = MODELS[name]()
    with_it, without = (mismatch(policy_of(model, float32_head=on)) for on in (True, False))
    assert 0 < with_it < 0.85 * without


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_what_the_sampler_says_is_nearer_to_the_model_in_float32(name: str) -> None:
    model = MODELS[name]()

    def off(float32_head: bool) -> float:
        batch = sampled(policy_of(model, float32_head=float32_head))
        exact_BT, _ = policy_of(model, dtype="float32").logprobs(batch, temperature=1.0)
        return float((exact_BT - batch.rollout_logprobs_BT)[batch.mask_BT].abs().mean())

    assert 0 < off(True) < 0.95 * off(False)


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_a_log_probability_is_the_float32_one_of_the_hidden_state(
    name: str, mixed_rollouts: Rollouts
) -> None:
    policy, batch = policy_of(MODELS[name]()), TokenBatch.of_rollouts(*mixed_rollouts)
    with torch.autocast("cpu", torch.bfloat16):
        hidden_NH = predicting_states(base_model(policy.model), batch, None)
    weight = policy.model.get_output_embeddings().weight
    logits_NV = hidden_NH.double() @ weight.double().T
    if name == "gemma2":
        logits_NV = 30 * torch.tanh(logits_NV / 30)
    expected_N = torch.log_softmax(logits_NV / 0.7, -1).gather(-1, batch.targets_N[:, None])[:, 0]
    found_BT, _ = policy.logprobs(batch, temperature=0.7)
    assert found_BT.dtype == torch.float32
    torch.testing.assert_close(found_BT[batch.mask_BT].double(), expected_N, rtol=1e-5, atol=1e-5)


def gradient(policy: Policy, batch: TokenBatch) -> torch.Tensor:
    """Of a sum over log-probabilities, with respect to the output embedding."""
    logprobs_BT, _ = policy.logprobs(batch, temperature=1.0)
    (torch.cos(torch.arange(logprobs_BT.numel())).view_as(logprobs_BT) * logprobs_BT).sum().backward()
    grad = policy.model.get_output_embeddings().weight.grad
    assert grad is not None
    return grad


def test_the_gradient_of_the_head_is_nearer_to_float32s(mixed_rollouts: Rollouts) -> None:
    model, batch = llama(), TokenBatch.of_rollouts(*mixed_rollouts)
    exact = gradient(policy_of(model, dtype="float32"), batch)
    with_it, without = (
        float((gradient(policy_of(model, float32_head=on), batch) - exact).norm() / exact.norm())
        for on in (True, False)
    )
    assert with_it < 0.9 * without
    assert with_it < 0.02


def test_only_the_head_leaves_bfloat16(mixed_rollouts: Rollouts) -> None:
    policy = policy_of(llama())
    seen: dict[str, set[torch.dtype]] = {}

    def note(name: str, out: Any) -> None:
        seen.setdefault(name, set()).add(out.dtype)

    for name, module in policy.model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda _, __, out, name=name: note(name, out))
    sampled(policy)
    assert seen.pop("lm_head") == {torch.float32}
    assert set().union(*seen.values()) == {torch.bfloat16}


def test_a_sampler_apart_has_its_logits_in_float32_too() -> None:
    policy = policy_of(llama())
    head = policy.generator_apart().model.get_output_embeddings()
    assert isinstance(head, Float32Linear)
    assert head.weight is not policy.model.get_output_embeddings().weight


def test_names_shared_weights_and_the_saved_model_stay_as_they_were(tmp_path: Path) -> None:
    model = gemma2(tied=True)
    policy = policy_of(model)
    assert policy.model.lm_head.weight is policy.model.model.embed_tokens.weight
    assert list(policy.model.state_dict()) == list(model.state_dict())
    policy.save(tmp_path)
    read = load_model(tmp_path)[0]
    assert type(read.get_output_embeddings()) is torch.nn.Linear
    for name, weight in read.state_dict().items():
        assert torch.equal(weight, model.state_dict()[name])


def test_float32_is_left_as_it_is() -> None:
    assert type(policy_of(llama(), dtype="float32").model.lm_head) is torch.nn.Linear


def test_an_adapted_head_is_computed_in_float32_below_its_adapter() -> None:
    torch.manual_seed(0)
    model = peft.get_peft_model(llama(), peft.LoraConfig(r=2, target_modules=["lm_head"]))
    policy = policy_of(model)
    assert type(policy.model.get_output_embeddings().base_layer) is Float32Linear
    assert mismatch(policy) < 0.85 * mismatch(policy_of(model, float32_head=False))


def test_an_output_embedding_of_another_kind_is_refused_with_what_to_set() -> None:
    class Quantized(torch.nn.Linear):
        pass

    model = llama()
    model.lm_head.__class__ = Quantized
    with pytest.raises(
        ConfigError, match=r"LlamaForCausalLM is a Quantized, .* set model\.float32_head=false"
    ):
        compute_head_in_float32(model)


def test_twice_is_once() -> None:
    model = llama()
    compute_head_in_float32(model)
    compute_head_in_float32(model)
    assert type(model.lm_head) is Float32Linear
    assert dataclasses.is_dataclass(sampled(policy_of(model)))
