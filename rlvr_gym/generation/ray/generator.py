"""Sampling by actors on the nodes of a Ray cluster: requests to whichever has room, new weights to all of them."""

from __future__ import annotations

import math
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, final

import ray
import torch
from ray.exceptions import RayError
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams, TokenSequence
from rlvr_gym.generation.prompts import EncodedPrompt, TokenPrompts
from rlvr_gym.generation.ray.actor import Make, TransformersOf
from rlvr_gym.generation.ray.nodes import Member, cause_of, connect, raised_in_an_actor
from rlvr_gym.generation.ray.samplers import Samplers
from rlvr_gym.generation.ray.stored import StoredWeights, with_parameters, without_values
from rlvr_gym.generation.weights import refuse_unknown_weights, whole_update
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion

LEAST_PROMPTS, LEAST_SAMPLES = 16, 32
"""Of a request: fewer cost nearly as much, and other kernels compute them, whose results differ in the last bits."""
MOST_LOSSES = 5
"""Samplers that may be lost under one request before it is to blame itself."""
_WAIT_SECONDS = 0.5


@dataclass(kw_only=True, eq=False)
class _Request:
    """Prompts that one sampler samples together."""

    prompts: Sequence[EncodedPrompt]
    asked: list[GenerationRequest]
    losses: int = 0


@final
class RayGenerator:
    """A `TrainableGenerator` over samplers on the nodes of a Ray cluster, each with a copy of the model.

    A call's prompts are divided into requests in a way that depends on the call alone. So the same samples are drawn
    whichever nodes there are, and what a lost node had is drawn again elsewhere: the same, bit for bit, where the nodes
    compute alike (the same processors, the same versions). What one process draws is the same as well, up to rounding
    where a call is divided. A node that joins is used once it has the current weights.

    Weights travel through Ray's object store, which holds them once on every node. Updates wait for the requests that
    were sent before; each completion is of one version.

    Raises ConfigError where no node gets a sampler.

    Args:
        model: whose weights are sampled from at first, as version 0; it is copied.
        tokenizer: its tokenizer.
        address: of the cluster: HOST:PORT, or `auto`, as in `rollouts.ray`.
        dtype: compute in this lower precision by autocast; None means in that of the weights.
        make: makes the generator of a node, where it is to be another than one of transformers.
        requests: into how many requests a call is divided at most.
        patience_seconds: how long to wait while no node has a sampler.
    """

    concurrency = 1

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        address: str = "auto",
        dtype: torch.dtype | None = None,
        make: Make | None = None,
        requests: int = 16,
        patience_seconds: float = 300.0,
    ) -> None:
        if requests < 1 or not patience_seconds > 0:
            raise ConfigError(
                f"requests and patience_seconds must be positive, not {requests} and {patience_seconds}"
            )
        connect(address)
        self.tokenizer = tokenizer
        self.context: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._prompts = TokenPrompts(tokenizer, model.generation_config, self.context)
        self.end_ids = self._prompts.end_ids
        self._shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
        self._requests = requests
        self._updates, self._stops = 0, 0
        self._updating = threading.Lock()
        first = StoredWeights.put(model.named_parameters(), number=0, version=0)
        blank = with_parameters(model, without_values).eval()
        make = make or TransformersOf(model=blank, tokenizer=tokenizer, dtype=dtype)
        self._samplers = Samplers(make, first, patience_seconds=patience_seconds)
        self.weights_version: int | None = 0
        self.close = weakref.finalize(self, self._samplers.close)

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, as `Generator.generate` says."""
        refuse_unknown_weights(self.weights_version)
        encoded = self._prompts.encode(prompts, n, sampling)
        return self._sample(deque(self._divided(encoded, prompts, n)), n, sampling)

    def takes_tools(self) -> bool:
        """Return whether the chat template tells of tools, as `TakesTools` says."""
        return self._prompts.takes_tools()

    @property
    def prompts(self) -> TokenPrompts:
        """The conversations of its model as token ids, as `HasTokenPrompts` says."""
        return self._prompts

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return self._prompts.encode_reply(completion, messages)

    def stop(self) -> None:
        """Call off what is under way, as `CanBeStopped` says. Nodes finish the requests that they have."""
        self._stops += 1

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Bring these weights to all samplers, as `TrainableGenerator.update_weights` says."""
        with self._updating:
            self.weights_version = None
            given = whole_update(weights, self._shapes)
            self._updates += 1
            self._samplers.drop_weights()
            self._samplers.load(StoredWeights.put(given.items(), number=self._updates, version=version))
            self.weights_version = version

    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, as `TrainableGenerator.score` says, asked of every sampler."""
        with self._updating:
            refuse_unknown_weights(self.weights_version)
            return self._samplers.score(list(sequences), temperature)

    def _divided(
        self, encoded: Sequence[EncodedPrompt], prompts: Sequence[GenerationRequest], n: int
    ) -> list[_Request]:
        """Requests of nearly equal size; how many there are does not depend on the nodes."""
        least = max(LEAST_PROMPTS, math.ceil(LEAST_SAMPLES / n))
        count = max(1, min(self._requests, len(encoded) // least))
        bounds = [len(encoded) * part // count for part in range(count + 1)]
        parts = [encoded[begin:end] for begin, end in pairwise(bounds) if end > begin]
        return [
            _Request(
                prompts=part,
                asked=[replace(prompts[prompt.index], messages=(), token_ids=prompt.ids) for prompt in part],
            )
            for part in parts
        ]

    def _sample(
        self, waiting: deque[_Request], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        under_way: dict[Any, tuple[Member, _Request]] = {}
        stops = self._stops
        try:
            while waiting or under_way:
                if self._stops != stops:
                    raise TrainingError("sampling was called off")
                self._send(waiting, under_way, n, sampling)
                done, _ = ray.wait(list(under_way), timeout=_WAIT_SECONDS) if under_way else ([], [])
                for call in done:
                    member, request = under_way.pop(call)
                    self._samplers.over(member)
                    groups = self._received(call, member, request)
                    if groups is None:
                        waiting.appendleft(request)
                        continue
                    for place, group in groups:
                        yield request.prompts[place].index, group
        finally:
            for member, _ in under_way.values():
                self._samplers.over(member)

    def _send(
        self,
        waiting: deque[_Request],
        under_way: dict[Any, tuple[Member, _Request]],
        n: int,
        sampling: SamplingParams,
    ) -> None:
        """Send requests to samplers that have room."""
        while waiting:
            # Between an update's beginning and its end the version is unknown, and nothing is sent.
            with self._updating:
                refuse_unknown_weights(self.weights_version)
                sent = self._samplers.send(waiting[0].asked, n, sampling)
            if sent is None:
                if not under_way:
                    self._samplers.rest()
                return
            call, member = sent
            under_way[call] = member, waiting.popleft()

    def _received(
        self, call: Any, member: Member, request: _Request
    ) -> list[tuple[int, list[Completion]]] | None:
        """The groups of a request; None where its sampler was lost. Raises what no other sampler would do better."""
        try:
            return ray.get(call)
        except RayError as error:
            if (fault := raised_in_an_actor(error)) is not None:
                raise fault from error
            request.losses += 1
            self._samplers.leave_out(member, error)
            if request.losses > MOST_LOSSES:
                raise TrainingError(
                    f"{request.losses} samplers were lost under the same {len(request.asked)} prompts, the last as "
                    f"{member.name} said: {cause_of(error)}"
                ) from error
            return None
