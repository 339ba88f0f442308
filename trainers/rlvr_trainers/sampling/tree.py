"""Rollouts that fork (Tree-GRPO, arXiv 2509.21240): leaves of a tree share what was sampled before they part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play import Fork, Seat, play
from rlvr_gym.rollouts import Branch, Group, Rollout
from rlvr_gym.seeding import derive_rng
from rlvr_gym.tasks import Task

ForkAt = Literal["turns", "tokens"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TreeShape:
    """The growth of a prompt's trees: `trees` chains, then `rounds` times `branches` new leaves on each of them."""

    trees: int
    branches: int
    rounds: int
    keep: int
    """Leaves that are kept of each tree, chosen at random."""
    fork: ForkAt
    """The places where a leaf may part from another: before a turn, or before any token of one."""

    @property
    def leaves(self) -> int:
        """Number of leaves that a tree has when it is grown."""
        return 1 + self.branches * self.rounds

    def samples(self, tree: int, round_number: int) -> range:
        """The samples of a task that a tree gets in a round: those of all trees in round 0, the chains, come first."""
        if round_number == 0:
            return range(tree, tree + 1)
        first = self.trees + ((round_number - 1) * self.trees + tree) * self.branches
        return range(first, first + self.branches)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """The trees of a run: their shape, and the text of sampled ids, as the sampler gives it."""

    shape: TreeShape
    decode: Callable[[Sequence[int]], str]


def grow(
    env: Environment,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    forest: Forest,
    seed: int,
    fixed_order: bool | None = None,
    clock: PhaseClock | None = None,
    on_progress: Callable[[int, int, int], None] | None = None,
) -> list[Group]:
    """Play the trees of each task; returns one group of their leaves per task, in the order of `tasks`.

    A leaf goes on from the exact ids of the one that it forked from, in an environment that has been through the same
    turns: these are replayed, and one that answers otherwise than before leaves the leaf unscored. What is chosen
    depends on `seed` and the task alone. Arguments are those of `rlvr_gym.play.rollout`; `on_progress` counts every
    token once.
    """
    shape = forest.shape
    trees = [Tree(task=task, number=number) for task in tasks for number in range(shape.trees)]
    over = tokens = 0
    for round_number in range(shape.rounds + 1):
        seats: list[Seat] = []
        owners: dict[tuple[str, int], tuple[Tree, Fork | None]] = {}
        for tree in trees:
            grown = tree.seats(shape, round_number, seed=seed)
            seats += grown
            owners |= {(seat.task.id, seat.sample): (tree, seat.fork) for seat in grown}
        playing = play(env, generator, seats, sampling, seed=seed, fixed_order=fixed_order, clock=clock,
                       decode=forest.decode)  # fmt: skip
        if on_progress is not None and not round_number:
            on_progress(over, len(trees) * shape.leaves, tokens)
        for finished in playing:
            for rollout in finished:
                tree, fork = owners[rollout.task.id, rollout.sample]
                leaf = Leaf(rollout=rollout, fork=fork)
                tree.leaves[rollout.sample] = leaf
                over, tokens = over + 1, tokens + leaf.own_tokens
            if on_progress is not None:
                on_progress(over, len(trees) * shape.leaves, tokens)
    return [_group(trees[i : i + shape.trees], shape, seed=seed) for i in range(0, len(trees), shape.trees)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Leaf:
    """A rollout, and the place that it forked at; None for the chain that a tree began with."""

    rollout: Rollout
    fork: Fork | None = None

    @property
    def shared(self) -> int:
        """Number of the rollout's `token_ids` that were taken over."""
        return min(self.fork.shared, len(self.rollout.token_ids)) if self.fork else 0

    @property
    def own_tokens(self) -> int:
        """Number of tokens that were sampled for this leaf."""
        return sum(self.rollout.action_mask[self.shared :])

    def nodes(self, at: ForkAt) -> list[tuple[int, int]]:
        """The places (turn, token) where another leaf may part from this one, without those of the leaf it parted from.

        Every turn is one before its first token, so a leaf of T turns has T, the first of them before anything is said.
        Where nothing could be said any more, nothing else can be.
        """
        parted = (self.fork.turn, self.fork.token) if self.fork else (-1, 0)
        found: list[tuple[int, int]] = []
        for number, turn in enumerate(self.rollout.turns):
            length = turn.end - turn.begin
            if number and not length:
                break
            places = range(length if at == "tokens" and length else 1)
            found += [(number, token) for token in places if (number, token) > parted]
            if not length:
                break
        return found


@final
@dataclass(kw_only=True, slots=True)
class Tree:
    """Leaves of one task that forked from one another, by sample."""

    task: Task
    number: int
    leaves: dict[int, Leaf] = field(default_factory=dict)

    def seats(self, shape: TreeShape, round_number: int, *, seed: int) -> list[Seat]:
        """List the episodes of a round: the chain in the first one, new leaves in every later one."""
        samples = shape.samples(self.number, round_number)
        if round_number == 0:
            return [Seat(task=self.task, sample=sample) for sample in samples]
        nodes = [
            Fork(rollout=leaf.rollout, turn=turn, token=token)
            for _, leaf in sorted(self.leaves.items())
            for turn, token in leaf.nodes(shape.fork)
        ]
        rng = derive_rng(seed, "fork", self.task.id, self.number, round_number)
        again, rest = divmod(shape.branches, len(nodes))
        chosen = [*nodes * again, *rng.sample(nodes, rest)]
        return [
            Seat(task=self.task, sample=sample, fork=fork)
            for sample, fork in zip(samples, chosen, strict=True)
        ]

    def kept(self, shape: TreeShape, *, seed: int) -> list[Rollout]:
        """The leaves that are kept, each with its branch."""
        rng = derive_rng(seed, "keep", self.task.id, self.number)
        samples = sorted(rng.sample(sorted(self.leaves), shape.keep))
        sampled = sum(leaf.own_tokens for leaf in self.leaves.values())
        return [
            replace(leaf.rollout, branch=Branch(tree=self.number, shared=leaf.shared, tree_tokens=sampled))
            for leaf in map(self.leaves.__getitem__, samples)
        ]


def _group(trees: Sequence[Tree], shape: TreeShape, *, seed: int) -> Group:
    """The leaves of a task, by sample."""
    kept = [rollout for tree in trees for rollout in tree.kept(shape, seed=seed)]
    return tuple(sorted(kept, key=lambda rollout: rollout.sample))
