"""The figures of a step: rewards, outcomes, lengths, speed; and samples to read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any, final

import numpy as np

from rlvr_gym.clock import PhaseClock
from rlvr_gym.generation.base import CountsDrafts, DraftCounts
from rlvr_gym.rollouts import Rollout, sampled_tokens
from rlvr_gym.tasks import Task
from rlvr_gym.tools.use import tool_use
from rlvr_gym.verdicts import Outcome
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.credit.outcomes import outcome_scores
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.sampling.buffer import StepRollouts
from rlvr_trainers.settings import RewardConfig


def group_metrics(taken: StepRollouts, batch: CreditedBatch, reward: RewardConfig) -> Metrics:
    """Compute the figures of a step's rollouts: rewards, outcomes, lengths and truncation.

    `reward/mean` and the shares are over everything sampled, kept or not; `reward/shaped` is over what is trained on.
    Of demonstrations there are lengths alone.
    """
    if taken.demonstrated:
        lengths = [rollout.length for rollout in taken.rollouts]
        return {"length/mean": _mean(lengths), "length/max": float(max(lengths))}
    rollouts = [rollout for group in taken.sampled for rollout in group]
    outcomes = [reward.of(outcome_scores(group)) for group in taken.sampled]
    metrics: Metrics = {
        **taken.metrics(),
        "reward/mean": _mean(np.concatenate(outcomes)),
        "reward/shaped": _mean(batch.rewards_B[batch.tokens.first_rows].numpy()),
        "truncation/share": _mean([r.truncated for r in rollouts]),
        "length/mean": _mean([r.length for r in rollouts]),
        "length/max": float(max(r.length for r in rollouts)),
    }
    if any(rollout.branch is not None for rollout in rollouts):
        alone = sum(rollout.length for rollout in rollouts)
        metrics["tree/shared_share"] = 1 - sum(map(sampled_tokens, taken.sampled)) / max(1, alone)
    if batch.chosen_B is not None:
        metrics["selected/share"] = _mean(batch.chosen_B.tolist())
        metrics["selected/samples"] = float(batch.chosen_B.sum())
    for outcome in Outcome:
        lengths = [r.length for r in rollouts if r.verdict.outcome is outcome]
        metrics[f"outcome/{outcome}"] = len(lengths) / len(rollouts)
        if lengths:
            metrics[f"length/{outcome}"] = _mean(lengths)
    return metrics | call_metrics(rollouts)


def call_metrics(rollouts: Sequence[Rollout]) -> Metrics:
    """The figures of calls: per episode, and the shares that were malformed, failed or refused; none without tools."""
    use = tool_use(rollout.calls for rollout in rollouts)
    if use is None:
        return {}
    return {
        "tools/calls": use.calls,
        "tools/calling": use.calling,
        "tools/malformed": use.malformed,
        "tools/failed": use.failed,
        "tools/refused": use.refused,
        "seconds/tools": use.seconds * use.episodes,
    }


def explained_variance(batch: CreditedBatch) -> Metrics:
    """The share of the variance of returns that the critic's old values explain: 1 is all, 0 no more than a constant.

    There is none where returns do not differ.
    """
    if batch.values_BT is None or batch.returns_BT is None:
        return {}
    mask_BT = batch.tokens.mask_BT
    returns_N, values_N = batch.returns_BT[mask_BT], batch.values_BT[mask_BT]
    spread = float(returns_N.var(correction=0)) if returns_N.numel() else 0.0
    if spread == 0.0:
        return {}
    return {"critic/explained_variance": 1 - float((returns_N - values_N).var(correction=0)) / spread}


@final
class Drafts:
    """Counts of the tokens that are drafted for a generator from now on."""

    def __init__(self, generator: object) -> None:
        self._generator, self._before = generator, _drafted_for(generator)

    def metrics(self) -> Metrics:
        """Figures up to now; none for a generator without a draft."""
        return draft_metrics(_drafted_for(self._generator).since(self._before))


def _drafted_for(generator: object) -> DraftCounts:
    found = generator.draft_counts if isinstance(generator, CountsDrafts) else None
    return found or DraftCounts()


def draft_metrics(counts: DraftCounts) -> Metrics:
    """The share of drafted tokens that were accepted, and tokens gained with each pass of the model over a sample."""
    metrics: Metrics = {}
    if counts.passes:
        metrics["sampler/tokens_per_pass"] = counts.tokens / counts.passes
    if counts.judged:
        metrics["sampler/acceptance"] = counts.accepted / counts.judged
    return metrics


def speed_metrics(clock: PhaseClock, taken: StepRollouts, batch: CreditedBatch, *, epochs: int) -> Metrics:
    """Seconds of each phase, and sampled tokens per second through it."""
    sampled = sum(map(sampled_tokens, taken.everything))
    trained = int(batch.tokens.mask_BT.sum())
    passes = (batch.old_logprobs_BT is not None) + (batch.ref_logprobs_BT is not None)
    tokens = {
        "generate": sampled,
        "verify": sampled,
        "score": trained * passes,
        "update": trained * epochs,
    }
    seconds = {phase: clock.seconds[phase] for phase in tokens}
    return {
        **{f"seconds/{phase}": value for phase, value in seconds.items()},
        "seconds/monitor": clock.seconds["monitor"],
        **({} if taken.demonstrated else {"tokens/sampled": float(sampled)}),
        **{
            f"tokens_per_second/{phase}": n / seconds[phase] if seconds[phase] else 0.0
            for phase, n in tokens.items()
        },
    }


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """The mean of what is known; 0 where nothing is."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else 0.0


def sample_rows(
    rollouts: Sequence[Rollout],
    batch: CreditedBatch,
    count: int,
    expected: Callable[[Task], str | None],
    flags: Callable[[Rollout], Sequence[str]],
) -> list[dict[str, Any]]:
    """The first `count` of a step's rollouts, by group, as JSON lines to read: what was said and what it earned.

    `flags` names the detectors of reward hacking that a rollout counts for.
    """
    first = batch.tokens.first_rows
    rows = zip(rollouts, batch.rewards_B[first].tolist(), batch.advantages_B[first].tolist(), strict=True)
    return [
        {
            "task": rollout.task.id,
            "sample": rollout.sample,
            "prompt": rollout.task.text,
            "messages": [message.model_dump() for message in rollout.messages],
            "finish_reason": str(rollout.finish_reason),
            "length": rollout.length,
            "verdict": rollout.verdict.model_dump(mode="json"),
            "expected": expected(rollout.task),
            "reward": None if math.isnan(reward) else reward,
            "advantage": advantage,
            "flags": list(flags(rollout)),
            **({"calls": [asdict(call) for call in rollout.calls]} if rollout.calls is not None else {}),
            **(
                {"turn_rewards": [turn.reward for turn in rollout.turn_rewards]}
                if rollout.turn_rewards
                else {}
            ),
        }
        for rollout, reward, advantage in islice(rows, count)
    ]


def why_empty(rollouts: Sequence[Rollout], tokens: TokenBatch) -> str | None:
    """Say why not one token is in the loss; None where there is one."""
    if tokens.mask_BT.any():
        return None
    causes = Counter(map(_why_unlearned, rollouts))
    counts = ", ".join(f"{times} {cause}" for cause, times in causes.most_common())
    return f"not one token to learn from in {len(rollouts)} samples: {counts}"


def _why_unlearned(rollout: Rollout) -> str:
    if not rollout.verdict.scored:
        return "not judged"
    if rollout.truncated:
        return "truncated and filtered out"
    return "not selected" if rollout.length else "empty"
