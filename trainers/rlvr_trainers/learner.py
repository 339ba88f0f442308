"""From judged groups to new weights: log-probabilities, advantages, loss, optimizer steps."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from rlvr_gym.clock import PhaseClock
from rlvr_gym.errors import TrainingError
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.advantages import outcome_advantages, step_advantages
from rlvr_trainers.batch import TokenBatch, microbatches
from rlvr_trainers.checkpoints import State
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.groups import outcome_scores
from rlvr_trainers.losses import (
    Denominators,
    TokenTable,
    kl_in_reward,
    policy_loss,
    step_metrics,
    top_entropy_mask,
)
from rlvr_trainers.policy import Policy, optimizer_and_schedule
from rlvr_trainers.process import step_scores
from rlvr_trainers.ranks import Ranks
from rlvr_trainers.shaping import with_overlong_penalty
from rlvr_trainers.tracking import Metrics


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What one rollout step teaches: its samples as tensors, and what each of them earned."""

    rollouts: list[Rollout]
    batch: TokenBatch
    rewards: np.ndarray
    """Shaped rewards (B,), NaN where unscored."""
    advantages: np.ndarray
    """(B,): the mean over a sample's tokens in the loss, where steps are rewarded."""

    @property
    def why_empty(self) -> str | None:
        """Why not one token is in the loss; None where there is one."""
        if self.batch.mask_BT.any():
            return None
        causes = Counter(
            "not judged" if not r.verdict.scored else "truncated and filtered out" if r.truncated else "empty"
            for r in self.rollouts
        )
        counts = ", ".join(f"{times} {cause}" for cause, times in causes.most_common())
        return f"not one token to learn from in {len(self.rollouts)} samples: {counts}"


