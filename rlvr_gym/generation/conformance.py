"""The contract of a generator as checks that anyone can run on an implementation of their own.

`check_generator` holds for every generator that takes token ids, `check_trainable_generator` for one that a trainer
can use: its log-probabilities are those of the model's own forward pass, before and after new weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import (
    GenerationRequest,
    Generator,
    SamplingParams,
    TokenSequence,
    TrainableGenerator,
)
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    NamedWeights = list[tuple[str, Tensor]]


def check_generator(
    generator: Generator, prompts: Sequence[GenerationRequest], *, n: int = 3, max_tokens: int = 8
) -> None:
    """Hold a deterministic generator to its contract on some first prompts.

    Each prompt is yielded once with `n` complete completions; these are the same when asked again, in
    another order and alone, also one sample alone, and differ between seeds; a conversation is continued from
    its exact ids; and a request's own `max_tokens` bounds it, and its `stop` strings end it.
    """
    assert prompts, "give at least one prompt to check the generator on"
    sampling = SamplingParams(max_tokens=max_tokens)
    groups = _groups(generator, prompts, n, sampling)
    for index, group in groups.items():
        _check_completions(group, index, max_tokens)
    for index, prompt in enumerate(prompts):
        alone = _groups(generator, [prompt], n, sampling)[0]
        assert [c.token_ids for c in alone] == [c.token_ids for c in groups[index]], (
            f"prompt {index} gets other completions alone than in company"
        )
        last = replace(prompt, first_sample=prompt.first_sample + n - 1)
        (single,) = _groups(generator, [last], 1, sampling)[0]
        assert single.token_ids == groups[index][-1].token_ids, (
            f"sample {n - 1} of prompt {index} is another one when it is drawn alone: first_sample is ignored"
        )
        _check_continues(generator, prompt, groups[index][0], sampling)
        _check_bounded(generator, prompt, groups[index][0], sampling)
        _check_stopped(generator, prompt, groups[index][0], sampling)
    backwards = _groups(generator, prompts[::-1], n, sampling)
    for index, group in groups.items():
        assert [c.token_ids for c in backwards[len(prompts) - 1 - index]] == [c.token_ids for c in group], (
            f"prompt {index} gets other completions when the prompts come in another order"
        )
    reseeded = [
        GenerationRequest(messages=p.messages, token_ids=p.token_ids, seed=p.seed ^ 0x5EED) for p in prompts
    ]
    others = _groups(generator, reseeded, n, sampling)
    same = all([c.token_ids for c in others[i]] == [c.token_ids for c in groups[i]] for i in groups)
    assert not same, "other seeds give the same completions"


def _check_bounded(
    generator: Generator, prompt: GenerationRequest, completion: Completion, sampling: SamplingParams
) -> None:
    for most in (0, 1):
        (bounded,) = _groups(generator, [replace(prompt, max_tokens=most)], 1, sampling)[0]
        assert bounded.token_ids == completion.token_ids[:most], (
            f"a request for at most {most} tokens gets {bounded.token_ids}; unbounded it begins with "
            f"{completion.token_ids[:most]}"
        )


def _check_stopped(
    generator: Generator, prompt: GenerationRequest, completion: Completion, sampling: SamplingParams
) -> None:
    place = len(completion.text) // 2
    text = completion.text[place : place + 1]
    if not text or text == "\ufffd":
        return
    (ended,) = _groups(generator, [replace(prompt, stop=(text,))], 1, sampling)[0]
    assert ended.token_ids == completion.token_ids[: len(ended.token_ids)], (
        f"a request that stops at {text!r} gets {ended.token_ids}, and without it {completion.token_ids}"
    )
    assert text in ended.text, f"a request that stops at {text!r} gets {ended.text!r} of {completion.text!r}"
    assert ended.finish_reason is FinishReason.STOP, f"stopped at {text!r} and called {ended.finish_reason}"
    assert len(ended.logprobs) == len(ended.token_ids), (
        "a stopped completion has other log-probabilities than tokens"
    )
    before = [replace(prompt, stop=(text,), max_tokens=len(ended.token_ids) - 1)]
    (before_it,) = _groups(generator, before, 1, sampling)[0]
    assert text not in before_it.text, f"{ended.text!r} goes on after {text!r} was complete"


def _groups(
    generator: Generator, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
) -> dict[int, list[Completion]]:
    yielded = list(generator.generate(prompts, n, sampling))
    indices = sorted(index for index, _ in yielded)
    assert indices == list(range(len(prompts))), f"{len(prompts)} prompts were yielded as {indices}"
    for index, group in yielded:
        assert len(group) == n, f"prompt {index} has {len(group)} completions; {n} were asked for"
    return dict(yielded)


def _check_completions(group: Sequence[Completion], index: int, max_tokens: int) -> None:
    for completion in group:
        length = len(completion.token_ids)
        assert 0 < length <= max_tokens, f"prompt {index}: {length} tokens; the budget is {max_tokens}"
        assert len(completion.logprobs) == length, (
            f"prompt {index}: {len(completion.logprobs)} log-probabilities for {length} tokens"
        )
        assert all(math.isfinite(p) and p <= 0.0 for p in completion.logprobs), (
            f"prompt {index}: log-probabilities are finite and at most 0, not {completion.logprobs}"
        )
        assert completion.prompt_token_ids, f"prompt {index}: a completion lacks the ids that it continued"
        assert completion.prompt_token_ids == group[0].prompt_token_ids, (
            f"prompt {index}: its completions continue different ids"
        )
        assert length == max_tokens or completion.finish_reason is FinishReason.STOP, (
            f"prompt {index}: called truncated after {length} of {max_tokens} tokens"
        )


def _check_continues(
    generator: Generator, prompt: GenerationRequest, completion: Completion, sampling: SamplingParams
) -> None:
    answer = Message(role="user", content=prompt.messages[-1].content)
    reply = generator.encode_reply(completion, [answer])
    assert reply, "encode_reply gave no ids for a message that is not empty"
    ids = (*completion.prompt_token_ids, *completion.token_ids, *reply)
    said = Message(role="assistant", content=completion.text)
    continued = GenerationRequest(messages=(*prompt.messages, said, answer), token_ids=ids, seed=prompt.seed)
    (following,) = _groups(generator, [continued], 1, sampling)[0]
    assert following.prompt_token_ids == ids, "a conversation was not continued from its ids as they stand"
    begun = len(completion.token_ids) - 1
    ids = (*completion.prompt_token_ids, *completion.token_ids[:begun])
    rest = replace(prompt, token_ids=ids, begun=begun)
    (following,) = _groups(generator, [rest], 1, sampling)[0]
    assert following.prompt_token_ids == ids, "a turn that was begun was not gone on with from its ids"
    assert begun + len(following.token_ids) <= sampling.max_tokens, (
        f"a turn of which {begun} tokens were given got {len(following.token_ids)} more; the budget of both is "
        f"{sampling.max_tokens}"
    )


def check_trainable_generator(
    generator: TrainableGenerator,
    model: PreTrainedModel,
    prompts: Sequence[GenerationRequest],
    *,
    n: int = 2,
    max_tokens: int = 8,
    tolerance: float = 1e-3,
) -> None:
    """Hold a deterministic generator that takes new weights to its contract.

    `model` has the generator's weights, in float32, and is not the very model that it samples from. Prompts that are
    longer than what an engine caches at once show whether it goes on from what old weights computed. Log-probabilities
    may be `tolerance` off those of a plain forward pass. At the end the generator has its first weights again.
    """
    check_generator(generator, prompts, n=n, max_tokens=max_tokens)
    check = _WeightsCheck(generator, prompts, n, max_tokens, tolerance)
    version = generator.weights_version
    assert version is not None, "a new generator does not know the version of its own weights"
    check.models[version] = model
    check.samples_follow(version)
    for _ in range(2):
        version += 1
        check.update(version)
        check.samples_follow(version)
    check.bad_updates_are_refused(version)
    check.update_under_way(version + 1)
    generator.update_weights(list(model.named_parameters()), version + 2)
    check.models[version + 2] = model
    check.samples_follow(version + 2)


class _WeightsCheck:
    """A generator, and the model that each version of its weights is."""

    def __init__(
        self,
        generator: TrainableGenerator,
        prompts: Sequence[GenerationRequest],
        n: int,
        max_tokens: int,
        tolerance: float,
    ) -> None:
        self._generator, self._prompts = generator, prompts
        self._n, self._max_tokens, self._tolerance = n, max_tokens, tolerance
        self.models: dict[int, PreTrainedModel] = {}

    def samples_follow(self, version: int) -> None:
        """Samples, whole distributions or cut off, and scores are those of the model that `version` is."""
        assert self._generator.weights_version == version, (
            f"the weights' version is {self._generator.weights_version}, not {version}"
        )
        for temperature, top_k in ((1.0, 0), (0.6, 0), (1.5, 3), (0.0, 0)):
            sampling = SamplingParams(temperature=temperature, top_k=top_k, max_tokens=self._max_tokens)
            for group in _groups(self._generator, self._prompts, self._n, sampling).values():
                for completion in group:
                    versions = {span.version for span in completion.sampled_under}
                    assert versions == {version}, f"sampled under versions {versions}, not {version}"
                    self._agrees(completion, sampling)
                    if not sampling.top_k:
                        self._scores_agree(completion, sampling.temperature)

    def update(self, version: int) -> None:
        """Give the generator other weights."""
        newest = self.models[max(self.models)]
        self.models[version] = _perturbed(newest, seed=version)
        self._generator.update_weights(self.weights(version), version)

    def weights(self, version: int) -> NamedWeights:
        """All parameters of that version's model."""
        return [(name, weight.detach()) for name, weight in self.models[version].named_parameters()]

    def bad_updates_are_refused(self, version: int) -> None:
        """After each the generator refuses to sample, until a whole update has succeeded."""
        whole = self.weights(version)
        for what, bad in _bad_updates(whole).items():
            _refuses(lambda bad=bad: self._generator.update_weights(bad(), version + 1), what)
            assert self._generator.weights_version is None, f"{what} left a version of the weights"
            _refuses(lambda: list(self._sampled()), f"sampling after {what}")
            _refuses(lambda: self._generator.score([_probe(self._prompts[0])]), f"scoring after {what}")
        self._generator.update_weights(whole, version)
        self.samples_follow(version)

    def update_under_way(self, version: int) -> None:
        """Completions under way at an update are ended, or each token is sampled by the weights that it names."""
        sampling = SamplingParams(max_tokens=self._max_tokens)
        under_way = self._sampled()
        found = [next(under_way)]
        self.update(version)
        try:
            found += list(under_way)
        except TrainingError:
            return
        for _, group in found:
            for completion in group:
                self._agrees(completion, sampling)

    def _sampled(self) -> Iterator[tuple[int, list[Completion]]]:
        return self._generator.generate(self._prompts, self._n, SamplingParams(max_tokens=self._max_tokens))

    def _agrees(self, completion: Completion, sampling: SamplingParams) -> None:
        covered = sum(span.tokens for span in completion.sampled_under)
        assert covered == len(completion.token_ids), (
            f"{covered} of {len(completion.token_ids)} tokens have a version of the weights"
        )
        start = 0
        for span in completion.sampled_under:
            plain = _plain_logprobs(self.models[span.version], completion, sampling)
            end = start + span.tokens
            self._close(completion.logprobs[start:end], plain[start:end], f"sampled under {span.version}")
            start = end

    def _scores_agree(self, completion: Completion, temperature: float) -> None:
        sequence = TokenSequence(prompt_token_ids=completion.prompt_token_ids, token_ids=completion.token_ids)
        (scored,) = self._generator.score([sequence], temperature)
        self._close(scored, completion.logprobs, "scored against sampled")

    def _close(self, found: Sequence[float], expected: Sequence[float], what: str) -> None:
        assert len(found) == len(expected), (
            f"{what}: {len(found)} log-probabilities for {len(expected)} tokens"
        )
        worst = max((abs(a - b) for a, b in zip(found, expected, strict=True)), default=0.0)
        assert worst <= self._tolerance, (
            f"{what}: a log-probability is {worst:.2g} off that of a forward pass"
        )


