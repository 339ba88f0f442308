"""The microbatches of an optimizer step, or of a scoring pass: what is computed together, and what needs no gradient.

Sequences that begin alike go into bundles, whose common prefixes are computed once, wherever that takes fewer
operations: every token of a bundle is compared with every other, so bundles of long completions are small ones.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.hidden_states import Bundles, MaskKind
from rlvr_trainers.learner.layout.microbatches import even_budget, microbatches
from rlvr_trainers.learner.layout.prefixes import common_prefix, needed_ids
from rlvr_trainers.learner.layout.sharing import Operations

WORTH_OPERATIONS = 1e8
"""Operations of a forward and backward pass, for each sequence, from which a step is worth a plan: to plan takes about
0.1 ms a sequence, in which a processor core computes a twentieth of them."""

Mask = Callable[[int, int], MaskKind | None]
"""The way to tell a model about bundles, None where there is none: (longest sequence, width of the row) -> kind."""


@dataclass(frozen=True, kw_only=True)
class Microbatch:
    """Sequences of one forward pass."""

    rows: list[int]
    """Indices of the sequences in the step."""
    bundles: Bundles | None = None
    """The runs of `rows` that are computed together; None: each sequence alone."""
    learns: bool = True
    """False: none of them has a gradient, and the backward pass is left out."""
    counts: bool = True
    """False: computed for nothing, beside other processes that have one more."""


@final
@dataclass(frozen=True, kw_only=True)
class Planner:
    """Plans the microbatches of one process: of at most `budget_tokens` tokens each, padding included.

    A step's microbatches are of up to four kinds (bundles or single sequences, with gradient or without), and of each
    kind every process has as many as the others, as `microbatches` deals them out.
    """

    budget_tokens: int
    operations: Operations
    mask: Mask
    worth: float = WORTH_OPERATIONS
    """Steps of fewer operations a sequence are computed each sequence alone."""
    part: int = 0
    parts: int = 1

    def plan(self, tokens: TokenBatch, learns_B: Sequence[bool]) -> list[Microbatch]:
        """The microbatches of a step; sequences without an action token are in none.

        `learns_B` is False for sequences without gradient. They are computed beside those that learn where common
        prefixes make that the cheaper way (a backward pass costs twice a forward pass), else apart from them. One
        microbatch learns in any case, so that an optimizer finds a gradient, be it 0.
        """
        lengths = tokens.lengths_B.tolist()
        if 3 * sum(map(self.operations.alone, lengths)) < self.worth * len(lengths):
            return one_by_one(tokens, self.budget_tokens, part=self.part, parts=self.parts)
        step = _Step(tokens)
        groups = tokens.groups_B.tolist()
        taught = {groups[row] for row in step.rows if learns_B[row]}
        in_groups = [group in taught for group in groups]
        apart, together = (self._split(step, learns) for learns in (learns_B, in_groups))
        learning, silent = min(apart, together, key=self._split_cost)
        planned = self._microbatches(learning, silent)
        if planned and not learning:
            planned[-1] = dataclasses.replace(planned[-1], learns=True)
        return planned

    def _split(self, step: _Step, learns: Sequence[bool]) -> tuple[list[_Bundle], list[_Bundle]]:
        learning = [row for row in step.rows if learns[row]]
        silent = [row for row in step.rows if not learns[row]]
        return self._bundles(step, learning), self._bundles(step, silent)

    def _split_cost(self, split: tuple[list[_Bundle], list[_Bundle]]) -> float:
        learning, silent = (sum(bundle.cost for bundle in bundles) for bundles in split)
        return 3 * learning + silent

    def _bundles(self, step: _Step, rows: Sequence[int]) -> list[_Bundle]:
        """The bundles that take the fewest operations; with several processes, the fewest of the busiest one.

        Narrower ones are tried where the model does not compute wide ones rightly.
        """
        widest = self.budget_tokens
        bundles = step.cheapest(rows, self.operations, widest)
        while shared := [bundle for bundle in bundles if bundle.shares]:
            if self._mask_of(shared) is not None:
                break
            width = max(bundle.width for bundle in shared)
            widest = 1 << (width - 1).bit_length() >> 1  # the power of two below
            bundles = step.cheapest(rows, self.operations, widest)
        return self._divided(step, rows, bundles, widest) if self.parts > 1 and shared else bundles

    def _divided(
        self, step: _Step, rows: Sequence[int], bundles: list[_Bundle], widest: int
    ) -> list[_Bundle]:
        """Smaller bundles, where that makes the busiest process faster; none is idle that could have a sequence."""
        largest = max(len(bundle.rows) for bundle in bundles)
        most = sorted({1, *(math.ceil(largest / pieces) for pieces in range(2, self.parts + 1))})
        found = [bundles, *(step.cheapest(rows, self.operations, widest, most=count) for count in most)]
        busy = [bundles for bundles in found if len(bundles) >= min(self.parts, len(rows))]
        return min(busy, key=self._busiest)

    def _busiest(self, bundles: Sequence[_Bundle]) -> float:
        """Operations of the process that has the most of them."""
        shares = [self._dealt(bundles, 1, part) for part in range(self.parts)]
        return max(sum(bundle.cost for batch in share for bundle in batch) for share in shares)

    def _microbatches(self, learning: Sequence[_Bundle], silent: Sequence[_Bundle]) -> list[Microbatch]:
        planned: list[Microbatch] = []
        first = self.part
        for (bundles, learns), shares in itertools.product(
            ((learning, True), (silent, False)), (True, False)
        ):
            kind = [bundle for bundle in bundles if bundle.shares is shares]
            budget = even_budget([bundle.width for bundle in kind], self.budget_tokens, parts=self.parts)
            mask = self._mask_of(kind) if kind and shares else None
            for batch in self._dealt(kind, budget, first):
                rows = [row for bundle in batch for row in bundle.rows]
                sizes = [len(bundle.rows) for bundle in batch]
                told = Bundles(sizes=sizes, mask=mask) if mask else None
                planned.append(Microbatch(rows=rows, bundles=told, learns=learns))
            # The next kind is dealt out from where this one ended.
            first = (first - len(kind)) % self.parts
        return planned

    def _mask_of(self, bundles: Sequence[_Bundle]) -> MaskKind | None:
        """The way to tell the model about the widest, and so about all: every process asks about the same ones."""
        return self.mask(max(bundle.longest for bundle in bundles), max(bundle.width for bundle in bundles))

    def _dealt(self, bundles: Sequence[_Bundle], budget: int, part: int) -> list[list[_Bundle]]:
        widths = [bundle.width for bundle in bundles]
        dealt = microbatches(widths, budget, part=part, parts=self.parts)
        return [[bundles[place] for place in batch] for batch in dealt]


def one_by_one(tokens: TokenBatch, budget_tokens: int, *, part: int, parts: int) -> list[Microbatch]:
    """The microbatches of one process that compute each sequence alone; those without an action token are in none."""
    needed = tokens.mask_BT.any(1).nonzero()[:, 0].tolist()
    lengths = tokens.lengths_B[needed].tolist()
    dealt = microbatches(lengths, budget_tokens, part=part, parts=parts)
    return [Microbatch(rows=[needed[place] for place in batch]) for batch in dealt]


@dataclass(frozen=True, kw_only=True)
class _Bundle:
    """Sequences of one row, those that begin alike next to one another."""

    rows: list[int]
    longest: int
    width: int
    """Tokens of the row."""
    cost: float
    """Operations of its forward pass."""

    @property
    def shares(self) -> bool:
        return len(self.rows) > 1


class _Step:
    """The sequences of a step with an action token, as far as something depends on their tokens."""

    def __init__(self, tokens: TokenBatch) -> None:
        self._ids = needed_ids(tokens)
        self._whole = tokens.lengths_B.tolist()
        rows = [row for row, ids in enumerate(self._ids) if len(ids)]
        self.rows = sorted(rows, key=lambda row: self._ids[row].tolist())
        """In the order of their tokens: those that begin alike are neighbours."""

    def cheapest(
        self, rows: Sequence[int], operations: Operations, widest: int, *, most: int | None = None
    ) -> list[_Bundle]:
        """Cut `rows`, a part of `self.rows` in its order, into the runs that take the fewest operations in all.

        No run of several sequences is wider than `widest`, or of more than `most` sequences. `least[end]` are the
        operations of the first `end` rows, of which the last run begins at `begins[end]`.
        """
        lengths = np.array([len(self._ids[row]) for row in rows])
        common = [common_prefix(self._ids[a], self._ids[b]) for a, b in itertools.pairwise(rows)]
        fresh = np.cumsum(lengths - np.array([0, *common][: len(rows)]))
        least, begins = np.zeros(len(rows) + 1), np.zeros(len(rows) + 1, dtype=int)
        tree = 0
        for last in range(len(rows)):
            if last and not common[last - 1]:
                tree = last
            tree = max(tree, last + 1 - (most or len(rows)))
            widths = lengths[tree : last + 1] + fresh[last] - fresh[tree : last + 1]
            costs = np.where(widths <= widest, operations.bundled(widths), np.inf)
            costs[-1] = operations.alone(float(lengths[last]))
            totals = least[tree : last + 1] + costs
            place = int(np.argmin(totals))
            least[last + 1], begins[last + 1] = totals[place], tree + place
        bundles: list[_Bundle] = []
        end = len(rows)
        while end:
            start = int(begins[end])
            width = int(lengths[start] + fresh[end - 1] - fresh[start])
            bundles.append(self._bundle(list(rows[start:end]), width, float(least[end] - least[start])))
            end = start
        return bundles[::-1]

    def _bundle(self, rows: list[int], width: int, cost: float) -> _Bundle:
        """One sequence by itself is computed whole."""
        width = self._whole[rows[0]] if len(rows) == 1 else width
        return _Bundle(rows=rows, longest=max(len(self._ids[row]) for row in rows), width=width, cost=cost)
