"""Sampling from vLLM servers: each sample a request to the least busy one, new weights to all of them."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from torch import Tensor

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams, TokenSequence
from rlvr_gym.generation.prompts import EncodedPrompt, TokenPrompts
from rlvr_gym.generation.vllm.fleet import Fleet
from rlvr_gym.generation.vllm.model import ServedModel, stopping
from rlvr_gym.generation.vllm.names import FIRST_WEIGHTS
from rlvr_gym.generation.vllm.server import (
    Connections,
    Sampled,
    Server,
    ServerLate,
    ServerLost,
    ServerRefused,
)
from rlvr_gym.generation.vllm.weights_file import WeightsFile
from rlvr_gym.generation.weights import refuse_unknown_weights, whole_update
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason, WeightsSpan


class VLLMServersGenerator:
    """A `TrainableGenerator` over one or many vLLM servers with the same model.

    Samples are the same whichever server draws them, up to rounding. A server that does not answer is left out, its
    samples are drawn by others, and it is taken back once it answers, has the current weights (they are sent to it
    where it has not) and computes what the others do. A server that was restarted in the meantime is found out by the
    weights that its samples name, and these samples are thrown away.

    Weights travel through a file in `weights_folder`, which the servers must see under the same path: shared memory
    on one machine, a shared folder between machines. They need about as much room as the model.

    Args:
        urls: where the servers answer, such as http://localhost:8000.
        model: the folder or hub id that they serve, for its tokenizer and configuration.
        concurrency: how many requests are under way at once, whoever asks.
        timeout_seconds: how long one request may take as a whole; a late sample has failed.
        patience_seconds: how long a sample waits while no server answers; after that it has failed.
        weights_folder: where new weights are put for the servers to read.
    """

    def __init__(
        self,
        urls: Sequence[str],
        model: str | os.PathLike[str],
        *,
        concurrency: int = 64,
        timeout_seconds: float = 600.0,
        patience_seconds: float = 300.0,
        weights_folder: str | os.PathLike[str] = "/dev/shm",
    ) -> None:
        if not urls or concurrency < 1 or not timeout_seconds > 0 or not patience_seconds >= 0:
            raise ConfigError(
                "vLLM servers need one address or more, a concurrency of at least 1 and positive times, not "
                f"{list(urls)}, {concurrency}, {timeout_seconds} and {patience_seconds}"
            )
        served = ServedModel(model)
        self.concurrency, self._patience_seconds = concurrency, patience_seconds
        connections = Connections(concurrency)
        self._fleet = Fleet([Server(url, connections, timeout_seconds) for url in urls], served.name)
        self.context: int | None = min(served.context(None), self._fleet.context)
        self._prompts = served.prompts(self.context)
        self.end_ids, self.tokenizer = self._prompts.end_ids, served.tokenizer
        self._shapes, self._folder = served.shapes(), Path(weights_folder)
        self._slots = threading.Semaphore(concurrency)
        self._update = threading.Lock()
        self._between_updates = threading.Event()
        self._between_updates.set()
        self.weights_version: int | None = 0 if self._fleet.has_first_weights else None
        self._versions = {FIRST_WEIGHTS: (0, 0)}
        self.close = weakref.finalize(self, _close, self._fleet, connections)

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, as `Generator.generate` says."""
        self._refuse_unknown_weights()
        return self._sample(self._prompts.encode(prompts, n, sampling), sampling)

    @property
    def prompts(self) -> TokenPrompts:
        """The conversations of its model as token ids, as `HasTokenPrompts` says."""
        return self._prompts

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """The ids between a sampled turn and the next, as `Generator.encode_reply` says."""
        return self._prompts.encode_reply(completion, messages)

    def takes_tools(self) -> bool:
        """Return whether the model's chat template knows tools, as `TakesTools` says."""
        return self._prompts.takes_tools()

    def update_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Send these weights to all servers that answer, as `TrainableGenerator.update_weights` says.

        A server that fails to take them is left out. Raises TrainingError where none took them, or where servers
        compute different things from them. Calls from other threads wait meanwhile.
        """
        with self._update:
            self._between_updates.clear()
            self.weights_version = None
            try:
                file = WeightsFile.written(whole_update(weights, self._shapes), self._folder)
                self._versions[file.tag] = (len(self._versions), version)
                self._fleet.load(file)
                self.weights_version = version
            finally:
                self._between_updates.set()

    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, as `TrainableGenerator.score` says, asked of every server.

        Raises TrainingError where servers differ by more than rounding.
        """
        self._refuse_unknown_weights()
        return self._fleet.score(sequences, temperature)

    def _refuse_unknown_weights(self) -> int:
        self._between_updates.wait()
        return refuse_unknown_weights(self.weights_version)

    def _sample(
        self, prompts: Sequence[EncodedPrompt], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        groups: dict[int, dict[int, Completion]] = {prompt.index: {} for prompt in prompts}
        samples = [(prompt, sample) for prompt in prompts for sample in range(len(prompt.streams))]
        with ThreadPoolExecutor(min(self.concurrency, max(1, len(samples)))) as threads:
            asked = {threads.submit(self._complete, *each, sampling): each for each in samples}
            try:
                for future in as_completed(asked):
                    prompt, sample = asked[future]
                    groups[prompt.index][sample] = future.result()
                    if len(groups[prompt.index]) == len(prompt.streams):
                        group = groups.pop(prompt.index)
                        yield prompt.index, [group[place] for place in sorted(group)]
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _complete(self, prompt: EncodedPrompt, sample: int, sampling: SamplingParams) -> Completion:
        """One completion, or one that failed."""
        if not prompt.budget:
            return self._prompts.completion(prompt.ids, (), (), (), prompt.tools)
        params = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "max_tokens": prompt.budget,
            "seed": prompt.streams[sample],
            "stop_token_ids": sorted(self.end_ids),
            "logprobs": 0,
            **stopping(prompt),
        }
        patience_ends = time.monotonic() + self._patience_seconds
        while True:
            with self._slots:
                self._refuse_unknown_weights()
                oldest = len(self._versions) - 1
                with self._fleet.least_busy(patience_ends) as server:
                    if server is None:
                        return _failed(self._fleet.trouble())
                    try:
                        return self._completion(prompt, server.sample(prompt.ids, params), oldest)
                    except (ServerLate, ServerRefused) as error:
                        return _failed(str(error))
                    except ServerLost as error:
                        self._fleet.leave_out(server, str(error))

    def _completion(self, prompt: EncodedPrompt, sampled: Sampled, oldest: int) -> Completion:
        """The sample; raises ServerLost where it was drawn under weights older than when it was asked for."""
        spans = []
        for span in sampled.weight_versions:
            update, version = self._versions.get(span.version, (-1, 0))
            if update < oldest:
                raise ServerLost("it sampled from other weights than the current ones: it was started anew")
            spans.append(WeightsSpan(version=version, tokens=span.end - span.start))
        logprobs = [token.logprob for token in sampled.logprobs.content]
        if sum(span.tokens for span in spans) != len(sampled.token_ids) or len(logprobs) != len(
            sampled.token_ids
        ):
            raise ServerLost(
                "its sample lacks log-probabilities, or does not say under which weights it was drawn"
            )
        return self._prompts.completion(
            prompt.ids, sampled.token_ids, logprobs, tuple(spans), prompt.tools, prompt.stop
        )


def _failed(fault: str) -> Completion:
    return Completion(text="", finish_reason=FinishReason.ERROR, fault=fault)


def _close(fleet: Fleet, connections: Connections) -> None:
    fleet.close()
    connections.close()
