"""Speculative decoding: the same distribution, and when it pays. Target and draft agree as much as they are told to."""

from __future__ import annotations

import itertools
import time
from collections import Counter

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import rlvr_gym as rg
from experiments.experiment import Claim, Expectation, Experiment, Figures, Settings, of
from rlvr_gym.generation.base import GenerationRequest
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.speculative import Draft

ALPHABET, LAYERS, DRAFTED = "0123456789", 8, 4
SAMPLES, TOKENS, PROMPTS = 3000, 100, 3


def measure(settings: Settings, seed: int) -> Figures:
    """The distance of samples from the model's distribution, or the cost of a token."""
    model, draft, tokenizer = models(float(str(settings["later_layers"])), seed)
    if settings["draws"] == "draft":
        return {"distance": distance(TransformersGenerator(draft, tokenizer), model, seed)}
    drafting = (
        Draft(model=draft, tokenizer=tokenizer, tokens=DRAFTED) if settings["draws"] == "both" else None
    )
    generator = TransformersGenerator(model, tokenizer, draft=drafting)
    return {"distance": distance(generator, model, seed), **cost(generator, seed)}


def models(
    later_layers: float, seed: int
) -> tuple[PreTrainedModel, PreTrainedModel, PreTrainedTokenizerBase]:
    """A model, and its first layer as a draft; what later layers add is scaled by `later_layers`."""
    model, tokenizer = tiny_model(seed=seed, layers=LAYERS, hidden=128, alphabet=ALPHABET)
    draft, _ = tiny_model(seed=seed, layers=1, hidden=128, alphabet=ALPHABET)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "c_proj" in name and ".h.0." not in name:
                weight.mul_(later_layers)
    draft.load_state_dict(model.state_dict(), strict=False)
    return model, draft, tokenizer


def distance(generator: TransformersGenerator, model: PreTrainedModel, seed: int) -> float:
    """Total variation of the second and third token of samples, which are drafted, from the model's own."""
    question = GenerationRequest(messages=(rg.Message(role="user", content="12"),), seed=seed)
    ((_, said),) = generator.generate([question], SAMPLES, rg.SamplingParams(max_tokens=4))
    counted = Counter(completion.token_ids[1:3] for completion in said)
    expected = exactly(model, said[0].prompt_token_ids or (), generator.tokenizer.eos_token_id)
    return sum(abs(counted[ids] / SAMPLES - expected[ids]) for ids in set(counted) | set(expected)) / 2


def exactly(model: PreTrainedModel, prompt: tuple[int, ...], end: object) -> Counter[tuple[int, ...]]:
    """The probability of each second and third token; sequences that end have fewer."""

    def after(sequences: list[tuple[int, ...]]) -> torch.Tensor:
        with torch.no_grad():
            return model(input_ids=torch.tensor(sequences)).logits[:, -1].double().softmax(-1)

    found = Counter[tuple[int, ...]]()
    first = after([prompt])[0].tolist()
    tokens = range(len(first))
    second = after([(*prompt, a) for a in tokens]).tolist()
    third = after([(*prompt, a, b) for a, b in itertools.product(tokens, repeat=2)]).tolist()
    for a, b, c in itertools.product(tokens, repeat=3):
        if a == end:
            ids: tuple[int, ...] = ()
        else:
            ids = (b,) if b == end else (b, c)
        found[ids] += first[a] * second[a][b] * third[a * len(first) + b][c]
    return found


def cost(generator: TransformersGenerator, seed: int) -> Figures:
    """Processor time of a token, one completion at a time, and the tokens that a pass of the model brings."""
    questions = [
        GenerationRequest(messages=(rg.Message(role="user", content=str(number)),), seed=seed)
        for number in range(PROMPTS)
    ]
    before, began, tokens = generator.draft_counts, time.process_time(), 0
    for question in questions:
        for _, said in generator.generate([question], 1, rg.SamplingParams(max_tokens=TOKENS)):
            tokens += sum(len(completion.token_ids) for completion in said)
    seconds = time.process_time() - began
    figures = {"milliseconds a token": 1000 * seconds / tokens, "tokens a pass": 1.0}
    if before is not None and generator.draft_counts is not None:
        counts = generator.draft_counts.since(before)
        figures |= {
            "tokens a pass": counts.tokens / counts.passes,
            "accepted": counts.accepted / counts.judged,
        }
    return figures


AGREE, DIFFER = 0.1, 1.0

EXPERIMENT = Experiment(
    name="drafting",
    title="Speculative decoding",
    setup="A transformer of eight layers (random weights) samples; its first layer with the same head "
    "drafts 4 tokens at a time. What the later layers add is scaled down to a tenth (`agree`: drafts "
    "are mostly accepted) or left as it is (`differ`). The distance is the total variation of 3,000 "
    "samples of the second and third token from the model's own distribution, which is computed; "
    "processor time is that of 3 completions of up to 100 tokens, one after the other.",
    seeds=tuple(range(5)),
    sides={
        "alone, agree": {"later_layers": AGREE, "draws": "model"},
        "drafted, agree": {"later_layers": AGREE, "draws": "both"},
        "alone, differ": {"later_layers": DIFFER, "draws": "model"},
        "drafted, differ": {"later_layers": DIFFER, "draws": "both"},
        "draft itself, differ": {"later_layers": DIFFER, "draws": "draft"},
    },
    measure=measure,
    claims=(
        Claim(
            says="Speculative decoding follows the model's distribution exactly.",
            stands="MTP, speculative decoding by rejection sampling",
            expectations=(
                Expectation(
                    says="distance without a draft, and with one that agrees",
                    more=of("alone, agree", "distance"),
                    less=of("drafted, agree", "distance"),
                    margin=0.015,
                    shares=True,
                ),
                Expectation(
                    says="the same, with one that differs",
                    more=of("alone, differ", "distance"),
                    less=of("drafted, differ", "distance"),
                    margin=0.015,
                    shares=True,
                ),
                Expectation(
                    says="control: distance of the draft's own samples",
                    more=of("draft itself, differ", "distance"),
                    less=of("drafted, differ", "distance"),
                    shares=True,
                ),
            ),
            remark="A distance is above 0 by chance alone; with a draft it is no larger.",
        ),
        Claim(
            says="It pays where drafts are accepted.",
            stands="MTP: gains come from tokens proposed in parallel",
            expectations=(
                Expectation(
                    says="milliseconds a token alone, drafts that agree",
                    more=of("alone, agree", "milliseconds a token"),
                    less=of("drafted, agree", "milliseconds a token"),
                ),
                Expectation(
                    says="milliseconds a token drafted, drafts that differ",
                    more=of("drafted, differ", "milliseconds a token"),
                    less=of("alone, differ", "milliseconds a token"),
                ),
                Expectation(
                    says="tokens a pass, drafts that agree",
                    more=of("drafted, agree", "tokens a pass"),
                    less=of("drafted, differ", "tokens a pass"),
                ),
            ),
        ),
    ),
)
