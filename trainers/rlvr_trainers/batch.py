"""A step's samples as tensors, in three complete types: tokens, scored tokens, credited tokens.

Shapes: B sequences, T completion tokens (environment turns included), R rows of S tokens as the model reads
them (one sequence a row, or all sequences packed in one row), N action tokens.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rlvr_gym.errors import DataError
from rlvr_gym.rollouts import Rollout

T = TypeVar("T", bound=Any)


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Sequences as a model reads them, and which of their tokens are to be learned from.

    The same type is a whole rollout step, a minibatch (`select`) and a microbatch (`select` again); `packed`
    lays the same sequences out in one row. Values at positions outside `mask_BT` mean nothing.
    """

    input_ids: Tensor
    """(R, S). Prompt, completion, padding on the right, which causality hides."""
    position_ids: Tensor
    """(R, S). From 0 at the start of every sequence; counting on through the padding after it; they tell packed
    sequences apart."""
    offsets_B: Tensor
    """Position of each sequence's first token in `input_ids.flatten()`."""
    prompt_lengths_B: Tensor
    lengths_B: Tensor
    """Tokens of prompt and completion."""
    groups_B: Tensor
    """Group ids, the same across every process."""
    scored_B: Tensor
    """False where nothing is known of a sample: no tokens in `mask_BT`, no place in any denominator."""
    mask_BT: Tensor
    """True for the tokens in the loss: sampled by the policy, of a scored and not filtered sample."""
    rollout_logprobs_BT: Tensor
    """The sampler's own."""
    stale_B: Tensor
    """True for a sequence of which older weights have sampled some token."""
    episodes_B: Tensor = dataclasses.field(default_factory=lambda: torch.empty(0, dtype=torch.long))
    """The episode of each sequence, the same across every process: those of one stand together, in the order of the
    rollouts. Left out, every sequence is an episode of its own."""

    def __post_init__(self) -> None:
        if len(self.episodes_B) != self.size:
            object.__setattr__(self, "episodes_B", torch.arange(self.size, device=self.lengths_B.device))

    @classmethod
    def of_rollouts(
        cls, rollouts: Sequence[Rollout], groups: Sequence[int], *, filter_truncated: bool = False
    ) -> Self:
        """Lay rollouts out one a row, their tokens as sampled; `groups` are their group ids.

        A rollout of several sequences takes as many rows, one after the other: an episode of them all.
        `filter_truncated` takes the tokens of truncated samples out of the loss (overlong filtering). Raises DataError
        for a prompt without tokens.
        """
        kept = [r.verdict.scored and not (filter_truncated and r.truncated) for r in rollouts]
        return cls.of_chosen(rollouts, groups, kept, scored=[r.verdict.scored for r in rollouts])

    @classmethod
    def of_chosen(
        cls,
        rollouts: Sequence[Rollout],
        groups: Sequence[int],
        chosen: Sequence[bool],
        *,
        scored: Sequence[bool],
    ) -> Self:
        """Lay rollouts out, a row for each of their sequences; the action tokens of `chosen` rollouts are learned from.

        Raises DataError for a prompt without tokens.
        """
        for rollout in rollouts:
            if not all(sequence.prompt_ids for sequence in rollout.sequences):
                raise DataError(
                    f"task {rollout.task.id}: the prompt has no tokens, so nothing predicts the first one"
                )
        rows = [(place, row) for place, rollout in enumerate(rollouts) for row in rollout.sequences]
        episodes = [place for place, _ in rows]
        batch = cls.of_sequences(
            [row.prompt_ids for _, row in rows],
            [row.token_ids for _, row in rows],
            masks=[[acted and chosen[place] for acted in row.action_mask] for place, row in rows],
            logprobs=[row.logprobs for _, row in rows],
            groups=[groups[place] for place in episodes],
            scored=[scored[place] for place in episodes],
        )
        return dataclasses.replace(batch, episodes_B=torch.tensor(episodes, dtype=torch.long))

    @classmethod
    def of_sequences(
        cls,
        prompts: Sequence[Sequence[int]],
        completions: Sequence[Sequence[int]],
        *,
        masks: Sequence[Sequence[bool]],
        logprobs: Sequence[Sequence[float]],
        groups: Sequence[int],
        scored: Sequence[bool],
    ) -> Self:
        """Lay B sequences out one a row, padded on the right; `masks` and `logprobs` are as long as the completions."""
        sequences = [torch.tensor([*p, *c]) for p, c in zip(prompts, completions, strict=True)]
        return cls(
            **_rows(sequences),
            prompt_lengths_B=torch.tensor([len(prompt) for prompt in prompts]),
            groups_B=torch.tensor(list(groups)),
            scored_B=torch.tensor(list(scored)),
            mask_BT=torch.from_numpy(_padded(masks, bool)),
            rollout_logprobs_BT=torch.from_numpy(_padded(logprobs, np.float64)),
            stale_B=torch.zeros(len(sequences), dtype=torch.bool),
        )

    def with_stale(self, stale: Sequence[bool]) -> Self:
        """The same sequences, said of which episodes older weights have had a part in."""
        return dataclasses.replace(self, stale_B=torch.tensor(list(stale), dtype=torch.bool)[self.episodes_B])

    @property
    def first_rows(self) -> list[int]:
        """The row at which each episode begins: those of the samples, where each has one value."""
        episodes = self.episodes_B.tolist()
        return [row for row, episode in enumerate(episodes) if row == 0 or episode != episodes[row - 1]]

    def select(self, rows: Sequence[int]) -> Self:
        """The sequences at `rows`, in that order, one a row with no more padding than they need."""
        longest = self.width_of(rows)
        per_row = {name: value[list(rows)] for name, value in self._per_sequence().items()}
        per_row |= {name: value[:, :longest] for name, value in per_row.items() if name.endswith("_BT")}
        sequences = self._sequences()
        layout = _rows([sequences[row] for row in rows])
        return dataclasses.replace(self, **per_row | layout)

    def width_of(self, rows: Sequence[int]) -> int:
        """T of the sequences at `rows` alone: the tokens of their longest completion."""
        return int((self.lengths_B - self.prompt_lengths_B)[list(rows)].max())

    def packed(self) -> Self:
        """The same sequences end to end in one row, without padding.

        Positions restart with every sequence, by which transformers' attention keeps sequences apart.
        """
        sequences = self._sequences()
        return dataclasses.replace(
            self,
            input_ids=torch.cat(sequences)[None],
            position_ids=torch.cat([torch.arange(len(s), device=s.device) for s in sequences])[None],
            offsets_B=self.lengths_B.cumsum(0) - self.lengths_B,
        )

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return _moved(self, device)

    @property
    def is_packed(self) -> bool:
        """True when several sequences share a row."""
        return len(self.input_ids) < self.size

    @property
    def size(self) -> int:
        """B."""
        return len(self.lengths_B)

    @property
    def predictors_N(self) -> Tensor:
        """Position in `input_ids.flatten()` of the token before each action token, in the mask's order."""
        row_N, token_N = self.mask_BT.nonzero(as_tuple=True)
        return self.offsets_B[row_N] + self.prompt_lengths_B[row_N] + token_N - 1

    @property
    def targets_N(self) -> Tensor:
        """The action tokens' ids, in the mask's order."""
        return self.input_ids.flatten()[self.predictors_N + 1]

    def _sequences(self) -> list[Tensor]:
        flat = self.input_ids.flatten()
        return [
            flat[o : o + n] for o, n in zip(self.offsets_B.tolist(), self.lengths_B.tolist(), strict=True)
        ]

    def _per_sequence(self) -> dict[str, Tensor]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {n: t for n, t in fields.items() if n.endswith(("_B", "_BT"))}


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """Tokens with the log-probabilities that other models than the one in training give them."""

    tokens: TokenBatch
    old_logprobs_BT: Tensor | None = None
    """Of the policy that the step started from; None for the policy being trained itself, in a step's only update."""
    ref_logprobs_BT: Tensor | None = None
    """Of the reference, or of the teacher; None where nothing is measured from either."""
    values_BT: Tensor | None = None
    """The critic's values; None without one."""

    def select(self, rows: Sequence[int]) -> Self:
        """The sequences at `rows`, in that order, with no more padding than they need."""
        return _selected(self, rows)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return dataclasses.replace(_moved(self, device), tokens=self.tokens.to(device))


