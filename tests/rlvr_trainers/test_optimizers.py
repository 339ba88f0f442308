"""AdamW in less time and less memory: near to the plain one, bit for bit after a resume, and able to learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner import compact_adamw
from rlvr_trainers.learner.compact_adamw import BLOCK, CompactAdamW
from rlvr_trainers.learner.optimizer import (
    clip_gradients,
    optimizer_and_schedule,
    optimizer_bytes,
    restore_optimizer,
)
from rlvr_trainers.learner_settings import ModelConfig, OptimizerConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer

from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model, weights_hash

SHAPES = [(7, 300), (64,), (3, 40, 16), (130, 64), (1, 1), (5, BLOCK), (11, 2 * BLOCK + 1)]
"""Matrices, a vector, a stack; rows shorter and longer than a block, and whole blocks."""
RATE, DECAY, STEPS = 1e-3, 0.1, 60
OPTIONS: dict[str, list[str]] = {
    "adamw": [],
    "8 bits": ["optimizer.kind=adamw_8bit"],
    "bfloat16": ["model.dtype=bfloat16", "model.weights_dtype=bfloat16"],
    "bfloat16, 8 bits": [
        *["model.dtype=bfloat16", "model.weights_dtype=bfloat16", "optimizer.kind=adamw_8bit"]
    ],
}
SMALL = [
    *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols", "eval=null"],
    *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
    *["optimizer.learning_rate=1e-3", "batch.microbatch_tokens=40", "run.checkpoint_every=1"],
]


def weights(dtype: torch.dtype = torch.float32) -> list[Parameter]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator).bfloat16() for shape in SHAPES]
    return [Parameter(values.to(dtype)) for values in drawn]


def optimizer_of(parameters: Sequence[Parameter], kind: str = "adamw", rate: float = RATE) -> Optimizer:
    settings: dict[str, Any] = {"kind": kind, "learning_rate": rate, "weight_decay": DECAY}
    return optimizer_and_schedule(parameters, OptimizerConfig.model_validate(settings), total_updates=1)[0]


def step(optimizer: Optimizer, parameters: Sequence[Parameter], number: int) -> None:
    """Gradients of different sizes, some with a direction and some without, all of them bfloat16's."""
    generator = torch.Generator().manual_seed(number)
    for place, weight in enumerate(parameters):
        noise = torch.randn(weight.shape, generator=generator)
        sizes = torch.exp(1.5 * torch.sin(torch.arange(weight.numel()))).view(weight.shape)
        weight.grad = ((noise + place % 2) * sizes).bfloat16().to(weight.dtype)
    optimizer.step()


def trained(parameters: Sequence[Parameter], optimizer: Optimizer, steps: int = STEPS) -> list[torch.Tensor]:
    """Take so many steps; returns the change of each weight."""
    before = [weight.detach().float().clone() for weight in parameters]
    for number in range(steps):
        step(optimizer, parameters, number)
    return [weight.detach().float() - old for weight, old in zip(parameters, before, strict=True)]


def plain(parameters: Sequence[Parameter], rate: float = RATE) -> AdamW:
    return AdamW(parameters, lr=rate, weight_decay=DECAY, foreach=False, fused=False)


def exact(weight: Parameter, optimizer: Optimizer) -> torch.Tensor:
    """The float32 weight that a bfloat16 one and the bits beside it are."""
    high = weight.detach().view(torch.int16).to(torch.int32) << 16
    return (high + optimizer.state[weight]["low_bits"]).view(torch.float32)


