"""One episode as the policy saw it, token by token, and the group of a task's episodes."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import FinishReason, Usage, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One finished, judged episode as the policy saw it, token by token.

    `prompt_ids` is the first prompt; `token_ids` everything after it up to the last sampled token,
    environment turns included.
    `action_mask` is True for the tokens the policy sampled; only these carry a log-probability (the
    sampler's own, 0.0 elsewhere) and, in training, loss. `messages` is the conversation after the prompt.
    Where ids are not known there are none, and `usage` counts the tokens: those of the first prompt, and all
    that were sampled. `judging_seconds` is what the environment took, all turns together.
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
    usage: Usage | None = None
    judging_seconds: float = field(default=0.0, compare=False)

    @property
    def truncated(self) -> bool:
        """True if the last turn ran out of its token budget."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def length(self) -> int:
        """How many tokens the policy sampled."""
        return sum(self.action_mask)

    @property
    def text(self) -> str:
        """The policy's last turn."""
        return self.messages[-1].content


Group = tuple[Rollout, ...]
"""All rollouts of one task, by sample."""
