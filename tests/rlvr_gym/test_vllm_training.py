"""Training whose samples are vLLM's: in this process, and by servers that come and go."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner.weight_sync import WeightSync
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.base import TokenSequence
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from tests.rlvr_gym.vllm_engines import LAST_RESORT_SECONDS, RunningServer, wait_for_all

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(LAST_RESORT_SECONDS),
    pytest.mark.filterwarnings("ignore"),  # other people's deprecations, in older versions
]

LEARNER_CONTEXT = 64
PROBE = TokenSequence(prompt_token_ids=(4, 5), token_ids=(6, 7))
REVERSE = [
    *["grpo", "env.id=reverse", "env.style=symbols", "env.digits=3", "sampling.max_tokens=5"],
    *["algorithm.kl_coefficient=0", "algorithm.aggregation=token_mean", "algorithm.clip_high=0.28"],
    *["batch.prompts=32", "batch.group_size=16", "batch.minibatches=4", "optimizer.learning_rate=1e-3"],
    *["warmup.steps=150", "warmup.batch_size=128", "warmup.learning_rate=3e-3", "warmup.label_noise=0.5"],
    *["eval.every=10", "eval.tasks=200", "run.checkpoint_every=1000", "run.steps=60"],
    "optimizer.schedule=linear",
]
"""A warm-up on labels half of which are wrong, and then a reward that only says right or wrong."""
ARITHMETIC = [
    *["addition", "warmup.steps=1200", "warmup.learning_rate=1e-3", "warmup.label_noise=0.4"],
    *["optimizer.learning_rate=1e-3", "run.steps=80"],
]
"""The recipe `addition` with a longer warm-up and smaller steps, for a model that is twice as wide."""


def saved_learner(folder: Path, alphabet: str, *, heads: int = 2) -> Path:
    """A Llama that learns quickly, from random weights, in a folder; its heads are of 32, the least that vLLM takes."""
    tokenizer = character_tokenizer(alphabet, context=LEARNER_CONTEXT)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32 * heads,
        intermediate_size=128 * heads,
        num_hidden_layers=2,
        num_attention_heads=heads,
        max_position_embeddings=LEARNER_CONTEXT,
        initializer_range=0.1 if heads == 2 else 0.06,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(*settings: str) -> list[dict[str, Any]]:
    """Run the command, in a process of its own that vLLM may change; returns the run's rows of metrics."""
    (run_dir,) = [setting.removeprefix("run.dir=") for setting in settings if setting.startswith("run.dir=")]
    command = [sys.executable, "-c", "from rlvr_gym.cli.main import main; main()", "train", *settings]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    return list(read_lines(Path(run_dir) / "metrics.jsonl"))


def learned(rows: list[dict[str, Any]]) -> None:
    """From at most 0.6 to at least 0.95 of the held-out tasks, on samples of the very weights that are trained."""
    assert rows[0]["eval/pass@1"] <= 0.6
    assert rows[-1]["eval/pass@1"] >= 0.95
    assert all(row["sampler/mismatch"] <= 1e-4 for row in rows if row["step"])


@pytest.mark.slow
@pytest.mark.timeout(3 * LAST_RESORT_SECONDS)
def test_a_tiny_llama_learns_to_reverse_from_samples_of_vllm_in_its_own_process(
    needs_vllm: None, tmp_path: Path
):
    folder = saved_learner(tmp_path / "learner", "0123456789>")
    learned(train(*REVERSE, f"model.path={folder}", "generator.engine=vllm", f"run.dir={tmp_path / 'run'}"))


@pytest.mark.slow
@pytest.mark.timeout(3 * LAST_RESORT_SECONDS)
def test_a_tiny_llama_learns_to_add_from_samples_of_vllm_in_its_own_process(needs_vllm: None, tmp_path: Path):
    folder = saved_learner(tmp_path / "learner", "0123456789+=", heads=4)
    engine = ["generator.engine=vllm", f"run.dir={tmp_path / 'run'}"]
    learned(train(*ARITHMETIC, f"model.path={folder}", *engine))


@pytest.mark.slow
@pytest.mark.timeout(3 * LAST_RESORT_SECONDS)
def test_a_tiny_llama_learns_to_reverse_from_samples_of_a_vllm_server(needs_vllm: None, tmp_path: Path):
    folder = saved_learner(tmp_path / "learner", "0123456789>")
    server = RunningServer(folder, tmp_path / "server.log", context=LEARNER_CONTEXT)
    try:
        server.wait()
        engine = ["generator.engine=vllm_servers", f"generator.urls=[{server.url}]"]
        learned(train(*REVERSE, f"model.path={folder}", *engine, f"run.dir={tmp_path / 'run'}"))
    finally:
        server.close()


class WaitsFor:
    """Weights that are published as ever, at version 4 once that server answers."""

    def __init__(self, weights: WeightSync, server: RunningServer) -> None:
        self._weights, self._server = weights, server

    def publish(self, version: int) -> None:
        if version == 4:
            self._server.wait()
        self._weights.publish(version)


def test_a_server_killed_within_a_step_and_started_with_its_first_weights_gives_no_sample_of_them(
    vllm_servers: list[RunningServer], vllm_llama: tuple[Path, PreTrainedModel], tmp_path: Path
):
    """The learning rate is so high that samples of the first weights would be far off the trainer's own."""
    killed, judged = vllm_servers[1], itertools.count()

    def few_tokens(task: rg.Task, completion: rg.Completion) -> bool:
        if next(judged) == 80:  # within the second of eight steps, of 64 samples each
            killed.kill()
            killed.start()
        return len(completion.token_ids) < 4

    tasks = rg.TaskSet.from_tasks([rg.Task(id=f"{n}", prompt=f"{n}") for n in range(10, 90)], name="numbers")
    settings = [
        *[f"model.path={vllm_llama[0]}", "model.dtype=float32", "env.id=reverse", "sampling.max_tokens=12"],
        *["generator.engine=vllm_servers", f"generator.urls=[{','.join(s.url for s in vllm_servers)}]"],
        *["batch.prompts=8", "batch.group_size=8", "optimizer.learning_rate=1e-2", "run.steps=8"],
        *[f"generator.weights_folder={tmp_path}", f"run.dir={tmp_path / 'run'}"],
    ]
    env = rg.Environment(tasks, rg.FunctionVerifier(few_tokens))
    trainer = Trainer(load_recipe("grpo", parse_overrides(settings)), env=env)
    generator = trainer.generator
    assert isinstance(generator, VLLMServersGenerator)
    trainer.weights = WaitsFor(trainer.weights, killed)
    assert trainer.run().finished
    wait_for_all(generator)
    rows = [row for row in read_lines(tmp_path / "run" / "metrics.jsonl") if row["step"]]
    assert len(rows) == 8
    assert all(row["sampler/mismatch"] <= 1e-4 for row in rows)
    (trained,) = generator.score([PROBE])  # asked of both, who must agree
    with torch.no_grad():
        logits = vllm_llama[1](input_ids=torch.tensor([PROBE.prompt_token_ids])).logits[0, -1]
    assert abs(trained[0] - logits.log_softmax(-1)[PROBE.token_ids[0]]) > 0.1
    generator.close()
