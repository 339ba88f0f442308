"""Checks of `gpu.py`: each takes sizes and a device, and yields lines of the table, with a limit to each."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.optimizer import optimizer_and_schedule
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.sharding import spread
from rlvr_trainers.learner_settings import OptimizerConfig
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from rlvr_gym.generation.weights import whole

from .made import Row, Sizes, policy_of, samples

Gradients = dict[str, Tensor]


def _wave(values_BT: Tensor) -> Tensor:
    return torch.cos(torch.arange(values_BT.numel(), device=values_BT.device)).view_as(values_BT)


def _gradients(policy: Policy, batch: TokenBatch, how: Sequence[Any] = ()) -> Gradients:
    """Of a weighted sum of all log-probabilities, in the microbatches `how`, or in one pass."""
    policy.model.zero_grad()
    weights_BT = _wave(batch.mask_BT)
    for microbatch in how or [None]:
        rows = range(batch.size) if microbatch is None else microbatch.rows
        part = batch if microbatch is None else batch.select(rows)
        bundles = None if microbatch is None else microbatch.bundles
        logprobs_BT, _ = policy.logprobs(part.to(policy.device), temperature=1.0, bundles=bundles)
        mine_BT = weights_BT[list(rows)][:, : logprobs_BT.shape[1]].to(logprobs_BT)
        (mine_BT * logprobs_BT).sum().backward()
    return _collected(policy.model)


def _collected(model: Any) -> Gradients:
    return {
        name.removeprefix("model."): whole(weight.grad).double().cpu()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }


def _off(found: Gradients, expected: Gradients) -> float:
    """The norm of the difference over that of what was expected; NaN, which passes no limit, where names differ."""
    if found.keys() != expected.keys():
        return math.nan
    difference = sum(float((found[name] - grad).square().sum()) for name, grad in expected.items())
    return math.sqrt(difference / sum(float(grad.square().sum()) for grad in expected.values()))


def sampler_and_trainer(sizes: Sizes, device: str) -> Iterator[Row]:
    """Mean difference of a token's log-probability."""
    cases: list[tuple[str, dict[str, Any], float]] = [
        ("float32", {}, 1e-4),
        ("bfloat16", {"dtype": "bfloat16"}, 5e-2),
        ("bfloat16, head too", {"dtype": "bfloat16", "float32_head": False}, 1e-1),
        ("bfloat16, weights too", {"dtype": "bfloat16", "weights_dtype": "bfloat16"}, 5e-2),
    ]
    for name, settings, limit in cases:
        policy = policy_of(sizes, device, **settings)
        batch = samples(policy, sizes)
        with torch.no_grad():
            logprobs_BT, _ = policy.logprobs(batch.to(policy.device), temperature=1.0)
        off = (logprobs_BT.cpu() - batch.rollout_logprobs_BT)[batch.mask_BT].abs().mean()
        yield Row(what=f"sampler against trainer, {name}", found=float(off), limit=limit)


def gradients(sizes: Sizes, device: str) -> Iterator[Row]:
    """On this device against those of the CPU in float32, and in other ways of computing the same."""
    exact, here = policy_of(sizes, "cpu"), policy_of(sizes, device)
    batch = samples(exact, sizes)
    expected = _gradients(exact, batch)
    yield Row(
        what="gradient against the CPU's, float32", found=_off(_gradients(here, batch), expected), limit=1e-3
    )
    lower = policy_of(sizes, device, dtype="bfloat16")
    yield Row(what="the same, bfloat16", found=_off(_gradients(lower, batch), expected), limit=1e-1)
    plain = _gradients(here, batch)
    planner = dataclasses.replace(here.planner(4096, part=0, parts=1), worth=0)
    plan = planner.plan(batch, [True] * batch.size)
    shared = sum(
        len(microbatch.bundles.sizes) < len(microbatch.rows) for microbatch in plan if microbatch.bundles
    )
    if not shared:
        raise AssertionError("no prefix is shared in the plan of a step whose sequences begin alike")
    yield Row(
        what="prefixes computed once against alone",
        found=_off(_gradients(here, batch, plan), plain),
        limit=1e-4,
    )
    packed = _gradients(here, batch.packed())
    yield Row(what="packed rows against padded ones", found=_off(packed, plain), limit=1e-4)


def other_passes(sizes: Sizes, device: str) -> Iterator[Row]:
    """Recomputed and compiled layers, and activations on the CPU where they are not there already."""
    here = policy_of(sizes, device)
    batch = samples(here, sizes)
    plain = _gradients(here, batch)
    ways = {"recomputed": {"gradient_checkpointing": True}, "compiled": {"compile": True}}
    if device != "cpu":
        ways["offloaded"] = {"offload_activations": True}
    for name, settings in ways.items():
        found = _gradients(policy_of(sizes, device, **settings), batch)
        yield Row(what=f"{name} layers against plain ones", found=_off(found, plain), limit=1e-4)


def fsdp(sizes: Sizes, device: str) -> Iterator[Row]:
    """FSDP2 in a group of one process against no group."""
    here = policy_of(sizes, device)
    batch = samples(here, sizes)
    plain = _gradients(here, batch)
    with tempfile.TemporaryDirectory() as folder:
        place = f"file://{Path(folder) / 'group'}"
        dist.init_process_group(
            "nccl" if device == "cuda" else "gloo", init_method=place, rank=0, world_size=1
        )
        try:
            model = policy_of(sizes, device).model
            scorer = spread(model, init_device_mesh(device, (1,), mesh_dim_names=("shards",)))
            logprobs_BT, _ = scorer(batch.to(device), temperature=1.0)
            (_wave(logprobs_BT) * logprobs_BT).sum().backward()
            off = _off(_collected(model), plain)
        finally:
            dist.destroy_process_group()
    yield Row(what="FSDP2 in a group of one against none", found=off, limit=1e-5)


def optimizers(sizes: Sizes, device: str) -> Iterator[Row]:
    """Five steps on this device against the same on the CPU."""
    for kind, dtype in (("adamw", "float32"), ("adamw_8bit", "float32"), ("adamw_8bit", "bfloat16")):
        moved = [_moved(sizes, place, kind, getattr(torch, dtype)) for place in ("cpu", device)]
        off = _off(moved[1], moved[0])
        yield Row(what=f"{kind}, weights in {dtype}, against the CPU's", found=off, limit=1e-2)


def _moved(sizes: Sizes, device: str, kind: str, dtype: torch.dtype) -> Gradients:
    """Change of a matrix and a vector in five steps."""
    generator = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(shape, generator=generator)
        for shape in ((sizes.vocabulary, sizes.hidden), (sizes.hidden,))
    ]
    weights = [torch.nn.Parameter(values.to(device, dtype)) for values in drawn]
    before = [weight.detach().double().cpu() for weight in weights]
    settings = OptimizerConfig.model_validate({"kind": kind, "learning_rate": 1e-2})
    optimizer, _ = optimizer_and_schedule(weights, settings, total_updates=5)
    for _ in range(5):
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator).to(device, dtype)
        optimizer.step()
    after = [weight.detach().double().cpu() for weight in weights]
    return {str(place): new - old for place, (new, old) in enumerate(zip(after, before, strict=True))}


PARTS: dict[str, Callable[[Sizes, str], Iterator[Row]]] = {
    "sampler against trainer": sampler_and_trainer,
    "gradients": gradients,
    "FSDP2": fsdp,
    "optimizers": optimizers,
    "other passes": other_passes,
}
