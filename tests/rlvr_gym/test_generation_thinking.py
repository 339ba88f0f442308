"""A chat template that opens the thinking: whoever reads the completion knows that it began inside of it."""

from __future__ import annotations

import pytest
import torch

from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.chat import demonstration, encode_prompt, opening
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion
from rlvr_gym.verifiers import Math, TagFormat
from rlvr_gym.verifiers.base import judge

TASK = Task(prompt="6*7", reference="42")
QUESTION = (Message(role="user", content="6*7"),)


def template(opened: str) -> str:
    return (
        "{% for m in messages %}{{ m.content.split('</think>')[-1] + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant\n" + opened + "' }}{% endif %}"
    )


def said(opened: str, words: str) -> Completion:
    """Return the completion of a policy that says just `words` under a template that writes `opened`."""
    model, tokenizer = tiny_model(seed=0)
    tokenizer.chat_template = template(opened)
    prompt = encode_prompt(tokenizer, QUESTION)
    ids = [*tokenizer.encode(words, add_special_tokens=False), tokenizer.eos_token_id]
    _predict(model, dict(enumerate(ids, len(prompt) - 1)))
    generator = TransformersGenerator(model, tokenizer)
    sampling = SamplingParams(max_tokens=len(ids), temperature=0.0)
    ((_, (completion,)),) = generator.generate([GenerationRequest(messages=QUESTION, seed=0)], 1, sampling)
    assert list(completion.token_ids) == ids
    return completion


def _predict(model: torch.nn.Module, tokens: dict[int, int | list[int] | None]) -> None:
    """Make a tiny model say these tokens at these positions, whatever it reads."""
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            if ".attn.c_proj" in name or ".mlp.c_proj" in name:
                weight.zero_()
        embedding, places = weights["transformer.wte.weight"], weights["transformer.wpe.weight"]
        embedding.copy_(torch.nn.functional.normalize(torch.randn(embedding.shape, generator=_rng()), dim=-1))
        embedding -= embedding.mean(dim=-1, keepdim=True)
        for place, token in tokens.items():
            assert isinstance(token, int)
            places[place] = 100 * embedding[token]


def _rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("opened", ["<think>\n", "<think>", "<think>\n\n", "<thinking>\n", "<THINK>\n"])
def test_a_completion_that_never_closes_the_templates_thinking_has_no_answer(opened: str):
    completion = said(opened, r"so \boxed{42}")
    assert completion.text == opened + r"so \boxed{42}"
    assert judge(Math(), TASK, completion).outcome.value == "malformed"
    closed = said(opened, f"so\n{opened.strip().replace('<', '</')}\\boxed{{42}}")
    assert judge(Math(), TASK, closed).correct


@pytest.mark.parametrize("opened", ["", "<think>\n\n</think>\n\n", "Think: "])
def test_where_the_template_opens_no_thinking_the_whole_completion_counts(opened: str):
    completion = said(opened, r"so \boxed{42}")
    assert completion.text == r"so \boxed{42}"
    assert judge(Math(), TASK, completion).correct


def test_a_thinking_that_a_question_talks_of_is_not_opened():
    _, tokenizer = tiny_model(seed=0)
    tokenizer.chat_template = template("")
    asked = Message(role="user", content="Explain <think>")
    assert opening(tokenizer, encode_prompt(tokenizer, [asked])) == ""


def test_the_format_asked_for_counts_the_tag_that_the_template_wrote():
    right = said("<think>\n", "6*7</think>\n<answer>42</answer>")
    assert judge(TagFormat(), TASK, right).correct
    twice = said("<think>\n", "<think>6*7</think>\n<answer>42</answer>")
    assert judge(TagFormat(), TASK, twice).outcome.value == "malformed"
    unopened = said("", "6*7</think>\n<answer>42</answer>")
    assert judge(TagFormat(), TASK, unopened).outcome.value == "malformed"


@pytest.mark.parametrize(
    ("opened", "answer", "expected"),
    [
        ("<think>\n", "42", "</think>\n42"),
        ("<thinking>\n", "42", "</thinking>\n42"),
        ("<think>\n", "<think>so</think><answer>42</answer>", "so</think><answer>42</answer>"),
        ("<think>\n", "so</think>42", "so</think>42"),
        ("", "<think>so</think>42", "<think>so</think>42"),
    ],
)
def test_a_demonstration_closes_the_thinking_that_the_template_opened(
    opened: str, answer: str, expected: str
):
    _, tokenizer = tiny_model(seed=0)
    tokenizer.chat_template = template(opened)
    assert demonstration(tokenizer, encode_prompt(tokenizer, QUESTION), answer) == expected
