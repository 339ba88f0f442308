"""A policy that is a table of logits, trained by the algorithms of rlvr_trainers: exact, and a run takes seconds.

A task is a small automaton: each state has its row of logits, and a token leads to the next state or ends the
sequence. So probabilities of whole sequences can be computed, and nothing has to be estimated by sampling.

Shapes: B sequences, T tokens, S states, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import final

import torch
from rlvr_trainers.algorithms.base import Algorithm, Surroundings
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.models import Role
from rlvr_trainers.recipe import load_recipe
from torch import Tensor

import rlvr_gym as rg
from experiments.experiment import Settings
from rlvr_gym.config import merge
from rlvr_gym.rollouts import Group, Rollout

Judge = Callable[[int, tuple[int, ...], bool], float]
"""The score of a sequence: (prompt, its tokens, whether it was cut off)."""
END = -1
"""The state after the last token."""


@dataclass(frozen=True, kw_only=True)
class Automaton:
    """States and tokens of a task."""

    next_SV: Tensor
    """The state that each token leads to from each state; END ends the sequence."""
    starts_P: Tensor
    """The state that each prompt begins in."""
    budget: int
    """The largest number of tokens of a sequence."""
    judge: Judge


@final
class Table:
    """The policy, its reference, and what trains it."""

    def __init__(
        self, task: Automaton, logits_SV: Tensor, config: TrainConfig, seed: int, rate: float
    ) -> None:
        self.task, self.config = task, config
        self.logits_SV = logits_SV.double().clone().requires_grad_()
        self.reference_SV = logits_SV.double().clone()
        self.random = torch.Generator().manual_seed(seed)
        self.optimizer = torch.optim.SGD([self.logits_SV], lr=rate)
        self.algorithm: Algorithm = config.algorithm.build(
            Surroundings(
                reward=config.reward,
                overlong=config.overlong,
                max_tokens=task.budget,
                updates_per_step=config.batch.updates,
                decode=lambda ids: " ".join(map(str, ids)),
            )
        )
        self.samples = 0
        """Sampled so far."""
        self.updates = 0
        """Optimizer steps so far."""

    def groups(self, prompts: Sequence[int]) -> list[Group]:
        """Sample a group of each prompt, judged."""
        size = self.config.batch.group_size
        rows = [prompt for prompt in prompts for _ in range(size)]
        said = [_Said() for _ in rows]
        self._sample(self.task.starts_P[rows], said)
        played = [self._rollout(rows[row], row % size, one) for row, one in enumerate(said)]
        self.samples += len(rows)
        return [tuple(played[first : first + size]) for first in range(0, len(played), size)]

    def learn(self, groups: Sequence[Group]) -> CreditedBatch:
        """Take the updates of one step over these groups; returns what they learned from."""
        credited = self.credited(groups)
        batch, size = self.config.batch, credited.tokens.size
        for _ in range(batch.epochs):
            order = torch.randperm(size, generator=self.random).tolist()
            for part in range(batch.minibatches):
                rows = order[part :: batch.minibatches]
                self.optimizer.zero_grad()
                self.loss(credited.select(rows)).backward()
                self.optimizer.step()
                self.updates += 1
        return credited

    def credited(self, groups: Sequence[Group]) -> CreditedBatch:
        """The groups as a batch with advantages, as the trainer makes it."""
        rollouts = [rollout for group in groups for rollout in group]
        numbers = [number for number, group in enumerate(groups) for _ in group]
        tokens = self.algorithm.tokens(rollouts, numbers)
        return self.algorithm.credit(rollouts, self.algorithm.score(tokens, self._scorer))

    def loss(self, minibatch: CreditedBatch) -> Tensor:
        """The loss of an optimizer step over `minibatch`."""
        objective = self.algorithm.objective(minibatch, self._scorer)
        logprobs, entropy = self.logprobs(minibatch.tokens, self.logits_SV)
        return objective.loss(minibatch, range(minibatch.tokens.size), logprobs, entropy)[0]

    def logprobs(self, tokens: TokenBatch, logits_SV: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B, T) of the tokens, and entropies of their distributions, 0 behind a sequence's end."""
        logp_SV = logits_SV.log_softmax(-1)
        ids_BT, states_BT, there_BT = self._path(tokens)
        logp_BT = torch.where(there_BT, logp_SV[states_BT, ids_BT], 0.0)
        entropy_S = -(logp_SV.exp() * logp_SV).sum(-1)
        return logp_BT, torch.where(there_BT, entropy_S[states_BT], 0.0)

    @property
    def probabilities_SV(self) -> Tensor:
        """The distribution of the next token in every state."""
        return self.logits_SV.detach().softmax(-1)

    def _scorer(self, role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        logits = self.reference_SV if role is Role.REFERENCE else self.logits_SV.detach()
        return self.logprobs(tokens, logits)

    def _path(self, tokens: TokenBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, states before them, and where there are any, all (B, T). Prompts are one token each."""
        width = tokens.mask_BT.shape[1]
        lengths_B = tokens.lengths_B - 1
        ids_BT = tokens.input_ids[:, 1 : 1 + width]
        there_BT = torch.arange(width) < lengths_B[:, None]
        state_B, states = self.task.starts_P[tokens.input_ids[:, 0]], []
        for place in range(width):
            state_B = torch.where(there_BT[:, place], state_B, 0)
            states.append(state_B)
            state_B = self.task.next_SV[state_B, torch.where(there_BT[:, place], ids_BT[:, place], 0)]
        return torch.where(there_BT, ids_BT, 0), torch.stack(states, 1), there_BT

    def _sample(self, state_B: Tensor, said: Sequence[_Said]) -> None:
        """Go on from each state to the end, or to the budget."""
        logp_SV = self.logits_SV.detach().log_softmax(-1)
        for _ in range(self.task.budget):
            alive = (state_B != END).nonzero().flatten()
            if not len(alive):
                break
            drawn = torch.multinomial(logp_SV[state_B[alive]].exp(), 1, generator=self.random).flatten()
            logprobs = logp_SV[state_B[alive], drawn].tolist()
            for row, token, logprob in zip(alive.tolist(), drawn.tolist(), logprobs, strict=True):
                said[row].tokens.append(token)
                said[row].logprobs.append(logprob)
            state_B[alive] = self.task.next_SV[state_B[alive], drawn]
        for one, state in zip(said, state_B.tolist(), strict=True):
            one.cut_off = state != END

    def _rollout(self, prompt: int, sample: int, said: _Said) -> Rollout:
        tokens = tuple(said.tokens)
        return Rollout(
            task=_task(prompt),
            sample=sample,
            prompt_ids=(prompt,),
            token_ids=tokens,
            action_mask=(True,) * len(tokens),
            logprobs=tuple(said.logprobs),
            messages=(rg.Message(role="assistant", content=" ".join(map(str, tokens))),),
            finish_reason=rg.FinishReason.LENGTH if said.cut_off else rg.FinishReason.STOP,
            verdict=_verdict(self.task.judge(prompt, tokens, said.cut_off)),
        )


@dataclass
class _Said:
    """A sequence that is being sampled."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cut_off: bool = False


@cache
def _task(prompt: int) -> rg.Task:
    return rg.Task(id=str(prompt), prompt=str(prompt))


@cache
def _verdict(score: float) -> rg.Verdict:
    return rg.Verdict.right() if score == 1.0 else rg.Verdict.wrong(score=score)


def recipe(settings: Settings) -> TrainConfig:
    """The settings of a run: those of the recipe that `recipe` names, and the others laid over them."""
    given = dict(settings)
    name = str(given.pop("recipe"))
    needed = {"model": {"path": "tiny"}, "env": {"id": "reverse"}}
    return load_recipe(name, merge(needed, given))
