"""Tokens a second, peak memory and share of the matrix rate: ours, and TRL's where it is installed."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.learner import Learner, UpdatePlan
from rlvr_trainers.learner.models import Models, Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner_settings import BatchConfig, OptimizerConfig
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.policy_gradient import PolicyGradientObjective

from rlvr_gym.clock import PhaseClock
from rlvr_gym.memory import peak_memory_bytes

from .made import Row, Sizes, model_of, policy_of, prompts, samples

SEQUENCES_AT_ONCE = 16
"""Sequences of a microbatch of TRL's; ours has as many tokens."""


def speed(sizes: Sizes, device: str) -> Iterator[Row]:
    """Tokens a second, peak memory and share of the matrix rate of the three phases, and of the whole."""
    rate = _matrix_rate(sizes, device)
    yield Row(what="matrix rate, bfloat16", found=rate / 1e12, unit="TFLOP/s")
    policy = policy_of(sizes, device, dtype="bfloat16")
    every = sum(weight.numel() for weight in policy.parameters)
    yield Row(what="model", found=every / 1e6, unit="M parameters")
    weights = every - policy.model.get_input_embeddings().weight.numel()  # which is looked up, not multiplied
    learner = _learner(policy, sizes)
    few = dataclasses.replace(sizes, completion=max(2, sizes.completion // 16))
    _update(learner, samples(policy, few))
    began = time.monotonic()
    batch, seconds, peak = _timed(device, lambda: samples(policy, sizes))
    sampled = int(batch.mask_BT.sum())
    read = int(batch.lengths_B.sum())
    yield from _rates("sample", sampled, seconds, peak, 2 * weights * sampled / rate)
    _, seconds, peak = _timed(device, lambda: learner.logprobs(Role.POLICY, batch))
    yield from _rates("score", read, seconds, peak, 2 * weights * read / rate)
    _, seconds, peak = _timed(device, lambda: _update(learner, batch))
    yield from _rates("update", read, seconds, peak, 6 * weights * read / rate)
    yield Row(what="a whole step: ours", found=sampled / (time.monotonic() - began), unit="sampled tokens/s")


def _rates(phase: str, tokens: int, seconds: float, peak: int, least: float) -> Iterator[Row]:
    yield Row(what=phase, found=tokens / seconds, unit="tokens/s")
    yield Row(what=f"{phase}: peak memory", found=peak / 1e6, unit="MB")
    yield Row(what=f"{phase}: share of the matrix rate", found=100 * least / seconds, unit="%")


def _timed(device: str, work: Callable[[], Any]) -> tuple[Any, float, int]:
    """(result, seconds, peak bytes) of some work."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    result = work()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    return result, seconds, torch.cuda.max_memory_allocated() if device == "cuda" else peak_memory_bytes()


def _matrix_rate(sizes: Sizes, device: str) -> float:
    """Operations a second of large products in bfloat16."""
    left = torch.randn(sizes.matrix, sizes.matrix, device=device, dtype=torch.bfloat16)
    torch.matmul(left, left)
    times = 10
    _, seconds, _ = _timed(device, lambda: [torch.matmul(left, left) for _ in range(times)])
    return times * 2 * sizes.matrix**3 / seconds


def _learner(policy: Policy, sizes: Sizes) -> Learner[CreditedBatch]:
    loss = PolicyGradientConfig()
    return Learner(
        Models(policy),
        lambda minibatch: PolicyGradientObjective(
            loss,
            minibatch,
            max_tokens=sizes.completion,
            entropies=lambda tokens: torch.zeros(tokens.mask_BT.shape),
        ),
        plan=UpdatePlan(
            batch=BatchConfig(
                prompts=sizes.prompts,
                group_size=sizes.group,
                microbatch_tokens=SEQUENCES_AT_ONCE * (sizes.prompt + sizes.completion),
            ),
            optimizer=OptimizerConfig(),
            total_updates=10,
            temperature=1.0,
            max_mismatch=1e9,
        ),
        mesh=Mesh(),
    )


def _update(learner: Learner[CreditedBatch], tokens: TokenBatch) -> None:
    advantages_B = torch.cos(torch.arange(tokens.size, dtype=torch.float64))
    batch = CreditedBatch(
        tokens=tokens,
        rewards_B=torch.zeros_like(advantages_B),
        advantages_B=advantages_B,
        advantages_BT=advantages_B[:, None] * tokens.mask_BT,
    )
    learner.update(batch, PhaseClock(), seed=0)


def trl(sizes: Sizes, device: str) -> Iterator[Row]:
    """TRL's trainer on the same work: the time from one step's rewards to those of the next."""
    what = "a whole step: TRL's"
    if importlib.util.find_spec("trl") is None:
        yield Row(what=what, found=None)
        return
    stamps: list[float] = []
    tokens: list[int] = []

    def reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
        stamps.append(time.perf_counter())
        tokens.append(sum(map(len, completion_ids)))
        return [float(len(ids) + place % 2) for place, ids in enumerate(completion_ids)]

    # Its own lines have no place in the table.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        _, _, peak = _timed(device, _trl_trainer(sizes, device, folder, reward).train)
    speed_found = sum(tokens[1:]) / (stamps[-1] - stamps[0])
    yield Row(what=what, found=speed_found, unit="sampled tokens/s")
    yield Row(what=f"{what}: peak memory", found=peak / 1e6, unit="MB")


def _trl_trainer(sizes: Sizes, device: str, folder: str, reward: Callable[..., list[float]]) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportMissingImports] - only where TRL is installed

    model, tokenizer = model_of(sizes)
    config = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=min(SEQUENCES_AT_ONCE, sizes.prompts * sizes.group),
        gradient_accumulation_steps=max(1, sizes.prompts * sizes.group // SEQUENCES_AT_ONCE),
        num_generations=sizes.group,
        max_completion_length=sizes.completion,
        max_steps=3,
        beta=0.0,
        learning_rate=1e-6,
        gradient_checkpointing=False,
        use_cpu=device == "cpu",
        bf16=True,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
    )
    texts = [{"prompt": request.messages[0].content} for request in prompts(sizes)] * 3
    return GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=config,
        train_dataset=Dataset.from_list(texts),
        processing_class=tokenizer,
    )


PARTS: dict[str, Callable[[Sizes, str], Iterator[Row]]] = {"speed": speed, "TRL's trainer": trl}