@final
class Learner:
    """The policy, its optimizer, and the frozen reference where KL needs one.

    Every rank holds the whole step and works on an even share of its sequences; denominators are those of the
    whole optimizer step, so losses are plain sums and gradients are summed over microbatches and ranks.
    """

    def __init__(self, policy: Policy, config: TrainConfig, ranks: Ranks) -> None:
        self.policy, self.config, self.ranks = policy, config, ranks
        self.reference: Policy | None = None
        self.optimizer, self.schedule = optimizer_and_schedule(policy, config)
        self.updates = 0
        """Finished optimizer steps: the version of the weights."""
        self._temperature = config.sampling.temperature
        self._decode = policy.generator().text

    def prepare(self, groups: Sequence[Group], clock: PhaseClock) -> Lesson:
        """Turn judged groups into a batch with old and reference log-probabilities and advantages."""
        rollouts = [rollout for group in groups for rollout in group]
        ids = [index for index, group in enumerate(groups) for _ in group]
        nothing = np.zeros(len(rollouts))
        batch = TokenBatch.of(rollouts, ids, nothing, filter_truncated=self.config.overlong.filter)
        with clock.phase("score"):
            batch = self._with_logprobs(batch)
        rewards, advantages = self._judgement(rollouts, batch)
        advantages_BT = torch.from_numpy(advantages)[:, None] * batch.mask_BT
        if self.config.reward.steps != "off":
            outcome_BT = advantages_BT if self.config.reward.steps == "added" else 0.0
            advantages_BT = outcome_BT + torch.from_numpy(self._step_advantages(rollouts, batch))
            advantages = (advantages_BT.sum(1) / batch.mask_BT.sum(1).clamp(min=1)).numpy()
        batch = dataclasses.replace(batch, advantages_BT=advantages_BT)
        return Lesson(rollouts=rollouts, batch=batch, rewards=rewards, advantages=advantages)

    def update(self, batch: TokenBatch, clock: PhaseClock, *, seed: int) -> Metrics:
        """Take `epochs` x `minibatches` optimizer steps; what to log of them.

        Raises TrainingError before weights change by a loss or gradient that is not finite, or on samples
        that other weights than these have drawn.
        """
        tables: list[TokenTable] = []
        norms: list[float] = []
        with clock.phase("update"):
            for epoch in range(self.config.batch.epochs):
                for rows in self._minibatches(batch, derive_seed(seed, epoch)):
                    minibatch = self._with_policy_mask(batch.select(rows))
                    if minibatch.mask_BT.any():
                        step_tables = self._accumulate_gradients(minibatch)
                        norms.append(self._optimizer_step())
                        tables += step_tables
        return {
            **step_metrics(tables),
            "grad_norm": float(np.mean(norms)) if norms else 0.0,
            "learning_rate": self._learning_rate(),
            "updates": float(len(norms)),
        }

    def tensors(self) -> State:
        """What a checkpoint keeps beside the weights, as tensors."""
        return {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}

    def restore(self, tensors: State, updates: int) -> None:
        """Go on from a checkpoint."""
        self.optimizer.load_state_dict(tensors["optimizer"])
        self.schedule.load_state_dict(tensors["schedule"])
        self.updates = updates

    def _with_logprobs(self, batch: TokenBatch) -> TokenBatch:
        """Add log-probabilities of the old policy, where updates drift away from it, and of the reference."""
        if self.config.batch.updates > 1 or self._kl_in_reward:
            old, _ = self._logprobs(self.policy, batch, with_entropy=False)
            batch = dataclasses.replace(batch, old_logprobs_BT=old)
        if self.reference is not None:
            ref, _ = self._logprobs(self.reference, batch, with_entropy=False)
            batch = dataclasses.replace(batch, ref_logprobs_BT=ref)
        return batch

    def _with_policy_mask(self, minibatch: TokenBatch) -> TokenBatch:
        """Add which tokens keep their policy term: all, or those of highest entropy in this optimizer step."""
        share = self.config.algorithm.entropy_top_share
        if share is None:
            return minibatch
        _, entropy = self._logprobs(self.policy, minibatch, with_entropy=True)
        kept = top_entropy_mask(entropy, minibatch.mask_BT, share)
        return dataclasses.replace(minibatch, policy_mask_BT=kept)

    @torch.no_grad()
    def _logprobs(self, policy: Policy, batch: TokenBatch, *, with_entropy: bool) -> tuple[Any, Any]:
        """(B, T) log-probabilities and entropies of a whole step under `policy`, without gradient."""
        logprobs_BT = torch.zeros(batch.mask_BT.shape)
        entropy_BT = torch.zeros(batch.mask_BT.shape)
        for rows in self._microbatches(batch):
            part = batch.select(rows).to(policy.device)
            values, entropies = policy.logprobs(
                part, temperature=self._temperature, with_entropy=with_entropy
            )
            width = values.shape[1]
            logprobs_BT[rows, :width] = values.float().cpu()
            if entropies is not None:
                entropy_BT[rows, :width] = entropies.float().cpu()
        return self.ranks.summed(logprobs_BT), self.ranks.summed(entropy_BT)

    @property
    def _kl_in_reward(self) -> bool:
        return self.config.algorithm.needs_reference and self.config.algorithm.kl_place == "reward"

    def _judgement(self, rollouts: Sequence[Rollout], batch: TokenBatch) -> tuple[np.ndarray, np.ndarray]:
        """(shaped rewards, advantages), both (B,).

        In this order: outcome reward, degenerate test on the outcome, shaping, advantages over the full group;
        the loss mask comes last.
        """
        outcomes = self.config.reward.of(outcome_scores(rollouts))
        lengths = [rollout.length for rollout in rollouts]
        rewards, budget = outcomes, self.config.sampling.max_tokens
        if cache := self.config.overlong.cache_tokens(budget):
            rewards = with_overlong_penalty(outcomes, lengths, max_tokens=budget, cache=cache)
        kl = None
        if self._kl_in_reward:
            assert batch.old_logprobs_BT is not None
            assert batch.ref_logprobs_BT is not None
            kl = kl_in_reward(batch.old_logprobs_BT, batch.ref_logprobs_BT, batch.mask_BT)
        advantages = outcome_advantages(
            rewards,
            batch.groups_B.tolist(),
            self.config.algorithm,
            outcomes=outcomes,
            lengths=lengths,
            kl=kl,
        )
        return rewards, advantages

    def _step_advantages(self, rollouts: Sequence[Rollout], batch: TokenBatch) -> np.ndarray:
        """Advantages (B, T) of the steps that the verdicts name. Truncated samples count, as for outcomes."""
        steps = [step_scores(rollout, self._decode) for rollout in rollouts]
        return step_advantages(
            [self.config.reward.of(np.array(step.scores)).tolist() for step in steps],
            [step.ends for step in steps],
            batch.groups_B.tolist(),
            batch.mask_BT.numpy(),
            self.config.algorithm,
        )

    def _minibatches(self, batch: TokenBatch, seed: int) -> list[list[int]]:
        """Rows of each minibatch: whole groups, in an order of their own each epoch."""
        order = np.random.default_rng(seed).permutation(self.config.batch.prompts)
        groups = batch.groups_B.numpy()
        parts = np.split(order, self.config.batch.minibatches)
        return [np.flatnonzero(np.isin(groups, part)).tolist() for part in parts]

    def _microbatches(self, batch: TokenBatch) -> list[list[int]]:
        """This rank's microbatches."""
        budget = self.config.batch.microbatch_tokens
        return microbatches(batch.lengths_B.tolist(), budget, part=self.ranks.rank, parts=self.ranks.world)

    def _accumulate_gradients(self, minibatch: TokenBatch) -> list[TokenTable]:
        """Gradients of one optimizer step's loss; the token tables of all microbatches of all ranks."""
        algorithm = self.config.algorithm
        denominators = Denominators.of(algorithm, minibatch, max_tokens=self.config.sampling.max_tokens)
        tables = []
        for rows in self._microbatches(minibatch):
            part = minibatch.select(rows).to(self.policy.device)
            logprobs, entropy = self.policy.logprobs(part, temperature=self._temperature, with_entropy=True)
            loss, table = policy_loss(algorithm, part, denominators, logprobs, entropy)
            loss.backward()
            tables.append(table.cpu())
        self.ranks.sum_gradients(self.policy.parameters)
        tables = self.ranks.gather(tables)
        self._check(tables)
        return tables

    def _optimizer_step(self) -> float:
        """Clip, check, step; the gradient's norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters, self.config.optimizer.max_grad_norm)
        if not torch.isfinite(norm):
            raise TrainingError(self._not_finite("gradient norm", float(norm)))
        # Counted before it is taken: one that is broken off midway has changed the weights.
        self.updates += 1
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def _check(self, tables: Sequence[TokenTable]) -> None:
        """Refuse a step before it is taken; every rank sees the tables of all, so all stop together."""
        logged = step_metrics(tables)
        loss, mismatch = logged["loss"], logged["sampler/mismatch"]
        if not math.isfinite(loss):
            raise TrainingError(self._not_finite("loss", loss))
        if not mismatch <= self.config.run.max_mismatch:
            raise TrainingError(
                f"the sampler's log-probabilities differ from the trainer's by {mismatch:.3g} per token on average, "
                f"more than run.max_mismatch={self.config.run.max_mismatch:g}: the sampler works with other weights, "
                "another temperature or too low a precision (model.dtype=float32 is exact)"
            )

    def _not_finite(self, what: str, value: float) -> str:
        return (
            f"the {what} of optimizer step {self.updates + 1} is {value}, and the step was not taken; a lower "
            f"optimizer.learning_rate (now {self._learning_rate():.3g}) or optimizer.max_grad_norm usually helps"
        )

    def _learning_rate(self) -> float:
        """That of the next optimizer step."""
        return float(self.schedule.get_last_lr()[0])
