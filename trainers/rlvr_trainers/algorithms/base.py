"""The contract between trainer and algorithm, and the settings that make one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rlvr_gym.rollouts import Group, Rollout
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.settings import OverlongConfig, RewardConfig

if TYPE_CHECKING:
    from torch import Tensor

    from rlvr_trainers.batch import CreditedBatch, ScoredBatch, TokenBatch
    from rlvr_trainers.learner.models import Role
    from rlvr_trainers.objectives.base import Objective


class Scorer(Protocol):
    """Computes log-probabilities, without gradient, with the models of a run."""

    def __call__(
        self, role: Role, tokens: TokenBatch, *, with_entropy: bool = False
    ) -> tuple[Tensor, Tensor]:
        """(B, T) log-probabilities under the model of `role`, and entropies, 0 unless asked for."""
        ...


class Algorithm(Protocol):
    """The models of an algorithm, the samples it learns from, their credit, and the loss they enter."""

    @property
    def needs_reference(self) -> bool:
        """True when KL is measured to a frozen reference."""
        ...

    @property
    def temperature(self) -> float:
        """The temperature that log-probabilities are taken at."""
        ...

    def teaches(self, group: Group) -> bool:
        """Return whether there is anything to learn from a group: dynamic sampling replaces those without."""
        ...

    def tokens(self, rollouts: Sequence[Rollout], groups: Sequence[int]) -> TokenBatch:
        """Rollouts as tensors, with the tokens to learn from marked; `groups` are their (B,) group ids."""
        ...

    def score(self, tokens: TokenBatch, scorer: Scorer) -> ScoredBatch:
        """Add the log-probabilities of the models that have a part."""
        ...

    def credit(self, rollouts: Sequence[Rollout], scored: ScoredBatch) -> CreditedBatch:
        """Add what every sample and token has earned; the rollouts are those of the batch, in its order."""
        ...

    def objective(self, minibatch: CreditedBatch, scorer: Scorer) -> Objective[CreditedBatch]:
        """The loss of one optimizer step over all of `minibatch`."""
        ...


@runtime_checkable
class LearnsValues(Protocol):
    """An algorithm with a critic, which is trained on the same batch as the policy, after it."""

    def value_objective(self, minibatch: CreditedBatch) -> Objective[CreditedBatch]:
        """The critic's loss of one optimizer step over all of `minibatch`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Facts about the run that an algorithm needs."""

    reward: RewardConfig
    overlong: OverlongConfig
    max_tokens: int
    """The completion budget."""
    updates_per_step: int
    decode: Callable[[Sequence[int]], str]
    """The text of sampled ids, as the sampler gives it."""
    temperature: float = 1.0
    """The sampling temperature."""
    seed: int = 0
    """The run's."""


class PolicyGradientSettings(PolicyGradientConfig):
    """Settings of an algorithm whose credit and loss are those of `policy_gradient`."""

    least_group: ClassVar[int] = 2
    """The fewest samples of a prompt that it can learn from: a sample is compared with its group."""

    def build(self, around: Surroundings) -> Algorithm:
        """The algorithm of these settings."""
        from rlvr_trainers.algorithms.policy_gradient import PolicyGradient

        return PolicyGradient(self, around)