@dataclass(frozen=True, kw_only=True)
class CreditedBatch:
    """Scored tokens with what each of them has earned: all that a policy update needs to know."""

    tokens: TokenBatch
    old_logprobs_BT: Tensor | None = None
    ref_logprobs_BT: Tensor | None = None
    rewards_B: Tensor
    """Shaped rewards, float64, NaN where unscored."""
    advantages_B: Tensor
    """float64: of each sample; the mean over its tokens in the loss, where steps are rewarded."""
    advantages_BT: Tensor
    """float64: of each token, 0 outside the mask."""
    chosen_B: Tensor | None = None
    """True for the samples that were selected to be imitated; None where all samples count, for better or worse."""
    values_BT: Tensor | None = None
    """float64: what the critic expected of each token as the step began; None without a critic."""
    returns_BT: Tensor | None = None
    """float64: what the critic is to expect; None without one."""
    sharers_BT: Tensor | None = None
    """float64: the samples of its group that share a token and all before it; None where that weighs nothing."""
    pairs_B: Tensor | None = None
    """The number of the pair that a sample is in, -1 for one in none; None where nothing is learned from pairs."""

    def select(self, rows: Sequence[int]) -> Self:
        """The sequences at `rows`, in that order, with no more padding than they need."""
        return _selected(self, rows)

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        return dataclasses.replace(_moved(self, device), tokens=self.tokens.to(device))


def _selected(batch: T, rows: Sequence[int]) -> T:
    width = batch.tokens.width_of(rows)
    tables = {
        name: value[list(rows)][:, :width] if name.endswith("_BT") else value[list(rows)]
        for name, value in vars(batch).items()
        if isinstance(value, Tensor)
    }
    return dataclasses.replace(batch, tokens=batch.tokens.select(rows), **tables)


def _moved(batch: T, device: torch.device | str) -> T:
    tensors = {name: value for name, value in vars(batch).items() if isinstance(value, Tensor)}
    return dataclasses.replace(batch, **{name: tensor.to(device) for name, tensor in tensors.items()})


def _rows(sequences: Sequence[Tensor]) -> dict[str, Tensor]:
    """One sequence a row, padded on the right.

    Any id will do for padding, for no later token sees it. It is the sequence's own first: transformers takes the
    padding token for a sign that the caller has forgotten an attention mask.
    """
    device = sequences[0].device
    lengths_B = torch.tensor([sequence.shape[0] for sequence in sequences], device=device)
    padded = pad_sequence(list(sequences), batch_first=True)
    rows, width = padded.shape
    beyond = torch.arange(width, device=device) >= lengths_B[:, None]
    input_ids = torch.where(beyond, padded[:, :1], padded)
    return {
        "input_ids": input_ids,
        "position_ids": torch.arange(width, device=device).expand(rows, width),
        "offsets_B": torch.arange(rows, device=device) * width,
        "lengths_B": lengths_B,
    }


def _padded(rows: Sequence[Sequence[float]], dtype: type) -> np.ndarray:
    array = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=dtype)
    for i, row in enumerate(rows):
        array[i, : len(row)] = row
    return array
