"""GRPO (arXiv 2402.03300) and what differs from it in single places: Dr. GRPO, DAPO, R1's variant, Tree-GRPO."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from rlvr_trainers.algorithms.base import PolicyGradientSettings

if TYPE_CHECKING:
    from rlvr_trainers.algorithms.base import Algorithm, Surroundings
    from rlvr_trainers.sampling.tree import TreeShape


class Grpo(PolicyGradientSettings):
    """Advantages within the group of a prompt's samples, PPO's clipped surrogate, KL to a reference on request."""

    kind: Literal["grpo"] = "grpo"
    """GRPO and what differs from it in single places: the algorithm that these settings are of."""


class TreeGrpo(PolicyGradientSettings):
    """Tree-GRPO (arXiv 2509.21240): GRPO on rollouts that fork, compared within their tree and among all of the prompt.

    A tree begins with one chain. In each of `rounds`, `branches` of its places where the policy had something to say
    are chosen at random, and from each a new leaf goes on.
    """

    kind: Literal["tree_grpo"] = "tree_grpo"
    """Tree-GRPO: the algorithm that these settings are of."""
    trees: int = Field(default=2, ge=1)
    """Trees of a prompt: M."""
    branches: int = Field(default=2, ge=1)
    """Leaves that a tree grows in each round: N."""
    rounds: int = Field(default=1, ge=1)
    """Rounds of new leaves: L."""
    keep: int | None = Field(default=3, ge=1)
    """Leaves that are kept of each tree, chosen at random: K. null keeps all 1 + N L."""
    fork: Literal["turns", "tokens"] = "turns"
    """A leaf may part from another before any of its turns, or before any token of them."""

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.policy_gradient import PolicyGradient

        return PolicyGradient(self, around, trees=True)

    @property
    def shape(self) -> TreeShape:
        """The trees of a prompt, for what samples them."""
        from rlvr_trainers.sampling.tree import TreeShape

        return TreeShape(
            trees=self.trees, branches=self.branches, rounds=self.rounds, keep=self.kept, fork=self.fork
        )

    @property
    def kept(self) -> int:
        """Leaves that are kept of each tree."""
        return 1 + self.branches * self.rounds if self.keep is None else self.keep

    @model_validator(mode="after")
    def _keeps_what_grows(self) -> TreeGrpo:
        grown = 1 + self.branches * self.rounds
        if self.kept > grown:
            raise ValueError(
                f"keep={self.keep} leaves of each tree, and 1 + branches x rounds = {grown} are grown: give at most "
                "that"
            )
        if self.advantage not in ("group_std", "centred"):
            raise ValueError(
                f"kind=tree_grpo compares within trees and prompts: advantage={self.advantage} must be group_std or "
                "centred"
            )
        return self
