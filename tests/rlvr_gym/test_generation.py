"""Sampling from transformers models: what is sampled, what is recorded of it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import CanBeStopped, CountsTokens, GenerationRequest, SamplingParams
from rlvr_gym.generation.conformance import check_generator
from rlvr_gym.generation.tiny import character_tokenizer, tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.lockstep import Memory
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason

DIGITS = "0123456789"
CONTEXT = 64
EOS = 2

SHARED = {
    "vocab_size": 14,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": EOS,
}


def model_of_kind(kind: str) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        match kind:
            case "grouped-query attention":
                config = LlamaConfig(
                    **SHARED, num_key_value_heads=2, intermediate_size=64, max_position_embeddings=CONTEXT
                )
                return LlamaForCausalLM(config).eval()
            case "sliding window":
                config = MistralConfig(
                    **SHARED,
                    num_key_value_heads=2,
                    intermediate_size=64,
                    max_position_embeddings=CONTEXT,
                    sliding_window=5,
                )
                return MistralForCausalLM(config).eval()
            case _:
                config = GPT2Config(**SHARED, n_positions=CONTEXT)
                return GPT2LMHeadModel(config)


KINDS = ["grouped-query attention", "sliding window", "absolute positions, in training with dropout"]


def generator_of_kind(kind: str, **options: Any) -> TransformersGenerator:
    return TransformersGenerator(model_of_kind(kind), character_tokenizer(DIGITS, context=CONTEXT), **options)


def digits_generator(**options: Any) -> TransformersGenerator:
    return TransformersGenerator(*tiny_model(seed=3, alphabet=DIGITS, hidden=32, context=CONTEXT), **options)


def prompt(text: str, seed: int = 0) -> GenerationRequest:
    return GenerationRequest(messages=(Message(role="user", content=text),), seed=seed)


PROMPTS = [prompt("1"), prompt("123456789", 1), prompt("22", 2), prompt("0000011111", 3), prompt("98", 4)]


def sample(
    generator: TransformersGenerator,
    prompts: Sequence[GenerationRequest] = PROMPTS,
    n: int = 4,
    **sampling: float,
) -> dict[int, list[Completion]]:
    params = SamplingParams.model_validate({"max_tokens": 12, **sampling})
    return dict(generator.generate(prompts, n, params))


def tokens(completions: dict[int, list[Completion]]) -> dict[int, list[tuple[int, ...]]]:
    return {index: [c.token_ids for c in group] for index, group in completions.items()}


def logprobs_by_brute_force(model: PreTrainedModel, c: Completion, temperature: float) -> list[float]:
    """One forward pass per token, over its prefix alone."""
    training = model.training
    model.eval()
    found: list[float] = []
    with torch.no_grad():
        for place, token in enumerate(c.token_ids):
            prefix = torch.tensor([[*c.prompt_token_ids, *c.token_ids[:place]]])
            logits = model(input_ids=prefix).logits[0, -1].float()
            found.append(torch.log_softmax(logits / temperature, dim=-1)[token].item())
    model.train(training)
    return found


@contextmanager
def forward_passes(model: PreTrainedModel) -> Iterator[list[tuple[int, int]]]:
    """(rows, columns) of every forward pass made inside."""
    shapes: list[tuple[int, int]] = []

    def record(_: object, __: object, named: dict[str, torch.Tensor]) -> None:
        shapes.append(tuple(named["input_ids"].shape))  # pyright: ignore[reportArgumentType]

    hook = model.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield shapes
    finally:
        hook.remove()


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_honours_the_contract(kind: str):
    check_generator(generator_of_kind(kind), PROMPTS)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
@pytest.mark.parametrize("kind", KINDS)
def test_recorded_logprobs_are_those_of_a_forward_pass_over_each_prefix(kind: str, temperature: float):
    generator = generator_of_kind(kind, max_batch_rows=5)
    for group in sample(generator, n=3, temperature=temperature).values():
        for completion in group:
            expected = logprobs_by_brute_force(generator.model, completion, temperature)
            assert completion.logprobs == pytest.approx(expected, abs=1e-4)


def test_greedy_completions_record_their_logprobs_at_temperature_one():
    generator = digits_generator()
    for group in sample(generator, n=2, temperature=0.0).values():
        assert group[0] == group[1]
        expected = logprobs_by_brute_force(generator.model, group[0], 1.0)
        assert group[0].logprobs == pytest.approx(expected, abs=1e-4)


def test_greedy_completions_are_those_of_transformers_own_generate():
    generator = generator_of_kind("grouped-query attention")
    for index, (completion,) in sample(generator, n=1, temperature=0.0).items():
        ids = torch.tensor([completion.prompt_token_ids])
        whole = generator.model.generate(  # pyright: ignore[reportCallIssue]
            input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
        )
        assert tuple(whole[0, ids.shape[1] :].tolist()) == completion.token_ids, index


@pytest.mark.parametrize("kind", KINDS)
def test_completions_do_not_depend_on_batch_size_order_or_company(kind: str):
    expected = tokens(sample(generator_of_kind(kind)))
    assert tokens(sample(generator_of_kind(kind, max_batch_rows=1))) == expected
    assert tokens(sample(generator_of_kind(kind, max_batch_rows=7))) == expected
    assert tokens(sample(generator_of_kind(kind, max_batch_tokens=50))) == expected
    backwards = tokens(sample(generator_of_kind(kind), PROMPTS[::-1]))
    assert {len(PROMPTS) - 1 - index: ids for index, ids in backwards.items()} == expected
    for index, alone in enumerate(PROMPTS):
        assert tokens(sample(generator_of_kind(kind), [alone]))[0] == expected[index]


def test_the_first_samples_of_a_prompt_do_not_depend_on_how_many_follow():
    many, few = sample(digits_generator(), n=8), sample(digits_generator(), n=3)
    assert {index: group[:3] for index, group in tokens(many).items()} == tokens(few)


def test_samples_of_a_prompt_differ_and_its_seed_decides_them():
    generator = digits_generator()
    first, again, other = (tokens(sample(generator, [prompt("12", seed)], n=16))[0] for seed in (1, 1, 2))
    assert len(set(first)) > 8
    assert again == first
    assert not set(first[:4]) & set(other[:4])


def test_the_global_random_state_is_neither_read_nor_changed():
    generator = digits_generator()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = tokens(sample(generator))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert tokens(sample(generator)) == first


def test_a_completion_stops_at_its_first_end_token_and_is_truncated_only_without_one():
    generator, special = digits_generator(), set[int]()
    for group in sample(generator, n=64, max_tokens=6).values():
        for c in group:
            assert EOS not in c.token_ids[:-1]
            assert (c.finish_reason is FinishReason.STOP) == (c.token_ids[-1] == EOS)
            assert len(c.token_ids) == 6 or c.finish_reason is FinishReason.STOP
            words = c.token_ids[:-1] if c.finish_reason is FinishReason.STOP else c.token_ids
            assert c.text == "".join(generator.tokenizer.convert_ids_to_tokens(list(words)))
            special |= {id for id in words if id < 4}
        assert {c.finish_reason for c in group} == {FinishReason.STOP, FinishReason.LENGTH}
    # Special tokens are seen by whoever reads the text: "4<pad>2" is not 42.
    assert special == {0, 1, 3}


def test_an_end_token_drawn_as_the_last_of_the_budget_is_a_stop():
    group = sample(digits_generator(), [prompt("1")], n=64, max_tokens=1)[0]
    assert {c.finish_reason for c in group if c.token_ids == (EOS,)} == {FinishReason.STOP}
    assert {c.finish_reason for c in group if c.token_ids != (EOS,)} == {FinishReason.LENGTH}
    assert len({c.token_ids for c in group}) > 2


def test_every_end_id_of_the_generation_config_ends_a_turn():
    model, tokenizer = tiny_model(seed=3, alphabet=DIGITS)
    seven = tokenizer.convert_tokens_to_ids("7")
    assert isinstance(seven, int)
    assert model.generation_config is not None
    model.generation_config.eos_token_id = [seven, 1]
    generator = TransformersGenerator(model, tokenizer)
    assert generator.end_ids == {seven, 1, EOS}
    endings: set[int] = set()
    for group in sample(generator, n=32).values():
        for c in group:
            assert not generator.end_ids.intersection(c.token_ids[:-1])
            assert "7" not in c.text
            if c.finish_reason is FinishReason.STOP:
                endings.add(c.token_ids[-1])
    assert endings == {seven, 1, EOS}


def test_a_pad_token_that_is_the_end_token_changes_nothing():
    model, tokenizer = tiny_model(seed=3, alphabet=DIGITS)
    expected = sample(TransformersGenerator(model, tokenizer))
    tokenizer.pad_token = tokenizer.eos_token
    model.config.pad_token_id = EOS
    assert sample(TransformersGenerator(model, tokenizer)) == expected


def test_sampled_frequencies_agree_with_the_softmax():
    model, tokenizer = tiny_model(seed=3, alphabet="ab")
    draws, temperature = 4000, 0.7
    group = sample(
        TransformersGenerator(model, tokenizer), [prompt("ab")], draws, max_tokens=1, temperature=temperature
    )[0]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([group[0].prompt_token_ids])).logits[0, -1]
    expected = torch.softmax(logits.double() / temperature, dim=-1)
    found = torch.bincount(torch.tensor([c.token_ids[0] for c in group]), minlength=6) / draws
    four_deviations = 4 * (expected * (1 - expected) / draws).sqrt()
    assert ((found - expected).abs() < four_deviations).all()


def test_groups_are_yielded_as_soon_as_their_last_completion_is_finished():
    prompts = [prompt(str(index) * 3, index) for index in range(12)]
    generator = digits_generator()
    order: list[int] = []
    for _, group in generator.generate(prompts, 2, SamplingParams(max_tokens=40)):
        order.append(max(len(c.token_ids) for c in group))
    assert order == sorted(order)
    assert order[0] < order[-1]


def test_a_yielded_group_did_not_wait_for_the_others():
    generator = digits_generator()
    almost_full = GenerationRequest(messages=PROMPTS[0].messages, seed=0, token_ids=(5,) * (CONTEXT - 2))
    with forward_passes(generator.model) as passes:
        groups = generator.generate([*PROMPTS, almost_full], 4, SamplingParams(max_tokens=30))
        assert next(groups)[0] == len(PROMPTS)
        assert len(passes) == 2
        list(groups)
        assert len(passes) > 10


def test_tokens_are_counted_while_they_are_sampled_and_stay_counted():
    generator = digits_generator()
    assert isinstance(generator, CountsTokens)
    counts: list[int] = []
    hook = generator.model.register_forward_hook(lambda *_: counts.append(generator.tokens_sampled))
    said = sample(generator, n=3, max_tokens=20)
    hook.remove()
    whole = sum(len(c.token_ids) for group in said.values() for c in group)
    assert counts == sorted(counts)
    assert counts[0] == 0 < counts[-1] <= whole
    assert generator.tokens_sampled == whole

    broken_off = generator.generate(PROMPTS, 3, SamplingParams(max_tokens=20))
    next(broken_off)
    seen = generator.tokens_sampled
    broken_off.close()  # pyright: ignore[reportAttributeAccessIssue]
    assert generator.tokens_sampled == seen > whole


@pytest.mark.parametrize("memory", Memory)
def test_a_call_that_another_thread_calls_off_ends_after_the_token_that_it_is_at(memory: Memory):
    generator = digits_generator()
    generator.memory = memory
    assert isinstance(generator, CanBeStopped)
    generator.stop()  # nothing is under way
    hook = generator.model.register_forward_hook(
        lambda *_: generator.stop() if generator.tokens_sampled else None
    )
    with forward_passes(generator.model) as passes, pytest.raises(TrainingError, match="called off"):
        sample(generator, n=3, max_tokens=20)
    hook.remove()
    assert len(passes) <= 3
    assert sample(generator, n=3, max_tokens=20)


def test_prompts_are_computed_once_and_no_token_after_the_last():
    generator = digits_generator(max_batch_rows=6)
    with forward_passes(generator.model) as passes:
        groups = sample(generator, n=9, max_tokens=20)
    assert sum(rows for rows, columns in passes if columns > 1) == len(PROMPTS) - 1
    decoded = [rows for rows, columns in passes if columns == 1]
    assert max(decoded) == 6
    one_token_prompt = 1
    needed = sum(len(c.token_ids) - 1 for group in groups.values() for c in group)
    assert sum(decoded) == needed + one_token_prompt


def test_no_more_tokens_are_held_at_once_than_allowed():
    generator = digits_generator(max_batch_tokens=100)
    with forward_passes(generator.model) as passes:
        sample(generator, n=9, max_tokens=15)
    widest = 10 + 15
    assert max(rows for rows, columns in passes if columns == 1) == 100 // widest


def test_logits_of_many_prompts_are_bounded_for_a_large_vocabulary():
    config = LlamaConfig(
        vocab_size=2**18, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    sizes: list[int] = []
    model = LlamaForCausalLM(config).eval()
    model.lm_head.register_forward_hook(lambda _, __, out: sizes.append(out.numel()))
    different_lengths = [
        GenerationRequest(messages=PROMPTS[0].messages, seed=0, token_ids=(5,) * length)
        for length in range(1, 13)
    ]
    sample(TransformersGenerator(model, character_tokenizer(DIGITS)), different_lengths, max_tokens=1)
    assert len(sizes) > 1
    assert max(sizes) <= 2**24


def test_modules_gradients_and_autocast_are_as_found_between_and_after_groups():
    generator = digits_generator()
    model = generator.model
    model.train()
    model.get_input_embeddings().eval()
    modes = {name: module.training for name, module in model.named_modules()}
    for _ in generator.generate(PROMPTS, 2, SamplingParams(max_tokens=5)):
        assert {name: module.training for name, module in model.named_modules()} == modes
        assert torch.is_grad_enabled()
        model(input_ids=torch.tensor([[5, 6]])).logits.sum().backward()
    assert {name: module.training for name, module in model.named_modules()} == modes


def test_changed_weights_are_sampled_from_at_the_next_call():
    generator = digits_generator()
    before = sample(generator)
    with torch.no_grad():
        for weight in generator.model.parameters():
            weight.add_(0.1 * torch.sin(torch.arange(weight.numel()).view(weight.shape)))
    after = sample(generator)
    assert tokens(after) != tokens(before)
    for group in after.values():
        expected = logprobs_by_brute_force(generator.model, group[0], 1.0)
        assert group[0].logprobs == pytest.approx(expected, abs=1e-4)


def test_float32_weights_can_be_computed_with_in_bfloat16_and_still_be_trained():
    model, tokenizer = tiny_model(seed=3, alphabet=DIGITS)
    model.train()
    inside: list[torch.dtype] = []
    model.get_submodule("lm_head").register_forward_hook(lambda _, __, out: inside.append(out.dtype))
    group = sample(TransformersGenerator(model, tokenizer, dtype=torch.bfloat16))[1]
    assert set(inside) == {torch.bfloat16}
    for c in group:
        assert c.logprobs == pytest.approx(logprobs_by_brute_force(model, c, 1.0), abs=0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(input_ids=torch.tensor([[5, 6]])).logits.float().sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_model_with_a_lora_adapter_is_sampled_with_it():
    peft = pytest.importorskip("peft")
    model, tokenizer = tiny_model(seed=3, alphabet=DIGITS)
    plain = tokens(sample(TransformersGenerator(model, tokenizer)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = peft.LoraConfig(
            r=4, target_modules="all-linear", init_lora_weights=False, fan_in_fan_out=True
        )
        adapted = peft.get_peft_model(model, config)
    groups = sample(TransformersGenerator(adapted, tokenizer))
    assert tokens(groups) != plain
    for group in groups.values():
        expected = logprobs_by_brute_force(adapted, group[0], 1.0)
        assert group[0].logprobs == pytest.approx(expected, abs=1e-4)


def test_weights_that_are_not_finite_are_an_error_not_a_completion():
    generator = digits_generator()
    with torch.no_grad():
        next(generator.model.parameters())[5] = torch.nan
    with pytest.raises(TrainingError, match="logits are not finite"):
        sample(generator)


def test_a_prompt_that_leaves_no_room_is_refused_before_anything_is_sampled():
    generator = digits_generator()
    prompts = [prompt("1"), prompt("5" * 60)]
    with pytest.raises(
        ConfigError,
        match=r"prompt 1 \('5+\.\.\.'\) has 60 tokens; with max_tokens=12 .* context of 64: lower max_tokens to "
        "at most 4 or shorten it",
    ):
        generator.generate(prompts, 2, SamplingParams(max_tokens=12))
    with pytest.raises(ConfigError, match=r"has 80 tokens.* context of 64: shorten it"):
        generator.generate([prompt("5" * 80)], 2, SamplingParams(max_tokens=12))
    assert len(sample(generator, [prompt("5" * 52)])[0]) == 4


def test_a_prompt_without_any_token_is_refused():
    with pytest.raises(ConfigError, match="prompt 0 is empty"):
        sample(digits_generator(), [prompt("")])


def test_a_continued_conversation_is_taken_as_its_ids_stand():
    ids = (5, 5, EOS, 3, 9)
    continued = GenerationRequest(messages=PROMPTS[0].messages, seed=0, token_ids=ids)
    generator = digits_generator()
    (completion,) = sample(generator, [continued], n=1)[0]
    assert completion.prompt_token_ids == ids
    expected = logprobs_by_brute_force(generator.model, completion, 1.0)
    assert completion.logprobs == pytest.approx(expected, abs=1e-4)


def test_a_continued_conversation_gets_the_room_that_is_left():
    def of_length(length: int) -> GenerationRequest:
        return GenerationRequest(messages=PROMPTS[0].messages, seed=0, token_ids=(5,) * length)

    lengths = [CONTEXT - 3, CONTEXT, CONTEXT + 1]
    groups = sample(digits_generator(), [of_length(length) for length in lengths], n=32)
    assert max(len(c.token_ids) for c in groups[0]) == 3
    nothing = Completion(text="", prompt_token_ids=(5,) * CONTEXT, finish_reason=FinishReason.LENGTH)
    assert groups[1] == [nothing] * 32
    assert {c.finish_reason for c in groups[2]} == {FinishReason.LENGTH}


def test_no_prompts_give_no_completions():
    assert sample(digits_generator(), []) == {}


def test_batch_limits_below_one_are_refused():
    with pytest.raises(ConfigError, match="must be at least 1, not 0 and 65536"):
        digits_generator(max_batch_rows=0)
