"""The calls of an episode as token sequences in which every sampled token stands once to be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rlvr_gym.agents.session import Call
from rlvr_gym.rollouts import SampledSequence
from rlvr_gym.verdicts import Completion, WeightsSpan


@dataclass(slots=True)
class _Growing:
    """A sequence, up to its last sampled token."""

    prompt_ids: tuple[int, ...]
    token_ids: list[int] = field(default_factory=list)
    action_mask: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    spans: list[WeightsSpan] = field(default_factory=list)

    def add(self, prompt_ids: Sequence[int], completion: Completion) -> None:
        """Go on with a prompt that begins with all that there is, and what was sampled after it."""
        between = prompt_ids[len(self.prompt_ids) + len(self.token_ids) :]
        self._extend(between, False, (0.0,) * len(between))
        self._extend(completion.token_ids, True, completion.logprobs)
        self.spans += completion.sampled_under

    def _extend(self, ids: Sequence[int], sampled: bool, logprobs: Sequence[float]) -> None:
        self.token_ids += ids
        self.action_mask += [sampled] * len(ids)
        self.logprobs += logprobs

    def done(self) -> SampledSequence:
        return SampledSequence(
            prompt_ids=self.prompt_ids,
            token_ids=tuple(self.token_ids),
            action_mask=tuple(self.action_mask),
            logprobs=tuple(self.logprobs),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequences:
    """The sequences of an episode, and the weights that sampled their tokens, from the first to the last."""

    sequences: tuple[SampledSequence, ...]
    sampled_under: tuple[WeightsSpan, ...]


def sequences_of(calls: Sequence[Call]) -> Sequences:
    """Lay out calls as sequences.

    The first call that goes on from another one continues its sequence. Every further one begins a sequence of its own,
    with all that it was shown as the prompt: what was sampled of it stands to be learned from where it was sampled.
    """
    growing: dict[int, _Growing] = {}
    every: list[_Growing] = []
    for call in calls:
        completion, prompt_ids = call.completion, call.prompt_ids
        if prompt_ids is None or completion is None or not completion.token_ids:
            continue
        # Whoever continues a sequence takes it: the next call that goes on from the same one finds none.
        sequence = growing.pop(id(call.parent), None) if call.parent is not None else None
        if sequence is None:
            sequence = _Growing(prompt_ids)
            every.append(sequence)
        sequence.add(prompt_ids, completion)
        growing[id(call)] = sequence
    return Sequences(
        sequences=tuple(sequence.done() for sequence in every),
        sampled_under=tuple(span for sequence in every for span in sequence.spans),
    )
