"""Sampling speed and peak memory: our generator and transformers' own `model.generate` on the same work.

    python benchmarks/generation.py [--model PATH] [--dtype float32] [--prompts 32] [--n 16] [--tokens 6]

Each side runs in a process of its own, in turn, `rounds` times. The work: sample `n` completions of up to `tokens`
tokens for each of `prompts` prompts, at temperature 1 with nothing cut off, `repeats` times after one warm-up; the
text of completions is decoded. Tokens per second are completion tokens up to the end of the turn over the wall time;
peak memory is the process's largest resident set (as Linux counts it) beyond what it held with model and libraries
loaded. Without --model, the model is the tiny one, made on the spot.

    python benchmarks/generation.py --draft-tokens 4 --n 1

compares our generator alone and with a draft: a Llama of 6 layers and one of a single layer are made on the spot, and
both learn to go on counting (--lessons steps each), by 1 and sometimes by 2 or 3, so that there is some doubt. Speed is
tokens per second of CPU time on one thread; `prompts` x `n` rows are decoded together, and both sides take turns.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from rlvr_gym.generation import chat
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.prompts import end_of_sequence_ids
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.transformers.speculative import Draft
from rlvr_gym.tasks import Message


def main() -> None:
    options = _options()
    if options.draft_tokens:
        _compare_drafted(options)
        return
    if options.side:
        print(json.dumps(_measure(options)))
        return
    figures: dict[str, list[dict[str, float]]] = {side: [] for side in _SIDES}
    for _ in range(options.rounds):
        for side in _SIDES:
            figures[side].append(_run(side, options))
    print(
        f"{options.model} ({options.dtype}): {options.prompts} prompts x {options.n}, {options.tokens} tokens"
    )
    for side, runs in figures.items():
        speed, seconds, memory = (
            statistics.median(run[key] for run in runs)
            for key in ("tokens_per_second", "seconds", "peak_bytes")
        )
        print(f"{side:8}  {speed:10,.1f} tokens/s  {seconds:8.3f} s a call  {memory / 1e6:8,.0f} MB peak")
    for key in ("tokens_per_second", "peak_bytes"):
        pairs = zip(figures["ours"], figures["generate"], strict=True)
        ratio = statistics.median(ours[key] / theirs[key] for ours, theirs in pairs)
        print(f"ours / generate, median of pairs: {key} {ratio:.2f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--dtype", default="float32")
    for name, default in [("prompts", 32), ("n", 16), ("tokens", 6), ("repeats", 20), ("rounds", 3)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--draft-tokens", type=int, default=0)
    parser.add_argument("--lessons", type=int, default=150)
    parser.add_argument("--side", choices=list(_SIDES), help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(side: str, options: argparse.Namespace) -> dict[str, float]:
    others = ("side", "draft_tokens", "lessons")
    passed = [f"--{name}={value}" for name, value in vars(options).items() if name not in others]
    done = subprocess.run(
        [sys.executable, __file__, f"--side={side}", *passed], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(options: argparse.Namespace) -> dict[str, float]:
    model, tokenizer = load_model(options.model, options.dtype)
    conversations = [
        (Message(role="user", content=f"{index * 37}+{index}={' ' if index % 2 else ''}"),)
        for index in range(options.prompts)
    ]
    call = _SIDES[options.side](model, tokenizer, conversations, options)
    model(input_ids=torch.tensor([[0]]))
    _peak_resident_bytes()
    before = _peak_resident_bytes()
    call(0)
    began = time.perf_counter()
    tokens = sum(call(repeat) for repeat in range(1, options.repeats + 1))
    seconds = time.perf_counter() - began
    return {
        "tokens_per_second": tokens / seconds,
        "seconds": seconds / options.repeats,
        "peak_bytes": _peak_resident_bytes() - before,
    }


def _peak_resident_bytes() -> int:
    """The largest resident set since the last call of this function."""
    lines = Path("/proc/self/status").read_text().splitlines()
    Path("/proc/self/clear_refs").write_text("5")
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _ours(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[tuple[Message, ...]],
    options: argparse.Namespace,
) -> Callable[[int], int]:
    generator = TransformersGenerator(model, tokenizer)
    sampling = SamplingParams(max_tokens=options.tokens)

    def call(seed: int) -> int:
        prompts = [GenerationRequest(messages=messages, seed=seed) for messages in conversations]
        groups = generator.generate(prompts, options.n, sampling)
        return sum(len(completion.token_ids) for _, group in groups for completion in group)

    return call


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    conversations: list[tuple[Message, ...]],
    options: argparse.Namespace,
) -> Callable[[int], int]:
    ends = end_of_sequence_ids(tokenizer, model.generation_config)

    def call(seed: int) -> int:
        torch.manual_seed(seed)
        prompts = [chat.encode_prompt(tokenizer, messages) for messages in conversations]
        width = max(map(len, prompts))
        pad = min(ends)
        output = model.generate(  # pyright: ignore[reportCallIssue]
            input_ids=torch.tensor([[pad] * (width - len(ids)) + [*ids] for ids in prompts]),
            attention_mask=torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts]),
            do_sample=True,
            top_k=0,
            max_new_tokens=options.tokens,
            num_return_sequences=options.n,
            eos_token_id=list(ends),
            pad_token_id=pad,
        )
        completions = output[:, width:].tolist()
        tokenizer.batch_decode(completions, skip_special_tokens=True)
        lengths = (next((i + 1 for i, id in enumerate(ids) if id in ends), len(ids)) for ids in completions)
        return sum(lengths)

    return call


_COUNTING_CONTEXT = 256


def _compare_drafted(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    tokenizer = character_tokenizer("0123456789 ", context=_COUNTING_CONTEXT)
    model, small = _counting_model(6, 192, options.lessons), _counting_model(1, 64, options.lessons)
    draft = Draft(model=small, tokenizer=tokenizer, tokens=options.draft_tokens)
    sides = {
        "alone": TransformersGenerator(model, tokenizer),
        "drafted": TransformersGenerator(model, tokenizer, draft=draft),
    }
    speeds: dict[str, list[float]] = {side: [] for side in sides}
    for seed in range(options.rounds + 1):
        for side, generator in sides.items():
            speed = _tokens_per_cpu_second(generator, options, seed)
            if seed:  # the first is a warm-up
                speeds[side].append(speed)
    counts = sides["drafted"].draft_counts
    assert counts is not None
    print(f"{options.prompts} prompts x {options.n}, {options.tokens} tokens, {options.draft_tokens} drafted")
    for side, found in speeds.items():
        print(f"{side:8}  {statistics.median(found):8,.0f} tokens per CPU second")
    ratios = [b / a for a, b in zip(speeds["alone"], speeds["drafted"], strict=True)]
    print(f"drafted / alone, median of pairs: {statistics.median(ratios):.2f}")
    print(
        f"acceptance {counts.accepted / counts.judged:.3f}, {counts.tokens / counts.passes:.2f} tokens a pass"
    )


def _tokens_per_cpu_second(generator: TransformersGenerator, options: argparse.Namespace, seed: int) -> float:
    prompts = [
        GenerationRequest(messages=(), token_ids=ids, seed=seed)
        for ids in _counting(options.prompts, 12, seed).tolist()
    ]
    began = time.process_time()
    groups = generator.generate(prompts, options.n, SamplingParams(max_tokens=options.tokens))
    tokens = sum(len(completion.token_ids) for _, group in groups for completion in group)
    return tokens / (time.process_time() - began)


def _counting_model(layers: int, hidden: int, lessons: int) -> PreTrainedModel:
    """A Llama that has learned to go on counting, one character a token."""
    torch.manual_seed(layers)
    config = LlamaConfig(
        vocab_size=15, hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 32, max_position_embeddings=_COUNTING_CONTEXT, pad_token_id=0, bos_token_id=1,
        eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    loss = torch.tensor(torch.nan)
    for lesson in range(lessons):
        ids = _counting(16, 72, seed=-1 - lesson)
        loss = model(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{layers} layers: {model.num_parameters():,} parameters, loss {loss.item():.3f}", flush=True)
    return model.eval()


def _counting(rows: int, length: int, seed: int) -> torch.Tensor:
    """Ids (rows, length) of numbers of three digits, each one to three larger than the one before."""
    stream = random.Random(seed)
    texts = []
    for _ in range(rows):
        number, text = stream.randrange(1000), ""
        while len(text) < length:
            text += f"{number:03d} "
            number = (number + stream.choice((1, 1, 1, 1, 2, 3))) % 1000
        texts.append([4 + "0123456789 ".index(character) for character in text[:length]])
    return torch.tensor(texts)


_SIDES = {"ours": _ours, "generate": _generate}


if __name__ == "__main__":
    main()
