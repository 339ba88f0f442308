"""AdamW in less memory: moments in 8 bits, and weights in bfloat16 that lose nothing of an update.

Plain PyTorch operations on each weight by itself, and a state of plain tensors that are divided among processes as the
weight is: a checkpoint resumes with any number of them. (The 8-bit optimizers of torchao and bitsandbytes need a
compiler or a GPU, and the parts of their states do not fit another number of processes.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, final

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, zeros
from torch.nn import Parameter
from torch.optim import Optimizer

BLOCK = 256
"""Neighbours in a row of a weight that share a scale. A row has blocks of its own: rows go to other processes whole."""
_ELEMENTS_AT_ONCE = 2**20
"""Elements of a weight whose float32 values exist at a time."""
CODE_DTYPES = {"exp_avg_codes": torch.uint8, "exp_avg_sq_codes": torch.uint8, "low_bits": torch.int16}
"""State that is not floating point, by name."""


@final
class CompactAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019), computed in float32 or above, whatever weights and moments are kept in.

    With `eight_bits`, both moments of each matrix are kept in 8 bits a value and a scale for each block (Dettmers and
    others, arXiv 2110.02861), the second as its root, which never rounds to zero: no step is divided by nothing.
    Vectors keep theirs in float32.

    A weight in bfloat16 has 16 more bits beside it (`low_bits`): together they are the float32 weight that plain AdamW
    would have, and the bfloat16 one is that, rounded. (Kahan's compensation in bfloat16 has the same size, and loses
    updates of less than 2^-18 of a weight.)
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        *,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float,
        eight_bits: bool,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {**defaults, "eight_bits": eight_bits})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step on the weights that have gradients; `closure` is for other optimizers."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    state = self.state[weight] or self._begin(weight, eight_bits=group["eight_bits"])
                    state["step"] += 1
                    _step(weight, state, group)

    def _begin(self, weight: Parameter, *, eight_bits: bool) -> dict[str, Tensor]:
        """The state of a weight before its first step."""
        self.state[weight] = {"step": torch.tensor(0.0), **_first_state(weight, eight_bits)}
        return self.state[weight]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state as it is; the base class would give all of it the weights' number format."""
        super().load_state_dict({"state": {}, "param_groups": state_dict["param_groups"]})
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for index, values in state_dict["state"].items():
            device = weights[index].device
            self.state[weights[index]] = {
                name: value if name == "step" else value.to(device) for name, value in values.items()
            }


def state_bytes(weight: Tensor, *, eight_bits: bool) -> int:
    """Bytes that the optimizer keeps for a weight, or for this process's part of it."""
    return sum(
        _local(value).numel() * value.element_size()
        for value in _first_state(torch.empty_like(weight, device="meta"), eight_bits).values()
    )


