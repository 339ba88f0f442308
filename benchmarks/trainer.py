"""Trainer speed and peak memory, ours and (when `trl` is installed) TRL's GRPOTrainer on the same work.

    python benchmarks/trainer.py [--model PATH] [--steps 3] [--rounds 3]

Each side runs in a process of its own, in turn, `rounds` times. The work of a step: sample `group_size`
completions of `completion` tokens for each of `prompts` prompts, score them, and take one optimizer step in
microbatches of `micro` sequences; float32, no KL. Beside it stands what share of this machine's matrix-multiply rate,
measured in the same process, our update reaches: the products that its forward and backward passes need, each prompt
once, over the time they take. Prompts have some 40 tokens, times --prompt-copies. Without
--model, a 4-layer Llama with a vocabulary of 49,152 is made on the spot. Tokens per second are completion tokens over
the wall time of all steps but the first; peak memory is the process's largest resident set beyond what it held with
model and libraries loaded.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import rlvr_gym as rg
from rlvr_gym.files import read_lines

PROMPT = (
    "Natalia sold clips to {0} of her friends in April, and then she sold half as many clips in May. " * 2
)


def main() -> None:
    """Run both sides in turn and print their figures and ratios."""
    options = _options()
    if options.side:
        global _copies
        _copies = options.prompt_copies
        print(json.dumps(_SIDES[options.side](options)))
        return
    sides = ["ours", *(["trl"] if importlib.util.find_spec("trl") else [])]
    with tempfile.TemporaryDirectory() as folder:
        if options.model is None:
            options.model = folder
            _make_model(Path(folder))
        figures: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(options.rounds):
            for side in sides:
                figures[side].append(_run(side, options))
    print(
        f"{options.prompts} prompts x {options.group_size}, {options.completion} tokens, {options.steps} steps"
        f"{f', {options.prompt_copies} times the prompt' if options.prompt_copies > 1 else ''}"
    )
    for side in sides:
        speed = statistics.median(f["tokens_per_second"] for f in figures[side])
        memory = statistics.median(f["peak_bytes"] for f in figures[side])
        print(f"{side:5}  {speed:9,.1f} tokens/s   {memory / 1e6:9,.0f} MB peak above the loaded model")
    share = statistics.median(f["update_share"] for f in figures["ours"])
    rate = statistics.median(f["matmul_rate"] for f in figures["ours"])
    print(f"our update: {share:.0%} of the matrix-multiply rate of {rate / 1e9:,.0f} GFLOP/s")
    if "trl" in sides:
        pairs = list(zip(figures["ours"], figures["trl"], strict=True))
        speed = statistics.median(a["tokens_per_second"] / b["tokens_per_second"] for a, b in pairs)
        memory = statistics.median(a["peak_bytes"] / b["peak_bytes"] for a, b in pairs)
        print(f"ours / trl, median of pairs: speed {speed:.2f}, peak memory {memory:.2f}")
    else:
        print("trl is not installed here: pip install trl to compare")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    for name, default in [
        ("prompts", 8), ("group-size", 8), ("completion", 128), ("micro", 8), ("steps", 4), ("rounds", 3),
        ("prompt-copies", 1),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--side", choices=list(_SIDES), help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(side: str, options: argparse.Namespace) -> dict[str, float]:
    passed = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in vars(options).items()
        if value and name != "side"
    ]
    done = subprocess.run(
        [sys.executable, __file__, f"--side={side}", *passed], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _make_model(folder: Path) -> None:
    """A Llama whose samples practically never end early: the end token is one of 49,152."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {"<eos>": 0, "<pad>": 1, "<unk>": 2} | {f"w{i}": i for i in range(3, 49152)}
    for i, word in enumerate(dict.fromkeys(PROMPT.replace(",", " ,").replace(".", " .").split())):
        vocabulary[word] = vocabulary.pop(f"w{i + 100}")
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=256, intermediate_size=1024, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=1024, eos_token_id=0, pad_token_id=1, bos_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def _memory() -> int:
    """Bytes this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _figures(options: argparse.Namespace, stamps: list[float], before: int) -> dict[str, float]:
    tokens = options.prompts * options.group_size * options.completion * (len(stamps) - 1)
    return {"tokens_per_second": tokens / (stamps[-1] - stamps[0]), "peak_bytes": _peak() - before}


_copies = 1
"""Number of times that the text of a prompt is repeated in it."""


def _prompts() -> list[str]:
    return [PROMPT.format(i) * _copies for i in range(64)]


def _reward(text: str) -> float:
    """Something that differs within groups."""
    return float(len(text) % 2)


_calls: list[float] = []
"""The times at which our verifier was called."""


def _parity(task: rg.Task, completion: rg.Completion) -> bool:
    _calls.append(time.perf_counter())
    return bool(_reward(completion.text))


@rg.register("bench/Parity-v0")
def parity() -> rg.Environment:
    """Rewards that differ within groups, at no cost."""
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt=text) for text in _prompts()], name="parity")
    return rg.Environment(tasks, rg.FunctionVerifier(_parity))


def _ours(options: argparse.Namespace) -> dict[str, float]:
    from rlvr_trainers.recipe import load_recipe
    from rlvr_trainers.trainer import Trainer

    with tempfile.TemporaryDirectory() as folder:
        overrides: dict[str, Any] = {
            "model": {"path": options.model},
            "env": {"id": "bench/Parity-v0"},
            "sampling": {"max_tokens": options.completion},
            "batch": {
                "prompts": options.prompts,
                "group_size": options.group_size,
                "microbatch_tokens": options.micro * (options.completion + _prompt_tokens(options.model)),
            },
            "algorithm": {"kl_coefficient": 0.0},
            "run": {"dir": f"{folder}/run", "steps": options.steps, "checkpoint_every": 10**6},
        }
        trainer = Trainer(load_recipe("grpo", overrides))
        before = _memory()
        trainer.run()
        samples = options.prompts * options.group_size
        figures = _figures(options, _calls[samples - 1 :: samples], before)
        rows = list(read_lines(Path(folder) / "run/metrics.jsonl"))
    rate = _matmul_rate()
    seconds = statistics.median(row["seconds/update"] for row in rows[-options.steps + 1 :])
    needed = _operations(trainer.models.policy.model, options)
    return {**figures, "matmul_rate": rate, "update_share": needed / seconds / rate}


def _operations(model: Any, options: argparse.Namespace) -> float:
    """Floating-point operations of an update's products: forward once and backward twice, and no more than needed."""
    from rlvr_trainers.learner.layout.sharing import operations
    from rlvr_trainers.learner.logprobs import base_model

    prompt, group, completion = _prompt_tokens(options.model), options.group_size, options.completion
    layers = operations(base_model(model))
    pairs = prompt**2 + group * ((prompt + completion) ** 2 - prompt**2)
    body = layers.each * (prompt + group * completion) + layers.pairs * pairs / 2
    head = 2 * model.get_output_embeddings().weight.numel() * group * completion
    return 3.0 * options.prompts * (body + head)


