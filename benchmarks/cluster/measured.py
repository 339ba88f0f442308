"""Rates from short training runs on this machine, and other runs beside what the model says of them."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cluster.parity import PROMPT_TOKENS
from cluster.quantities import Cluster, Rates, Work
from cluster.simulation import simulate

TOKENS = 96
"""Most tokens of a completion. One in 64 tokens ends it."""
STEPS, SKIPPED = 10, 2
JUDGES = 8
"""Verdicts that a round's environment gives at once on so few cores."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run to measure or to predict."""

    name: str
    prompts: int
    group_size: int
    processes: int = 1
    staleness: int = 0
    verdict_seconds: float = 0.0

    @property
    def two_at_once(self) -> bool:
        """Two cores compute at the same time: two processes, or a sampler beside the learner."""
        return self.processes > 1 or self.staleness > 0


CALIBRATION = (
    Run(name="16 rows", prompts=4, group_size=4),
    Run(name="64 rows", prompts=8, group_size=8),
)
PREDICTED = (
    Run(name="32 rows", prompts=4, group_size=8),
    Run(name="96 rows", prompts=12, group_size=8),
    Run(name="32 rows, verdicts of 0.25 s", prompts=4, group_size=8, verdict_seconds=0.25),
    Run(name="the same, staleness 2", prompts=4, group_size=8, verdict_seconds=0.25, staleness=2),
    Run(name="2 processes, 64 rows", prompts=8, group_size=8, processes=2),
)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps of a run that were counted: (S,) seconds of each by the clock, and what the trainer says of them."""

    wall: np.ndarray
    phases: dict[str, np.ndarray]
    lengths: list[list[int]]


def make_model(folder: Path) -> None:
    """A Llama of some five million parameters and 64 tokens, which ends a completion once in 64 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from rlvr_gym.generation.tiny import character_tokenizer

    alphabet = "".join(chr(48 + number) for number in range(60))
    character_tokenizer(alphabet, context=PROMPT_TOKENS + TOKENS).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64, hidden_size=256, intermediate_size=1024, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        initializer_range=1e-3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def measure(run: Run, model: Path) -> Steps:
    """Train, and note when each step's figures are written."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        source = Path(__file__).parent / "parity.py"
        settings = [
            f"env.id={source}:parity", f"env.seconds={run.verdict_seconds}", f"model.path={model}",
            f"sampling.max_tokens={TOKENS}", f"batch.prompts={run.prompts}", f"batch.group_size={run.group_size}",
            f"buffer.max_staleness={run.staleness}", "algorithm.kl_coefficient=0", "optimizer.learning_rate=1e-9",
            f"run.steps={STEPS}", "run.checkpoint_every=1000000", "run.samples_per_step=100000", f"run.dir={folder}",
        ]  # fmt: skip
        command = [
            str(Path(sys.executable).with_name("rlvr")), "train", "grpo", f"--processes={run.processes}", *settings,
        ]  # fmt: skip
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        log = Path(temporary) / "log"
        with (
            log.open("w") as sink,
            subprocess.Popen(command, stdout=sink, stderr=sink, env=environment) as process,
        ):
            written = _times_of_lines(folder / "metrics.jsonl", process)
        if process.returncode:
            raise SystemExit(f"{run.name}: the run failed\n{log.read_text()[-2000:]}")
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        lengths: dict[int, list[int]] = {}
        for line in (folder / "samples.jsonl").read_text().splitlines():
            sample = json.loads(line)
            lengths.setdefault(sample["step"], []).append(sample["length"])
    wall = np.diff(written)[SKIPPED:]
    counted = [row for row in rows if row["step"] > SKIPPED][: len(wall)]
    phases = {
        key: np.array([row[key] for row in counted]) for key in counted[0] if key.startswith("seconds/")
    }
    return Steps(wall=wall, phases=phases, lengths=[lengths[row["step"]] for row in counted])


def _times_of_lines(path: Path, process: subprocess.Popen[bytes]) -> list[float]:
    """The times at which lines of a file were written, to a hundredth of a second, until a process ends."""
    times: list[float] = []
    while process.poll() is None:
        time.sleep(0.005)
        if path.exists():
            times += [time.perf_counter()] * (path.read_bytes().count(b"\n") - len(times))
    return times


def alone(model: Path) -> list[tuple[Run, Steps]]:
    """The runs that rates are fitted to, one after the other."""
    return [(run, measure(run, model)) for run in CALIBRATION]


def crowded(model: Path) -> list[tuple[Run, Steps]]:
    """The same, each of them twice at the same time: cores share their memory, and some are halves of one core."""
    pairs = []
    for run in CALIBRATION:
        with ThreadPoolExecutor() as two:
            pairs += [(run, steps) for steps in two.map(lambda _, run=run: measure(run, model), range(2))]
    return pairs


def rates_of(runs: Sequence[tuple[Run, Steps]]) -> Rates:
    """Fit the rates: seconds of sampling and of learning are sums over steps of decoding, rows and tokens."""
    sampling, sampled, learning, learned, other = [], [], [], [], []
    for run, steps in runs:
        prompt_tokens = run.prompts * PROMPT_TOKENS
        for number, lengths in enumerate(steps.lengths):
            sampling.append([max(lengths), sum(lengths), prompt_tokens])
            sampled.append(steps.phases["seconds/generate"][number])
            learning.append([sum(lengths) + prompt_tokens, 1.0])
            learned.append(steps.phases["seconds/update"][number] + steps.phases["seconds/score"][number])
            other.append(steps.wall[number] - sum(values[number] for values in steps.phases.values()))
            other[-1] += steps.phases["seconds/monitor"][number]
    decode, row, prompt = non_negative(np.array(sampling), np.array(sampled))
    token, update = non_negative(np.array(learning), np.array(learned))
    return Rates(
        decode_seconds=decode,
        row_seconds=row,
        prompt_seconds=prompt,
        max_rows=256,
        continuous=False,
        verdict_seconds=0.0,
        judges=JUDGES,
        learn_seconds=token,
        update_seconds=update,
        sync_seconds=0.0,
        other_seconds=max(0.0, statistics.median(other)),
    )


def non_negative(parts: np.ndarray, sums: np.ndarray) -> list[float]:
    """Least squares over (N, K) parts with no factor below 0: the lowest one is 0 until none is."""
    kept = list(range(parts.shape[1]))
    while True:
        found = np.linalg.lstsq(parts[:, kept], sums, rcond=None)[0]
        if found.min() >= 0.0:
            return [float(found[kept.index(k)]) if k in kept else 0.0 for k in range(parts.shape[1])]
        del kept[int(found.argmin())]


def reduce_seconds(parameters: int, rounds: int = 5) -> float:
    """The seconds in which two processes here sum gradients of so many parameters, by gloo."""
    script = f"""
