"""Record what every recipe computes at fixed seeds, or compare it with an earlier record, bit for bit.

    python tests/rlvr_trainers/recorded_numbers.py record before.json
    python tests/rlvr_trainers/recorded_numbers.py compare before.json

A record holds a hash of the metrics, the samples and the weights of each run, the clock's readings left out. Numbers
are equal only on one machine with one set of packages: record before a change and compare after it, in the same place.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model

CLOCKS = ("seconds/", "tokens_per_second/", "memory/", "judging_seconds", "expected", "flags")
REVERSE = ("env.id=reverse", "env.digits=2", "env.style=symbols", "env.reward=per_digit")
FEW = (
    "model.path=tiny:0123456789>", "sampling.max_tokens=4", "batch.prompts=8", "batch.group_size=8",
    "batch.minibatches=2", "run.seed=7",
    "optimizer.learning_rate=1e-3", "run.checkpoint_every=2", "run.steps=3", "eval.every=2", "eval.tasks=16",
)  # fmt: skip
SMALL = (*FEW, *REVERSE)
STEPS = (
    "env.id=recorded_env:numbers/Steps-v0",
    "model.path=tiny:0123456789+=",
    "eval=null",
    "sampling.max_tokens=8",
)
STEPS_ENV = """
import rlvr_gym as rg
from rlvr_gym.verifiers.steps import Equations, Steps

@rg.register("numbers/Steps-v0")
def steps() -> rg.Environment:
    tasks = [rg.Task(id=f"t{n}", prompt=f"{n % 10}+{n % 7}=") for n in range(100)]
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="steps"), Steps(Equations()))
"""
KL = ("algorithm.kl_coefficient=0.05",)
RUNS: dict[str, tuple[str, ...]] = {
    **{name: (name, *SMALL) for name in ("grpo", "grpo_r1", "dr_grpo", "dapo", "gspo", "rloo")},
    "minibatches": ("dapo", *SMALL, "batch.minibatches=4", "batch.epochs=2", "batch.microbatch_tokens=60"),
    "kl in the loss": ("dapo", *SMALL, *KL, "algorithm.kl_estimator=k2"),
    "weighted kl": ("dapo", *SMALL, *KL, "algorithm.kl_place=weighted_loss"),
    "kl in the reward": ("dr_grpo", *SMALL, *KL, "algorithm.kl_place=reward", "algorithm.kl_estimator=k1"),
    "whitened": ("grpo", *SMALL, "algorithm.advantage=whitened"),
    "batch std": ("grpo", *SMALL, "algorithm.advantage=batch_std", "algorithm.aggregation=prompt_mean"),
    "gspo token": ("gspo", *SMALL, "algorithm.ratio=sequence_token", "algorithm.dual_clip=3"),
    "overlong": ("dapo", *SMALL, "overlong.penalty_share=0.5", "overlong.filter=true"),
    "entropy": ("dapo", *SMALL, "algorithm.entropy_coefficient=0.01", "algorithm.entropy_top_share=0.5"),
    "tis": ("dapo", *SMALL, "algorithm.sampler_correction=token_tis"),
    "warm-up and kl": ("grpo", *SMALL, "warmup.steps=5", "warmup.batch_size=32", "warmup.label_noise=0.3"),
    "lora": ("grpo", *SMALL, "model.lora.rank=4"),
    "turns": ("dr_grpo", *FEW, "env.id=guess", "env.high=10", "env.max_turns=3", "model.path=tiny"),
    "two processes": ("dapo", *SMALL),
    "resumed": ("grpo", *SMALL),
    "steps added": ("grpo", *FEW, *STEPS, "reward.steps=added"),
    "steps alone": ("grpo", *FEW, *STEPS, "reward.steps=alone"),
    "addition": ("addition", "warmup.steps=20", "run.steps=3", "eval.tasks=32", "run.seed=7"),
    "hackable": ("hackable", "run.steps=3", "eval.every=2", "eval.tasks=32", "run.seed=7"),
}  # fmt: skip


def without_clocks(row: Any) -> Any:
    if isinstance(row, dict):
        return {key: without_clocks(value) for key, value in row.items() if not key.startswith(CLOCKS)}
    return [without_clocks(item) for item in row] if isinstance(row, list) else row


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def weights(folder: Path) -> str:
    state = load_model(folder, "float32")[0].state_dict()
    whole = hashlib.sha256()
    for name in sorted(state):
        whole.update(name.encode())
        whole.update(state[name].contiguous().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()[:16]


def numbers(folder: Path) -> dict[str, str]:
    metrics = [without_clocks(row) for row in read_lines(folder / "metrics.jsonl")]
    samples = [without_clocks(row) for row in read_lines(folder / "samples.jsonl")]
    return {"metrics": digest(metrics), "samples": digest(samples), "weights": weights(folder / "model")}


def train(folder: Path, recipe: str, *settings: str) -> None:
    Trainer(load_recipe(recipe, parse_overrides([*settings, f"run.dir={folder}"])), name=recipe).run()


def train_in_two_processes(folder: Path, recipe: str, *settings: str) -> None:
    program = "import torch; torch.set_num_threads(1); from rlvr_gym.cli.main import main; main()"
    command = [
        sys.executable,
        "-c",
        program,
        "train",
        recipe,
        *settings,
        f"run.dir={folder}",
        "--processes",
        "2",
    ]
    subprocess.run(command, check=True, capture_output=True)


def every_run(scratch: Path, names: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    (scratch / "recorded_env.py").write_text(STEPS_ENV, encoding="utf-8")
    sys.path.insert(0, str(scratch))
    for name, settings in RUNS.items():
        if not names or name in names:
            if name == "two processes":
                train_in_two_processes(scratch / name, *settings)
            elif name == "resumed":
                train(scratch / name, *settings, "run.steps=2")
                train(scratch / name, *settings)
            else:
                train(scratch / name, *settings)
            yield name, numbers(scratch / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("runs", nargs="*", help="only these, by name")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known = json.loads(asked.file.read_text(encoding="utf-8")) if asked.file.exists() else {}
    differing = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, found in every_run(Path(scratch), asked.runs):
            if asked.what == "record":
                known[name] = found
                asked.file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            parts = [part for part in found if known.get(name, {}).get(part) != found[part]]
            print(f"{name}: {'differs in ' + ', '.join(parts) if parts else 'equal'}", flush=True)
            differing += parts
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
