"""Growth of a training step with vocabulary, length, group size and layers, on a CPU.

    python benchmarks/growth.py [--axes vocabulary completion group layers] [--picture docs/growth.png]

Each point is one process: a small Llama made on the spot samples one group and takes an optimizer step from it, twice.
CPU seconds are those of the second step: of sampling, and of the update. The peak is the process's largest resident
set beyond what it held when the model was there: with gradients and the optimizer's two moments, each as large as the
weights. Microbatches hold the same number of tokens at every point of an axis but for `completion`, where one holds at
least one sample.

The exponent is the growth from the last point but one to the last: time or memory that grows as the quantity has 1,
as its square 2, and less where there is a part that does not grow.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rlvr_gym as rg


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model and the work of a step. All but the quantity of an axis stand still along it."""

    vocabulary: int = 8192
    completion: int = 64
    group: int = 8
    layers: int = 2
    hidden: int = 128
    microbatch: int = 1024


AXES: dict[str, tuple[Size, tuple[int, ...]]] = {
    "vocabulary": (Size(), (32_768, 65_536, 131_072, 262_144)),
    "completion": (Size(group=2), (512, 1024, 2048, 4096, 8192)),
    "group": (Size(), (8, 16, 32, 64)),
    "layers": (Size(hidden=256), (2, 4, 8, 16, 32)),
}
FIGURES = {"sampling": "CPU s, sampling", "learning": "CPU s, learning", "peak": "peak, MB"}


def main() -> None:
    """Measure every point of the axes that are asked for, and print a table of each."""
    asked = _options()
    if asked.point:
        print(json.dumps(_measure(Size(**json.loads(asked.point)))))
        return
    found = {axis: _along(axis) for axis in asked.axes}
    if asked.picture:
        _draw(found, asked.picture)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--axes", nargs="+", choices=list(AXES), default=list(AXES))
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--point", help=argparse.SUPPRESS)
    return parser.parse_args()


def _along(axis: str) -> dict[int, dict[str, float]]:
    """The figures at each point of an axis, printed as they come."""
    at, values = AXES[axis]
    print(f"\n| {axis} | {' | '.join(FIGURES.values())} |\n| ---: | ---: | ---: | ---: |")
    found: dict[int, dict[str, float]] = {}
    for value in values:
        found[value] = _run(replace(at, **{axis: value}))
        print(f"| {value:,} | {_row(found[value])} |", flush=True)
    before, last = (found[value] for value in values[-2:])
    exponents = {name: math.log2(last[name] / before[name]) for name in FIGURES}
    print(f"| exponent | {' | '.join(f'{exponents[name]:.2f}' for name in FIGURES)} |", flush=True)
    return found


def _row(figures: dict[str, float]) -> str:
    return f"{figures['sampling']:.2f} | {figures['learning']:.2f} | {figures['peak'] / 1e6:,.0f}"


def _run(size: Size) -> dict[str, float]:
    point = json.dumps(vars(size))
    done = subprocess.run(
        [sys.executable, __file__, "--point", point], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(size: Size) -> dict[str, float]:
    from rlvr_trainers.recipe import load_recipe
    from rlvr_trainers.trainer import Trainer

    from rlvr_gym.config import parse_overrides

    with tempfile.TemporaryDirectory() as folder:
        config = load_recipe("dr_grpo", parse_overrides(_settings(size, folder)))
        trainer = Trainer(config, env=_parity(), model=_model(size))
        before = _held()
        sampling = _timed(trainer.generator, "generate", whole=list)
        learning = _timed(trainer.learner, "update")
        trainer.run()
        return {"sampling": sampling[-1], "learning": learning[-1], "peak": _most() - before}


def _settings(size: Size, folder: str) -> list[str]:
    tokens = max(size.microbatch, size.completion + 64)
    return [
        *["model.path=made", "model.device=cpu", "env.id=made", "eval=null"],
        *["batch.prompts=1", f"batch.group_size={size.group}", f"batch.microbatch_tokens={tokens}"],
        *[f"sampling.max_tokens={size.completion}", f"run.dir={folder}/run", "run.steps=2"],
        *["optimizer.learning_rate=1e-6", "run.checkpoint_every=1000000", "optimizer.warmup_steps=0"],
    ]


def _timed(of: Any, method: str, whole: Callable[[Any], Any] = lambda result: result) -> list[float]:
    """CPU seconds of each call to come: other programs do not change them as they do the wall's.

    `whole` draws all that the call gives, where it gives things as they are asked for.
    """
    seconds: list[float] = []
    call = getattr(of, method)

    def timed(*given: Any, **named: Any) -> Any:
        began = time.process_time()
        result = whole(call(*given, **named))
        seconds.append(time.process_time() - began)
        return result

    setattr(of, method, timed)
    return seconds


def _held() -> int:
    """Bytes that this process holds now; the largest size begins here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _most()


def _most() -> int:
    from rlvr_gym.memory import peak_memory_bytes

    return peak_memory_bytes()


def _model(size: Size) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rlvr_gym.generation.tiny import character_tokenizer

    torch.manual_seed(0)
    context = size.completion + 64
    config = LlamaConfig(
        vocab_size=size.vocabulary, hidden_size=size.hidden, intermediate_size=4 * size.hidden,
        num_hidden_layers=size.layers, num_attention_heads=4, num_key_value_heads=4,
        max_position_embeddings=context, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.weight[2].zero_()  # hardly ever the end token: samples are as long as they may be
    return model, character_tokenizer(context=context)


def _parity() -> rg.Environment:
    """Rewards that differ within groups, at no cost."""
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt=f"Say {n} or more.") for n in range(64)], name="parity")
    return rg.Environment(tasks, rg.FunctionVerifier(lambda task, completion: len(completion.text) % 2 == 1))


def _draw(found: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    """A column for each axis: CPU seconds above, peak memory below, both axes of each doubling."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.1 * len(found), 5), layout="constrained")
    panels = figure.subplots(2, len(found), squeeze=False)
    for column, (axis, points) in enumerate(found.items()):
        values = list(points)
        for name in ("sampling", "learning"):
            panels[0][column].plot(values, [points[v][name] for v in values], "o-", label=name)
        panels[1][column].plot(values, [points[v]["peak"] / 1e6 for v in values], "o-", color="C2")
        for panel in panels[:, column]:
            panel.set_xscale("log", base=2)
            panel.set_yscale("log", base=2)
            panel.set_xticks(values, [f"{v:,}" for v in values], fontsize=7)
            panel.grid(alpha=0.3)
        panels[1][column].set_xlabel(axis)
    panels[0][0].set_ylabel("CPU seconds")
    panels[1][0].set_ylabel("peak, MB")
    panels[0][0].legend(fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
