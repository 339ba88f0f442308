"""Turns that end at a stop string: at the token that completes it, in every engine, by its tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

import rlvr_gym as rg
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.endpoint import EndpointGenerator
from rlvr_gym.generation.prompts import TokenPrompts
from rlvr_gym.generation.stops import StopStrings
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.lockstep import Memory
from rlvr_gym.generation.transformers.speculative import Draft
from rlvr_gym.play import rollout as play_out
from rlvr_gym.verdicts import FinishReason, WeightsSpan
from tests.rlvr_gym.endpoint_server import EndpointServer

ALPHABET = "abc</>"
REQUEST = GenerationRequest(messages=(rg.Message(role="user", content="ab"),), seed=3)
SAMPLING = SamplingParams(max_tokens=24)


def generator(kind: str = "rows") -> TransformersGenerator:
    model, tokenizer = tiny_model(seed=5, alphabet=ALPHABET, context=128)
    draft = Draft(model=tiny_model(seed=6, alphabet=ALPHABET, context=128)[0], tokenizer=tokenizer, tokens=3)
    made = TransformersGenerator(model, tokenizer, draft=draft if kind == "draft" else None)
    if kind == "no memory":
        made.memory = Memory.NONE
    return made


def sampled(made: TransformersGenerator, n: int = 32, **changes: object) -> Sequence[rg.Completion]:
    ((_, group),) = made.generate([replace(REQUEST, **changes)], n, SAMPLING)  # pyright: ignore[reportArgumentType]
    return group


@pytest.mark.parametrize("kind", ["rows", "no memory", "draft"])
def test_a_completion_ends_with_the_token_that_completes_a_stop_string(kind: str):
    made = generator(kind)
    whole, ended = sampled(made), sampled(made, stop=("b<", "ca"))
    lengths = []
    for before, after in zip(whole, ended, strict=True):
        said = [made.text(list(before.token_ids[:count])) for count in range(len(before.token_ids) + 1)]
        places = [count for count, text in enumerate(said) if "b<" in text or "ca" in text]
        expected = before.token_ids[: places[0]] if places else before.token_ids
        assert after.token_ids == expected
        assert after.logprobs == pytest.approx(before.logprobs[: len(expected)], abs=1e-4)
        assert after.sampled_under == (WeightsSpan(version=0, tokens=len(expected)),)
        assert after.finish_reason is (FinishReason.STOP if places else before.finish_reason)
        lengths.append(len(before.token_ids) - len(expected))
    assert min(lengths) == 0 < max(lengths)


def test_a_stop_string_may_begin_in_what_was_given_of_the_turn():
    made = generator()
    prompt = made.tokenizer.encode("ab")
    begun = made.tokenizer.encode("b")
    ids = (*prompt, *begun)
    texts = {
        one.text[:1] for one in sampled(made, token_ids=ids, begun=1, stop=("b<",)) if len(one.token_ids) == 1
    }
    assert "<" in texts
    other = {
        one.text for one in sampled(made, token_ids=ids, begun=0, stop=("b<",)) if len(one.token_ids) == 1
    }
    assert "<" not in other


def test_an_empty_stop_string_is_refused():
    with pytest.raises(rg.ConfigError, match="a stop string is empty"):
        sampled(generator(), stop=("",))


def test_what_an_engine_samples_beyond_the_stop_string_is_left_out():
    _, tokenizer = tiny_model(seed=5, alphabet=ALPHABET)
    prompts = TokenPrompts(tokenizer, None, 64)
    (encoded,) = prompts.encode([replace(REQUEST, stop=("a>",))], 1, SAMPLING)
    spans = (WeightsSpan(version=1, tokens=1), WeightsSpan(version=2, tokens=3))
    ids = tokenizer.encode("ca>b")
    said = prompts.completion((4,), ids, (-1.0, -2.0, -3.0, -4.0), spans, (), encoded.stop)
    assert (said.text, said.logprobs, said.finish_reason) == ("ca>", (-1.0, -2.0, -3.0), FinishReason.STOP)
    assert said.sampled_under == (WeightsSpan(version=1, tokens=1), WeightsSpan(version=2, tokens=2))


def test_a_character_that_takes_several_tokens_ends_a_turn_with_its_last():
    from tests.rlvr_gym.tokenizer_families import tokenizer_of

    tokenizer = tokenizer_of("ChatML")
    ids = tokenizer.encode("so » then", add_special_tokens=False)
    stop = StopStrings(tokenizer=tokenizer, texts=("»",))
    length = stop.length(ids)
    assert length is not None
    assert "»" in tokenizer.decode(ids[:length])
    assert "»" not in tokenizer.decode(ids[: length - 1])


class Echo(rg.Environment):
    """Answers the first turn."""

    stop = ("b",)

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str | None:
        return "<a>" if len(replies) < 2 else None


def test_a_turn_that_a_stop_string_ended_is_closed_by_tokens_that_nobody_learns():
    made = generator()
    env = Echo(
        rg.TaskSet.from_tasks([rg.Task(id="t", prompt="ab")], name="echo"),
        rg.FunctionVerifier(lambda *_: True),
        max_turns=2,
    )
    (group,) = play_out(env, made, env.tasks.take(1), SAMPLING, group_size=16, seed=0)
    stopped = [one for one in group if one.messages[0].content.endswith("b")]
    assert stopped
    for rollout in stopped:
        first = rollout.turns[0]
        said = rollout.token_ids[first.begin : first.end]
        assert made.text(list(said)) == rollout.messages[0].content
        assert rollout.messages[0].content.count("b") == 1
        reply = rollout.token_ids[first.end : rollout.turns[1].begin]
        assert reply == (made.tokenizer.eos_token_id, *made.tokenizer.encode("<a>"))
        assert not any(rollout.action_mask[first.end : rollout.turns[1].begin])
        assert rollout.turns[0].finish_reason is FinishReason.STOP
    ids = torch.tensor([[*stopped[0].prompt_ids, *stopped[0].token_ids]])
    logits = made.model(input_ids=ids).logits[0, len(stopped[0].prompt_ids) - 1 : -1]
    logprobs = torch.log_softmax(logits.float(), dim=-1).gather(
        -1, ids[0, len(stopped[0].prompt_ids) :, None]
    )[:, 0]
    mask = torch.tensor(stopped[0].action_mask)
    assert torch.allclose(logprobs[mask], torch.tensor(stopped[0].logprobs)[mask], atol=1e-4)


def test_a_text_of_a_server_is_cut_after_the_first_stop_string():
    said = "a <answer>b</answer> c</search>"
    with EndpointServer(lambda body: said) as server:
        generator = EndpointGenerator(server.url, "parrot")
        request = replace(REQUEST, stop=("</search>", "</answer>"))
        ((_, (cut,)),) = generator.generate([request], 1, SAMPLING)
        ((_, (whole,)),) = generator.generate([REQUEST], 1, SAMPLING)
        generator.close()
    assert (cut.text, cut.finish_reason) == ("a <answer>b</answer>", FinishReason.STOP)
    assert whole.text == said
