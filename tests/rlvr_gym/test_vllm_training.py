"""Training whose samples are those of vLLM servers that come and go."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
import torch
from rlvr_trainers.learner.weight_sync import WeightSync
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import PreTrainedModel

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.base import TokenSequence
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from tests.rlvr_gym.vllm_engines import START_SECONDS, RunningServer

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore"),  # other people's deprecations, in older versions
]

PROBE = TokenSequence(prompt_token_ids=(4, 5), token_ids=(6, 7))


class WaitsFor:
    """Weights that are published as ever, at version 4 once that server answers."""

    def __init__(self, weights: WeightSync, server: RunningServer) -> None:
        self._weights, self._server = weights, server

    def publish(self, version: int) -> None:
        if version == 4:
            self._server.wait()
        self._weights.publish(version)


@pytest.mark.timeout(3 * START_SECONDS)
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
    ends = time.monotonic() + START_SECONDS
    while generator._fleet.trouble() != "all servers answer" and time.monotonic() < ends:
        time.sleep(0.2)
    assert generator._fleet.trouble() == "all servers answer"
    rows = [row for row in read_lines(tmp_path / "run" / "metrics.jsonl") if row["step"]]
    assert len(rows) == 8
    assert all(row["sampler/mismatch"] <= 1e-4 for row in rows)
    (trained,) = generator.score([PROBE])  # asked of both, who must agree
    with torch.no_grad():
        logits = vllm_llama[1](input_ids=torch.tensor([PROBE.prompt_token_ids])).logits[0, -1]
    assert abs(trained[0] - logits.log_softmax(-1)[PROBE.token_ids[0]]) > 0.1
    generator.close()
