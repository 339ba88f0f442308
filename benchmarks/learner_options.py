"""Memory, speed and sampler mismatch of the learner's options, each against float32 with AdamW, on a CPU.

    python benchmarks/learner_options.py [--rounds 1] [--layers 6 --hidden 512 --vocabulary 8192]

Each option trains in a process of its own: a Llama made on the spot, with logits as spread as a trained model's,
samples --prompts x 4 completions of --completion tokens and takes an optimizer step, --steps times. The kept bytes are
those of weights, gradients and optimizer state, for each parameter. The peak is the process's largest resident set
beyond what it held before it made the model. CPU seconds are those of the update that took the fewest.
The mismatch is the mean |log-probability of the sampler - that of the trainer| of a token.
"""

from __future__ import annotations

import argparse
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

BFLOAT16 = ("model.dtype=bfloat16",)
WEIGHTS = (*BFLOAT16, "model.weights_dtype=bfloat16")
OPTIONS: dict[str, tuple[str, ...]] = {
    "float32, AdamW": (),
    "optimizer.kind=adamw_8bit": ("optimizer.kind=adamw_8bit",),
    "model.gradient_checkpointing": ("model.gradient_checkpointing=true",),
    "model.compile": ("model.compile=true",),
    "model.dtype=bfloat16": BFLOAT16,
    "the same, model.float32_head=false": (*BFLOAT16, "model.float32_head=false"),
    "model.weights_dtype=bfloat16": WEIGHTS,
    "the same, adamw_8bit": (*WEIGHTS, "optimizer.kind=adamw_8bit"),
}


def main() -> None:
    """Measure every option, in turn, and print a table."""
    asked = _options()
    if asked.option:
        print(json.dumps(_measure(asked)))
        return
    print(
        f"{asked.layers} layers of {asked.hidden}, vocabulary {asked.vocabulary}, {asked.prompts} x 4 samples"
    )
    print("| option | bytes kept a parameter | peak, MB | CPU seconds an update | mismatch |")
    print("| --- | --- | --- | --- | --- |")
    for option in OPTIONS:
        rounds = [_run(option, asked) for _ in range(asked.rounds)]
        found = {name: min(figures[name] for figures in rounds) for name in rounds[0]}
        print(
            f"| {option} | {found['kept']:.1f} | {found['peak'] / 1e6:,.0f} | {found['seconds']:.2f} | "
            f"{found['mismatch']:.1e} |",
            flush=True,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in [
        ("rounds", 1), ("layers", 6), ("hidden", 512), ("vocabulary", 8192), ("prompts", 2), ("completion", 48),
        ("steps", 5),
    ]:  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--option", choices=list(OPTIONS), help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(option: str, asked: argparse.Namespace) -> dict[str, float]:
    passed = [f"--{name}={value}" for name, value in vars(asked).items() if name != "option"]
    command = [sys.executable, __file__, f"--option={option}", *passed]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _measure(asked: argparse.Namespace) -> dict[str, float]:
    from rlvr_trainers.recipe import load_recipe
    from rlvr_trainers.trainer import Trainer

    from rlvr_gym.config import parse_overrides
    from rlvr_gym.files import read_lines
    from rlvr_gym.memory import peak_memory_bytes

    with tempfile.TemporaryDirectory() as folder:
        settings = [
            *["model.path=made", "model.device=cpu", "env.id=made", "eval=null", "batch.save_compute=false"],
            *[
                f"batch.prompts={asked.prompts}",
                "batch.group_size=4",
                f"sampling.max_tokens={asked.completion}",
            ],
            *["batch.microbatch_tokens=1024", f"run.dir={folder}/run", f"run.steps={asked.steps}"],
            *["optimizer.learning_rate=1e-6", "run.checkpoint_every=1000000", *OPTIONS[asked.option]],
        ]
        before = _memory()
        config = load_recipe("dr_grpo", parse_overrides(settings))
        trainer = Trainer(config, env=_parity(), model=_model(asked))
        seconds = _timed(trainer.learner)
        trainer.run()
        peak = peak_memory_bytes() - before
        rows = list(read_lines(Path(folder) / "run" / "metrics.jsonl"))[1:]
    return {
        "kept": _kept(trainer),
        "peak": peak,
        "seconds": min(seconds),
        "mismatch": statistics.fmean(row["sampler/mismatch"] for row in rows),
    }


def _timed(learner: Any) -> list[float]:
    """CPU seconds of each update to come: other programs do not change them as they do the wall's."""
    seconds: list[float] = []
    update = learner.update

    def timed(*given: Any, **named: Any) -> dict[str, float]:
        began = time.process_time()
        metrics = update(*given, **named)
        seconds.append(time.process_time() - began)
        return metrics

    learner.update = timed
    return seconds


def _kept(trainer: Any) -> float:
    """Bytes of weights, gradients and optimizer state, for each parameter."""
    from rlvr_trainers.learner.optimizer import optimizer_bytes

    weights = trainer.models.policy.parameters
    values = sum(weight.numel() for weight in weights)
    both = sum(2 * weight.numel() * weight.element_size() for weight in weights)
    return (both + optimizer_bytes(weights, trainer.config.optimizer)) / values


def _memory() -> int:
    """Bytes that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _model(asked: argparse.Namespace) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rlvr_gym.generation.tiny import character_tokenizer

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=asked.vocabulary, hidden_size=asked.hidden, intermediate_size=8 * asked.hidden // 3,
        num_hidden_layers=asked.layers, num_attention_heads=asked.hidden // 64, num_key_value_heads=asked.hidden // 64,
        max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight.normal_(0, 4 / asked.hidden**0.5)
    return model, character_tokenizer(context=512)


def _parity() -> rg.Environment:
    """Rewards that differ within groups, at no cost."""
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt=f"Say {n} or more.") for n in range(64)], name="parity")
    return rg.Environment(tasks, rg.FunctionVerifier(lambda task, completion: len(completion.text) % 2 == 1))


if __name__ == "__main__":
    main()