def test_the_fused_adamw_is_the_plain_one_but_for_rounding() -> None:
    fused, one = weights(), weights()
    optimizer = optimizer_of(fused)
    assert optimizer.param_groups[0]["fused"] is True
    for found, expected in zip(trained(fused, optimizer), trained(one, plain(one)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_without_small_formats_the_compact_adamw_is_the_plain_one_but_for_rounding() -> None:
    compact, one = weights(), weights()
    optimizer = CompactAdamW(compact, lr=RATE, betas=(0.9, 0.999), weight_decay=DECAY, eight_bits=False)
    for found, expected in zip(trained(compact, optimizer), trained(one, plain(one)), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_moments_in_8_bits_move_weights_as_float32_moments_do_to_within_a_tenth() -> None:
    small, one = weights(), weights()
    found, expected = trained(small, optimizer_of(small, "adamw_8bit")), trained(one, plain(one))
    off = [a - b for a, b in zip(found, expected, strict=True)]
    assert joined(off).norm() < 0.1 * joined(expected).norm()
    assert joined(off).abs().max() < 0.2 * RATE * STEPS


def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def test_a_weight_in_bfloat16_and_the_bits_beside_it_are_the_float32_weight() -> None:
    halves, one = weights(torch.bfloat16), weights()
    optimizer = optimizer_of(halves)
    trained(halves, optimizer)
    trained(one, plain(one))
    for half, expected in zip(halves, one, strict=True):
        torch.testing.assert_close(exact(half, optimizer), expected.detach(), rtol=1e-6, atol=1e-6)
        off = (half.detach().float() - exact(half, optimizer)).abs()
        assert (off <= 2.0**-8 * half.detach().float().abs()).all()  # half of its last place


@pytest.mark.parametrize("kind", ["adamw", "adamw_8bit"])
def test_updates_too_small_for_bfloat16_add_up(kind: str) -> None:
    weight = Parameter(torch.ones(4, 64, dtype=torch.bfloat16))
    optimizer = optimizer_and_schedule(
        [weight], OptimizerConfig.model_validate({"kind": kind, "learning_rate": 4e-6}), total_updates=1
    )[0]
    for _ in range(1_500):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    torch.testing.assert_close(exact(weight, optimizer), torch.full((4, 64), 0.994), rtol=0, atol=1e-4)
    assert (weight.detach().float() - 0.994).abs().max() < 2.0**-8


def test_every_float32_splits_into_two_halves_and_comes_back() -> None:
    bits = torch.randint(-(2**31), 2**31 - 1, (100_000,), generator=torch.Generator().manual_seed(0))
    values = bits.to(torch.int32).view(torch.float32)
    values = values[values.isfinite() & (values.abs() < 3e38)]
    values = torch.cat([values, torch.tensor([0.0, -0.0, 1.0, 1.00390625, -1.00390625, 1e-40, 2.0**-126])])
    high, low = torch.zeros_like(values, dtype=torch.bfloat16), torch.zeros_like(values, dtype=torch.int16)
    compact_adamw._keep_weight(values, high, low)
    whole = compact_adamw._whole_weight(high, low)
    assert torch.equal(whole.view(torch.int32), values.view(torch.int32))
    nearest = (values.bfloat16().float() - values).abs()
    assert ((high.float() - values).abs() == nearest).all()


def test_a_moment_comes_back_from_8_bits_within_a_share_of_its_block() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(9, BLOCK + 3, generator=generator) * 10.0 ** torch.randint(-3, 3, (9, 1))
    first, second = _through_8_bits("exp_avg", values), _through_8_bits("exp_avg_sq", values.square())
    largest = values.abs().amax(-1, keepdim=True)
    assert ((first - values).abs() <= 0.0075 * largest).all()
    assert ((second.sqrt() - values.abs()).abs() <= 0.004 * largest).all()


def _through_8_bits(name: str, values: torch.Tensor) -> torch.Tensor:
    weight = Parameter(torch.zeros_like(values))
    state = compact_adamw._first_state(weight, True)
    assert torch.equal(compact_adamw._moment(name, state), torch.zeros_like(values))
    compact_adamw._keep_moment(name, values.clone(), state)
    return compact_adamw._moment(name, state)


def test_a_second_moment_that_is_small_beside_its_neighbours_divides_no_step_by_nothing() -> None:
    weight = Parameter(torch.zeros(1, BLOCK))
    optimizer = optimizer_of([weight], "adamw_8bit")
    weight.grad = torch.cat([torch.full((1, 1), 1e3), torch.full((1, BLOCK - 1), 1e-5)], dim=1)
    optimizer.step()
    for _ in range(20):
        weight.grad = torch.zeros_like(weight)
        optimizer.step()
    assert 0 < weight.detach().abs().max() < 21 * RATE


def test_a_weight_without_a_gradient_stays_and_gets_no_state() -> None:
    weight = Parameter(torch.ones(2, 3))
    optimizer = optimizer_of([weight], "adamw_8bit")
    optimizer.step()
    assert torch.equal(weight.detach(), torch.ones(2, 3))
    assert not optimizer.state


def test_a_large_weight_is_computed_a_part_at_a_time_to_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parts = weights(), weights()
    trained(whole, optimizer_of(whole, "adamw_8bit"), 3)
    monkeypatch.setattr(compact_adamw, "_ELEMENTS_AT_ONCE", 600)
    trained(parts, optimizer_of(parts, "adamw_8bit"), 3)
    assert all(torch.equal(one, other) for one, other in zip(whole, parts, strict=True))


def held(optimizer: Optimizer) -> int:
    return sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for name, value in state.items()
        if name != "step"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["adamw", "adamw_8bit"])
def test_the_optimizer_keeps_as_many_bytes_as_are_put_aside_for_it(kind: str, dtype: torch.dtype) -> None:
    weight = [Parameter(torch.ones(512, 1024, dtype=dtype)), Parameter(torch.ones(512, dtype=dtype))]
    optimizer = optimizer_of(weight, kind)
    step(optimizer, weight, 0)
    settings = OptimizerConfig.model_validate({"kind": kind})
    assert held(optimizer) == optimizer_bytes(weight, settings)
    each = held(optimizer) / sum(w.numel() for w in weight)
    expected = {"adamw": 8, "adamw_8bit": 2.04}[kind] + (2 if dtype == torch.bfloat16 else 0)
    assert each == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", ["adamw", "adamw_8bit"])
def test_a_saved_optimizer_goes_on_bit_for_bit(kind: str, dtype: torch.dtype, tmp_path: Path) -> None:
    through, resumed = weights(dtype), weights(dtype)
    one = optimizer_of(through, kind)
    trained(through, one, 6)
    half = optimizer_of(resumed, kind)
    trained(resumed, half, 3)
    torch.save(half.state_dict(), tmp_path / "state.pt")
    again = optimizer_of(resumed, kind)
    restore_optimizer(again, torch.load(tmp_path / "state.pt", weights_only=True), None)
    for number in range(3, 6):
        step(again, resumed, number)
    assert all(torch.equal(a, b) for a, b in zip(through, resumed, strict=True))
    states = one.state_dict()["state"], again.state_dict()["state"]
    assert states[0].keys() == states[1].keys()
    for index, state in states[0].items():
        for name, value in state.items():
            assert torch.equal(value, states[1][index][name])
            assert value.dtype == states[1][index][name].dtype


def run(folder: Path, steps: int, *more: str) -> list[dict[str, Any]]:
    settings = parse_overrides([*SMALL, f"run.dir={folder}", f"run.steps={steps}", *more])
    Trainer(load_recipe("dr_grpo", settings)).run()
    timeless = ("seconds/", "tokens_per_second/", "memory/")
    return [
        {name: value for name, value in row.items() if not name.startswith(timeless)}
        for row in read_lines(folder / "metrics.jsonl")
    ]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_run_that_is_resumed_is_the_run_that_was_never_stopped(option: str, tmp_path: Path) -> None:
    more = [*OPTIONS[option], "warmup.steps=2", "warmup.batch_size=4", "algorithm.kl_coefficient=0.1"]
    whole = run(tmp_path / "whole", 4, *more)
    run(tmp_path / "parts", 2, *more)
    assert run(tmp_path / "parts", 4, *more) == whole
    assert weights_hash(tmp_path / "parts" / "model") == weights_hash(tmp_path / "whole" / "model")
    kept = torch.bfloat16 if "bfloat16" in option else torch.float32
    read = load_model(tmp_path / "whole" / "model")[0]
    assert {weight.dtype for weight in read.parameters()} == {kept}
    assert all(row["sampler/mismatch"] < 0.05 and row["grad_norm"] > 0 for row in whole[1:])


@pytest.mark.parametrize("option", [pytest.param("8 bits", marks=pytest.mark.slow), "bfloat16, 8 bits"])
def test_two_digits_are_learned(option: str, tmp_path: Path) -> None:
    more = [*OPTIONS[option], "batch.prompts=16", "batch.group_size=16", "batch.minibatches=4"]
    learns = ["batch.microbatch_tokens=16384", "algorithm.clip_high=0.28", "run.checkpoint_every=1000"]
    rows = run(tmp_path, 40, *more, *learns)
    rewards = [row["reward/mean"] for row in rows[1:]]
    assert sum(rewards[:3]) / 3 < 0.3
    assert sum(rewards[-3:]) / 3 > 0.9


def test_an_adapter_is_trained_in_float32_over_weights_in_bfloat16(tmp_path: Path) -> None:
    rows = run(tmp_path, 2, *OPTIONS["bfloat16"], "model.lora.rank=4", "run.seed=3")
    assert all(row["sampler/mismatch"] < 0.05 and row["grad_norm"] > 0 for row in rows[1:])


def test_the_norm_of_gradients_in_bfloat16_is_taken_in_float32() -> None:
    halves = weights(torch.bfloat16)
    step(optimizer_of(halves), halves, 0)
    gradients = [weight.grad.double() for weight in halves if weight.grad is not None]
    expected = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    assert clip_gradients(halves, 1e9).item() == pytest.approx(expected.item(), rel=1e-6)
    assert clip_gradients(halves, 0.5).item() == pytest.approx(expected.item(), rel=1e-6)
    assert clip_gradients(halves, 0.5).item() == pytest.approx(0.5, rel=0.01)


def test_weights_in_bfloat16_that_would_be_computed_with_in_float32_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights_dtype=bfloat16 .* set model\.dtype=bfloat16"):
        ModelConfig(path="tiny", weights_dtype="bfloat16")


def test_weights_in_bfloat16_are_not_sharded() -> None:
    settings = parse_overrides([*SMALL, *OPTIONS["bfloat16"], "mesh.shard=2"])
    with pytest.raises(
        ConfigError, match=r"weights_dtype=bfloat16 would sum gradients .* keep weights in float32"
    ):
        load_recipe("grpo", settings)