def _matmul_rate() -> float:
    """Floating-point operations a second of a float32 product, with as many threads as the update had."""
    import torch

    left = torch.rand(2048, 2048)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        torch.matmul(left, left)
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds)


def _prompt_tokens(model: str) -> int:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return max(len(tokenizer(text)["input_ids"]) for text in _prompts())


def _trl(options: argparse.Namespace) -> dict[str, float]:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer  # pyright: ignore[reportMissingImports] - only where TRL is installed

    stamps: list[float] = []

    def reward(completions: list[str], **_: Any) -> list[float]:
        stamps.append(time.perf_counter())
        return [_reward(text) for text in completions]

    with tempfile.TemporaryDirectory() as folder:
        config = GRPOConfig(
            output_dir=folder,
            per_device_train_batch_size=options.micro,
            gradient_accumulation_steps=options.prompts * options.group_size // options.micro,
            num_generations=options.group_size,
            max_completion_length=options.completion,
            max_steps=options.steps,
            beta=0.0,
            loss_type="grpo",
            learning_rate=1e-6,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32),
            reward_funcs=reward,
            args=config,
            train_dataset=Dataset.from_list([{"prompt": text} for text in _prompts()]),
            processing_class=AutoTokenizer.from_pretrained(options.model),
        )
        before = _memory()
        trainer.train()
    return _figures(options, stamps, before)


_SIDES = {"ours": _ours, "trl": _trl}

if __name__ == "__main__":
    main()
