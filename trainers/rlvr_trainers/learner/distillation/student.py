"""The policy as its teacher sees it: its action tokens, each with a divergence from the teacher's distribution."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, final

import torch
from torch import Tensor, nn

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.distillation.divergences import head_divergences
from rlvr_trainers.learner.layout.chunks import chunk_tokens
from rlvr_trainers.learner.layout.hidden_states import Bundles, predicting_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.logprobs import Head, base_model, head_of
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.loss_settings import Divergence


@final
class Student:
    """A policy in training and its frozen teacher, which reads every microbatch too."""

    def __init__(self, policy: Policy, teacher: Policy, *, kind: Divergence, beta: float | None) -> None:
        self.device = policy.device
        self._policy, self._teacher = policy, teacher
        self._kind: Divergence = kind
        self._beta = beta
        self._teacher_at_hand = False
        """True while the teacher's head, where it is spread over processes, is gathered for chunks to be computed."""

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The policy's."""
        return self._policy.parameters

    def logprobs(
        self,
        batch: TokenBatch,
        *,
        temperature: float,
        with_entropy: bool = False,
        bundles: Bundles | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Log-probabilities (B, T) of the action tokens, without gradient, and in the place of entropies divergences.

        Both are 0 at other tokens.
        """
        taught_NH, teachers_head = self._taught(batch)

        def compare(student: Any) -> tuple[Tensor, Tensor]:
            hidden_NH = predicting_states(base_model(student), batch, None)
            if hidden_NH.requires_grad:
                # Its gradient is complete when all chunks' logits have been computed again.
                hidden_NH.register_hook(lambda _: self._let_go())
            return head_divergences(
                (head_of(student), teachers_head),
                (hidden_NH, taught_NH),
                batch.targets_N,
                kind=self._kind,
                beta=self._beta,
                temperature=temperature,
                # Those of two models, and a few tensors of their size, exist at a time.
                chunk=chunk_tokens(len(student.get_output_embeddings().weight), self.device) // 2,
            )

        with self._policy.training_pass():
            logprobs_N, divergences_N = self._policy.computing(compare)
        if not torch.is_grad_enabled():
            self._let_go()
        logprobs_BT, divergences_BT = (
            values_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, values_N)
            for values_N in (logprobs_N, divergences_N)
        )
        return logprobs_BT, divergences_BT

    @torch.no_grad()
    def _taught(self, batch: TokenBatch) -> tuple[Tensor, Head]:
        """The teacher's states (N, H) before the action tokens, and its head, at hand until `_let_go`."""
        self._let_go()
        self._teacher_at_hand = True
        with self._teacher.training_pass():
            return self._teacher.computing(
                lambda teacher: (predicting_states(base_model(teacher), batch, None), head_of(teacher)),
                keeps=True,
            )

    def _let_go(self) -> None:
        if self._teacher_at_hand:
            self._teacher_at_hand = False
            self._teacher.let_go()

    def last_pass(self, last: bool) -> None:
        """Say whether the next backward pass is the last before the gradients are used."""
        self._policy.last_pass(last)

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences: what two models are told about bundles may differ."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's: its gradients are what takes the memory."""
        return self._policy.token_budget(optimizer_bytes=optimizer_bytes)