def _first_state(weight: Tensor, eight_bits: bool) -> dict[str, Tensor]:
    wide = torch.promote_types(weight.dtype, torch.float32)
    state: dict[str, Tensor] = {}
    for name in ("exp_avg", "exp_avg_sq"):
        if eight_bits and weight.ndim >= 2:
            blocks = (*weight.shape[:-1], -(-weight.shape[-1] // BLOCK))
            # The code of 0 in either map.
            zero = (
                int((_map(name == "exp_avg", weight.device) == 0).nonzero())
                if weight.device.type != "meta"
                else 0
            )
            state[f"{name}_codes"] = zeros_like(weight, weight.shape, torch.uint8).fill_(zero)
            state[f"{name}_scales"] = zeros_like(weight, blocks, torch.float32)
        else:
            state[name] = zeros_like(weight, weight.shape, wide)
    if weight.dtype == torch.bfloat16:
        state["low_bits"] = zeros_like(weight, weight.shape, torch.int16)
    return state


def zeros_like(weight: Tensor, size: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Zeros of that size where the weight is, divided among processes as it is."""
    if not isinstance(weight, DTensor):
        return torch.zeros(size, dtype=dtype, device=weight.device)
    return zeros(size, dtype=dtype, device_mesh=weight.device_mesh, placements=weight.placements)


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _step(weight: Parameter, state: dict[str, Tensor], group: dict[str, Any]) -> None:
    """One step of a weight, of so many rows at a time."""
    number = float(state["step"])
    tensors = {name: _rows(_local(value), weight.ndim) for name, value in state.items() if name != "step"}
    assert weight.grad is not None
    weights = _rows(_local(weight), weight.ndim)
    grads = _local(weight.grad).reshape(weights.shape)
    for rows in _parts(weights):
        _step_rows(weights[rows], grads[rows], {n: t[rows] for n, t in tensors.items()}, number, group)


def _rows(tensor: Tensor, dimensions: int) -> Tensor:
    """A view (rows, columns); of a vector's state, one column."""
    return tensor.view(-1, tensor.shape[-1]) if dimensions >= 2 else tensor.view(-1, 1)


def _parts(weights: Tensor) -> Iterator[slice]:
    rows = max(1, _ELEMENTS_AT_ONCE // max(1, weights.shape[1]))
    return (slice(start, start + rows) for start in range(0, len(weights), rows))


def _step_rows(
    weight: Tensor, grad: Tensor, state: dict[str, Tensor], number: float, group: dict[str, Any]
) -> None:
    (beta1, beta2), lr = group["betas"], group["lr"]
    exact = _whole_weight(weight, state.get("low_bits"))
    grad = grad.to(exact.dtype)
    first = _moment("exp_avg", state).to(exact.dtype).lerp_(grad, 1 - beta1)
    second = _moment("exp_avg_sq", state).to(exact.dtype).mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
    exact.mul_(1 - lr * group["weight_decay"])
    denominator = second.sqrt().div_((1 - beta2**number) ** 0.5).add_(group["eps"])
    exact.addcdiv_(first, denominator, value=-lr / (1 - beta1**number))
    _keep_weight(exact, weight, state.get("low_bits"))
    _keep_moment("exp_avg", first, state)
    _keep_moment("exp_avg_sq", second, state)


def _whole_weight(weight: Tensor, low_bits: Tensor | None) -> Tensor:
    """The weight as AdamW computes with it, in memory of its own where it is kept in another format."""
    if low_bits is None:
        return weight
    high = weight.view(torch.int16).to(torch.int32) << 16
    return (high + low_bits).view(torch.float32)


def _keep_weight(exact: Tensor, weight: Tensor, low_bits: Tensor | None) -> None:
    """Split float32 into bfloat16, rounded to the nearest, and what that is off by in units of the last place."""
    if low_bits is None:
        return
    bits = exact.view(torch.int32)
    high = (bits + 0x8000) >> 16
    low_bits.copy_(bits - (high << 16))
    weight.copy_(high.to(torch.int16).view(torch.bfloat16))


def _moment(name: str, state: dict[str, Tensor]) -> Tensor:
    """A moment in float32, to be computed with."""
    if name in state:
        return state[name]
    codes, scales, signed = state[f"{name}_codes"], state[f"{name}_scales"], name == "exp_avg"
    blocks = _in_blocks(_map(signed, codes.device)[codes.int()])
    values = blocks.mul_(scales[..., None]).view(len(codes), -1)[:, : codes.shape[1]]
    return values if signed else values.square_()


def _keep_moment(name: str, values: Tensor, state: dict[str, Tensor]) -> None:
    if name in state:
        return
    codes, scales, signed = state[f"{name}_codes"], state[f"{name}_scales"], name == "exp_avg"
    values = values if signed else values.sqrt_()
    blocks = _in_blocks(values)
    scales.copy_(blocks.abs().amax(-1))
    shares = (blocks / scales.clamp(min=1e-38)[..., None]).view(len(values), -1)[:, : values.shape[1]]
    nearest = _codes(signed, codes.device)[shares.half().view(torch.int16).int() & 0xFFFF]
    if not signed:
        nearest = torch.where((nearest == 0) & (values > 0), 1, nearest)
    codes.copy_(nearest)


def _in_blocks(values: Tensor) -> Tensor:
    """(rows, columns) as (rows, blocks, columns of a block), with zeros behind a last block that is shorter."""
    rows, columns = values.shape
    if columns > BLOCK and columns % BLOCK:
        values = torch.nn.functional.pad(values, (0, -columns % BLOCK))
    return values.reshape(rows, -(-columns // BLOCK), -1)


@cache
def _map(signed: bool, device: torch.device) -> Tensor:
    """The 256 values of a code, rising: dynamic exponents, of which each has half or twice the steps of the next.

    As in bitsandbytes: within a decade, the middles of equal steps from 0.1 to 1.
    """
    values = [0.0, 1.0]
    for decade in range(7):
        steps = 2**decade if signed else 2 ** (decade + 1)
        edges = torch.linspace(0.1, 1, steps + 1, dtype=torch.float64)
        middles = (edges[:-1] + edges[1:]) / 2 * 10.0 ** (decade - 6)
        values += middles.tolist() + ((-middles).tolist() if signed else [])
    return torch.tensor(sorted(values), dtype=torch.float32, device=device)


@cache
def _codes(signed: bool, device: torch.device) -> Tensor:
    """The nearest code of every number in float16, by its bits: looking it up is faster than a search."""
    values = _map(signed, device)
    numbers = torch.arange(2**16, device=device).to(torch.int16).view(torch.float16).float()
    return torch.bucketize(numbers.nan_to_num(), (values[1:] + values[:-1]) / 2).to(torch.uint8)
