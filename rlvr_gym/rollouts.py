"""One episode as the policy saw it, token by token, and the group of a task's episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rlvr_gym.tasks import Message, Task
from rlvr_gym.tools import CallRecord
from rlvr_gym.verdicts import FinishReason, Usage, Verdict, WeightsSpan


@dataclass(frozen=True, kw_only=True, slots=True)
class TurnReward:
    """The reward that an environment gave to a turn, and where in the rollout's `token_ids` that turn ends.

    `end` is the place of the turn's last sampled token; -1 where nothing had been sampled by then.
    """

    end: int
    reward: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """A turn of the policy: `token_ids[begin:end]` of its rollout, which `messages[message]` says in words."""

    begin: int
    end: int
    message: int
    finish_reason: FinishReason


@dataclass(frozen=True, kw_only=True, slots=True)
class Branch:
    """The place of a rollout among those of its task that forked from one another."""

    tree: int
    """The number of its tree among the task's."""
    shared: int
    """Number of its first `token_ids` that were taken over from another leaf of the tree, and not sampled again."""
    tree_tokens: int
    """Number of tokens that were sampled for the whole tree, leaves that were not kept included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampledSequence:
    """A prompt and what followed it, up to the last sampled token, as in a `Rollout`."""

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    action_mask: tuple[bool, ...]
    logprobs: tuple[float, ...]

    @property
    def length(self) -> int:
        """Number of tokens that the policy sampled in it."""
        return sum(self.action_mask)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One finished, judged episode as the policy saw it, token by token.

    `prompt_ids` is the first prompt; `token_ids` everything after it up to the last sampled token,
    environment turns included.
    `action_mask` is True for the tokens the policy sampled; only these carry a log-probability (the
    sampler's own, 0.0 elsewhere) and, in training, loss. `messages` is the conversation after the prompt.
    `turns` are the policy's; none are known of what was shown and not played.
    `turn_rewards` are what the environment gave to single turns, beside the verdict on the whole.
    `sampled_under` says which weights sampled the tokens of the policy, from the first to the last; it is empty
    where that is not known.
    Where ids are not known there are none, and `usage` counts the tokens: those of the first prompt, and all
    that were sampled. `judging_seconds` is what the environment took, all turns together.
    `branch` is None for an episode that stands alone.
    `calls` says of each call of a tool what became of it; None where the policy had no tools.
    `further` are the other sequences of an episode that has several: an agent's conversations that do not go on from
    what was sampled in the first. Every sampled token stands to be learned from in one of them.
    """

    task: Task
    sample: int
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    action_mask: tuple[bool, ...]
    logprobs: tuple[float, ...]
    messages: tuple[Message, ...]
    finish_reason: FinishReason
    verdict: Verdict
    turn_rewards: tuple[TurnReward, ...] = ()
    sampled_under: tuple[WeightsSpan, ...] = ()
    usage: Usage | None = None
    judging_seconds: float = field(default=0.0, compare=False)
    calls: tuple[CallRecord, ...] | None = None
    turns: tuple[Turn, ...] = ()
    branch: Branch | None = None
    further: tuple[SampledSequence, ...] = ()

    @property
    def sequences(self) -> tuple[SampledSequence, ...]:
        """The sequences that the policy's tokens stand in; mostly there is one."""
        first = SampledSequence(
            prompt_ids=self.prompt_ids,
            token_ids=self.token_ids,
            action_mask=self.action_mask,
            logprobs=self.logprobs,
        )
        return (first, *self.further)

    @property
    def reward(self) -> float | None:
        """The verdict's score and the rewards of single turns together; None where nothing could be judged."""
        if self.verdict.score is None:
            return None
        return self.verdict.score + sum(given.reward for given in self.turn_rewards)

    @property
    def oldest_weights(self) -> int | None:
        """The oldest version of the weights that sampled any of the tokens; None where none is known."""
        return min((span.version for span in self.sampled_under), default=None)

    @property
    def truncated(self) -> bool:
        """True if the last turn ran out of its token budget."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def length(self) -> int:
        """Number of tokens that the policy sampled."""
        return sum(self.action_mask) + sum(sequence.length for sequence in self.further)

    @property
    def text(self) -> str:
        """The policy's last turn."""
        return self.messages[-1].content


Group = tuple[Rollout, ...]
"""All rollouts of one task, by sample."""


def sampled_tokens(group: Sequence[Rollout]) -> int:
    """Count the tokens that were sampled for a task's rollouts: what leaves of a tree share counts once."""
    trees = {one.branch.tree: one.branch.tree_tokens for one in group if one.branch is not None}
    return sum(one.length for one in group if one.branch is None) + sum(trees.values())
