"""The contract of a generator as a check that anyone can run on an implementation of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason


def check_generator(
    generator: Generator, prompts: Sequence[GenerationRequest], *, n: int = 3, max_tokens: int = 8
) -> None:
    """Hold a deterministic generator to its contract on some first prompts.

    Each prompt is yielded once with `n` complete completions; these are the same when asked again, in
    another order and alone, also one sample alone, and differ between seeds; a conversation is continued from
    its exact ids.
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