import os, sys, time, torch, torch.distributed as dist
dist.init_process_group("gloo", init_method="file://" + sys.argv[1], rank=int(sys.argv[2]), world_size=2)
values, taken = torch.ones({parameters}), []
for _ in range({rounds}):
    dist.barrier()
    began = time.perf_counter()
    dist.all_reduce(values)
    taken.append(time.perf_counter() - began)
print(sorted(taken)[{rounds // 2}])
dist.destroy_process_group()
"""
    with tempfile.TemporaryDirectory() as folder:
        ranks = [
            subprocess.Popen(
                [sys.executable, "-c", script, f"{folder}/meet", str(rank)], stdout=subprocess.PIPE, text=True
            )
            for rank in range(2)
        ]
        said = [process.communicate()[0] for process in ranks]
    return max(map(float, said))


def check(path: Path | None, rounds: int) -> None:
    """Print the seconds of a step, measured and predicted, of each run in `PREDICTED`; medians of `rounds`."""
    from transformers import AutoModelForCausalLM

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder)
        make_model(model)
        parameters = AutoModelForCausalLM.from_pretrained(model).num_parameters()
        found: dict[Run, list[float]] = {run: [] for run in PREDICTED}
        said: dict[Run, list[float]] = {run: [] for run in PREDICTED}
        for number in range(rounds):
            calibration, together = alone(model), crowded(model)
            rates, shared = rates_of(calibration), rates_of(together)
            reduce = reduce_seconds(parameters)
            lengths = [n for _, steps in calibration + together for step in steps.lengths for n in step]
            for run in PREDICTED:
                measured = measure(run, model)
                found[run].append(float(np.median(measured.wall)))
                said[run].append(predicted(run, shared if run.two_at_once else rates, lengths, reduce))
            if path and number == 0:
                path.write_text(json.dumps(_stored(rates, lengths), indent=1) + "\n")
    print("| run | measured: s a step | predicted | predicted / measured |")
    print("| --- | ---: | ---: | ---: |")
    for run in PREDICTED:
        measured, model_says = statistics.median(found[run]), statistics.median(said[run])
        ratio = statistics.median(a / b for a, b in zip(said[run], found[run], strict=True))
        print(f"| {run.name} | {measured:.2f} | {model_says:.2f} | {ratio:.2f} |")


def predicted(run: Run, rates: Rates, lengths: list[int], reduce: float) -> float:
    """The seconds of a step of a run, as the model has it."""
    judges = JUDGES * max(1, run.staleness) * run.processes
    changed = {"verdict_seconds": run.verdict_seconds, "judges": judges, "reduce_seconds": reduce}
    work = Work(prompts=run.prompts, group_size=run.group_size, prompt_tokens=PROMPT_TOKENS, lengths=lengths)
    cluster = Cluster(samplers=run.processes, learners=run.processes, staleness=run.staleness)
    return simulate(Rates(**{**asdict(rates), **changed}), work, cluster, steps=40).step_seconds


def _stored(rates: Rates, lengths: list[int]) -> dict[str, Any]:
    often = Counter(lengths)
    some = [length for length in sorted(often) for _ in range(max(1, often[length] // 10))]
    return {**asdict(rates), "prompts": 8, "group_size": 8, "prompt_tokens": PROMPT_TOKENS, "lengths": some}
