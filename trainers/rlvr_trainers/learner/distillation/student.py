"""The policy as its teacher sees it: its action tokens, each with a divergence from the teacher's distribution."""

from __future__ import annotations

import dataclasses
import math
from typing import final

import torch
from torch import Tensor, nn

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.distillation.divergences import head_divergences
from rlvr_trainers.learner.layout.chunks import chunk_tokens
from rlvr_trainers.learner.layout.hidden_states import Bundles, predicting_states
from rlvr_trainers.learner.layout.plan import Planner
from rlvr_trainers.learner.logprobs import base_model, head_of
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
        with torch.no_grad(), self._teacher.training_pass():
            taught_NH = predicting_states(base_model(self._teacher.model), batch, None)
        with self._policy.training_pass():
            hidden_NH = predicting_states(base_model(self._policy.model), batch, None)
            logprobs_N, divergences_N = head_divergences(
                (head_of(self._policy.model), head_of(self._teacher.model)),
                (hidden_NH, taught_NH),
                batch.targets_N,
                kind=self._kind,
                beta=self._beta,
                temperature=temperature,
                # Those of two models, and a few tensors of their size, exist at a time.
                chunk=chunk_tokens(len(self._policy.model.get_output_embeddings().weight), self.device) // 2,
            )
        logprobs_BT, divergences_BT = (
            values_N.new_zeros(batch.mask_BT.shape).masked_scatter(batch.mask_BT, values_N)
            for values_N in (logprobs_N, divergences_N)
        )
        return logprobs_BT, divergences_BT

    def last_pass(self, last: bool) -> None:
        """Nothing is summed between passes: both models are whole in each process."""

    def planner(self, budget_tokens: int, *, part: int, parts: int) -> Planner:
        """Plan microbatches of single sequences: what two models are told about bundles may differ."""
        planner = self._policy.planner(budget_tokens, part=part, parts=parts)
        return dataclasses.replace(planner, worth=math.inf)

    def token_budget(self, *, optimizer_bytes: int) -> int:
        """The policy's: its gradients are what takes the memory."""
        return self._policy.token_budget(optimizer_bytes=optimizer_bytes)
