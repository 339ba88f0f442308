"""Weights for the sampler: published after every step, and never other ones than those that were trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, final

import torch

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import TokenSequence, TrainableGenerator
from rlvr_gym.generation.weights import whole
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.mesh import Mesh

AGREE_WITHIN = 0.02
"""Largest difference of probe tokens' log-probabilities in float32.

Engines measured 1e-5 to 7e-5, other weights 0.1 and more. bfloat16 is allowed ten times as much.
"""


class WeightSync(Protocol):
    """Brings the learner's weights to where samples are drawn."""

    def publish(self, version: int) -> None:
        """Make the sampler use the policy's weights, as they are after optimizer step `version`.

        Raises TrainingError where it does not, whatever the cause: a failed update never samples.
        """
        ...


@final
class SharedWeights:
    """Of a sampler in this process, which reads the very tensors that are trained: only their version is new."""

    def __init__(self, generator: TrainableGenerator, policy: Policy) -> None:
        self._generator, self._policy = generator, policy

    def publish(self, version: int) -> None:
        """Name the weights; the sampler finds them to be its own."""
        self._generator.update_weights(self._policy.model.named_parameters(), version)


@final
class Proof:
    """Shows that a sampler has the policy's weights: both give probe tokens the same log-probabilities.

    Args:
        generator: the sampler.
        policy: whose weights it is to have.
        probes: what both score.
        temperature: at which they do.
    """

    def __init__(
        self,
        generator: TrainableGenerator,
        policy: Policy,
        probes: Sequence[TokenSequence],
        *,
        temperature: float,
    ) -> None:
        self._generator, self._policy, self._probes = generator, policy, list(probes)
        self._temperature = temperature

    @torch.no_grad()
    def expected(self) -> list[tuple[float, ...]]:
        """The policy's log-probabilities of the probes, as its weights are now."""
        tokens = probe_tokens(self._probes).to(self._policy.device)
        logprobs_BT, _ = self._policy.logprobs(tokens, temperature=self._temperature)
        rows = logprobs_BT.float().cpu()
        return [
            tuple(row[: len(probe.token_ids)].tolist()) for row, probe in zip(rows, self._probes, strict=True)
        ]

    def check(self, expected: Sequence[Sequence[float]], version: int) -> None:
        """Raise TrainingError unless the sampler finds what was `expected` of these weights."""
        sampled = self._generator.score(self._probes, self._temperature)
        apart = max(
            (
                abs(one - other)
                for scores, own in zip(sampled, expected, strict=True)
                for one, other in zip(scores, own, strict=True)
            ),
            default=0.0,  # there is nothing to ask where every prompt is a single token
        )
        allowed = AGREE_WITHIN * (1 if self._policy.config.dtype == "float32" else 10)
        if not apart <= allowed:
            raise TrainingError(
                f"after optimizer step {version} the sampler does not have the weights that were trained: its "
                f"log-probabilities of probe tokens differ by {apart:.3g} from the trainer's (allowed: {allowed:g}). "
                "Nothing is sampled with them; restart the sampler and rerun the command to resume"
            )


@final
class SentWeights:
    """Of a sampler elsewhere: all weights are sent, and proven to have arrived.

    `shared` says that the processes of the run sample with the same engine: then the first sends.
    """

    def __init__(
        self, generator: TrainableGenerator, policy: Policy, proof: Proof, *, shared: bool, mesh: Mesh
    ) -> None:
        self._generator, self._policy, self._proof = generator, policy, proof
        self._shared, self._mesh = shared, mesh

    def publish(self, version: int) -> None:
        """Send the weights and prove that they are there, on all processes."""
        self._mesh.together(lambda: self._publish(version))

    def _publish(self, version: int) -> None:
        weights: Iterable[tuple[str, torch.Tensor]] = self._policy.merged_parameters()
        if self._shared and self._mesh.sharded:
            weights = _gathered(weights, keeps=self._mesh.first)
        expected = (
            self._proof.expected() if self._mesh.first or self._mesh.sharded or not self._shared else []
        )
        if self._mesh.first or not self._shared:
            self._generator.update_weights(weights, version)
            self._proof.check(expected, version)


@final
class PostedWeights:
    """Of a sampler that works while the policy is trained: it loads a copy of the weights when it comes to it.

    They are proven then, by what the policy said of the probes when they were posted.
    """

    def __init__(
        self,
        generator: TrainableGenerator,
        policy: Policy,
        proof: Proof,
        post: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self._generator, self._policy, self._proof, self._post = generator, policy, proof, post

    def publish(self, version: int) -> None:
        """Copy the weights and post them for the sampler's next call."""
        merged = self._policy.merged_parameters()
        weights = [(name, whole(weight).detach().clone()) for name, weight in merged]
        expected = self._proof.expected()

        def load() -> None:
            self._generator.update_weights(weights, version)
            self._proof.check(expected, version)

        self._post(version, load)


def _gathered(weights: Iterable[tuple[str, torch.Tensor]], *, keeps: bool) -> list[tuple[str, torch.Tensor]]:
    """Whole weights in the memory of the process that keeps them: servers take them as one file."""
    kept: list[tuple[str, torch.Tensor]] = []
    for name, weight in weights:
        gathered = whole(weight)
        if keeps:
            kept.append((name, gathered.cpu()))
    return kept


def probe_tokens(probes: Sequence[TokenSequence]) -> TokenBatch:
    """Probes as a model reads them."""
    lengths = [len(probe.token_ids) for probe in probes]
    return TokenBatch.of_sequences(
        [probe.prompt_token_ids for probe in probes],
        [probe.token_ids for probe in probes],
        masks=[[True] * length for length in lengths],
        logprobs=[[0.0] * length for length in lengths],
        groups=[0] * len(probes),
        scored=[True] * len(probes),
    )


def probes_of(prompts: Iterable[Sequence[int]]) -> list[TokenSequence]:
    """A probe for each prompt: its own second half, scored after the first. Prompts of one token are left out."""
    return [
        TokenSequence(
            prompt_token_ids=tuple(ids[: (len(ids) + 1) // 2]), token_ids=tuple(ids[(len(ids) + 1) // 2 :])
        )
        for ids in prompts
        if len(ids) > 1
    ]