def _plain_logprobs(model: PreTrainedModel, completion: Completion, sampling: SamplingParams) -> list[float]:
    """Compute the log-probabilities that the sampler should report, in one forward pass over prompt and completion."""
    import torch

    from rlvr_gym.generation.sampling import truncate

    ids = torch.tensor([[*completion.prompt_token_ids, *completion.token_ids]])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0, len(completion.prompt_token_ids) - 1 : -1]
    logprobs = torch.log_softmax(logits.float() / (sampling.temperature or 1.0), dim=-1)
    if sampling.temperature:
        logprobs = truncate(logprobs, sampling.top_p, sampling.top_k)
    return logprobs.gather(-1, torch.tensor(completion.token_ids)[:, None]).flatten().tolist()


def _perturbed(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """A copy with every parameter changed by so much that its log-probabilities tell it apart."""
    import torch

    changed = copy.deepcopy(model)
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in changed.parameters():
            noise = torch.randn(weight.shape, generator=stream).to(weight)
            weight += 0.3 * noise * max(0.01, weight.std(correction=0).item())
    return changed


def _bad_updates(whole: NamedWeights) -> dict[str, Callable[[], Iterable[tuple[str, Tensor]]]]:
    (first, weight), (last, _) = whole[0], whole[-1]

    def broken_off() -> Iterator[tuple[str, Tensor]]:
        yield from whole[: len(whole) // 2]
        raise TrainingError("the trainer is gone")

    return {
        "an update of no weights": list,
        "an update that lacks one parameter": lambda: whole[:-1],
        "an update with an unknown parameter": lambda: [*whole, (f"{last}.more", weight)],
        "an update that gives a parameter twice": lambda: [*whole, whole[0]],
        "an update with a parameter of another shape": lambda: [(first, weight[:-1]), *whole[1:]],
        "an update with a parameter turned round": lambda: [(first, weight.T), *whole[1:]],
        "an update that breaks off": broken_off,
    }


def _refuses(attempt: Callable[[], object], what: str) -> None:
    try:
        attempt()
    except TrainingError:
        return
    raise AssertionError(f"{what} is not refused by a TrainingError")


def _probe(prompt: GenerationRequest) -> TokenSequence:
    return TokenSequence(prompt_token_ids=prompt.token_ids or (1,), token_ids=(1,))
