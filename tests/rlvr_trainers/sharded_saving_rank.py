"""One of two processes that write a sharded model, and cannot at first. Run by test_sharded_saving."""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner import model_folder
from rlvr_trainers.learner.optimizer import optimizer_and_schedule, shards_of
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.shards import save_shards
from rlvr_trainers.learner.weight_sync import Proof, SentWeights, probe_tokens
from rlvr_trainers.learner_settings import ModelConfig, OptimizerConfig
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.run.checkpoints import Checkpoints

from rlvr_gym.errors import TrainingError
from rlvr_gym.generation.base import TokenSequence
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.generation.weights import whole


@contextmanager
def no_room(here: bool) -> Iterator[None]:
    """Let this process write no more than a few bytes to any file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if here:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def one_step(policy: Policy, kind: str = "adamw", *, times: int = 1) -> Any:
    """The optimizer after a step on log-probabilities `times` over, which processes add up."""
    settings = OptimizerConfig.model_validate({"learning_rate": 0.01, "kind": kind})
    optimizer, _ = optimizer_and_schedule(policy.parameters, settings, total_updates=1)
    probe = TokenSequence(prompt_token_ids=(4, 5), token_ids=(6, 7, 8))
    logprobs, _ = policy.logprobs(probe_tokens([probe]), temperature=1.0)
    (times * logprobs.sum()).backward()
    optimizer.step()
    return optimizer


def send(policy: Policy, generator: TransformersGenerator, mesh: Mesh) -> None:
    """Prove that the new weights arrive in samplers of both processes, and in one that both use."""
    probe = TokenSequence(prompt_token_ids=(4, 5), token_ids=(6, 7, 8))
    proof = Proof(generator, policy, [probe], temperature=1.0)
    SentWeights(generator, policy, proof, shared=False, mesh=mesh).publish(1)
    assert generator.weights_version == 1
    scored = generator.score([probe])
    assert scored == [pytest.approx(expected, abs=1e-5) for expected in proof.expected()]
    SentWeights(generator, policy, proof, shared=True, mesh=mesh).publish(2)
    assert generator.weights_version == (2 if mesh.first else 1)


def write(name: str, case: dict[str, Any], folder: Path, mesh: Mesh) -> None:
    """Write a model and checkpoints of it, of which neither process's failure leaves anything."""
    config = ModelConfig.model_validate({"path": "handed in", **case["settings"]})
    policy = Policy(config, seed=0, loaded=(case["model"], case["tokenizer"]), mesh=mesh)
    policy.model.double()
    generator = policy.generator_apart()
    policy.shard()
    optimizer = one_step(policy, case["kind"])
    send(policy, generator, mesh)
    model_folder.FILE_BYTES = case["file_bytes"]
    policy.save_merged(folder / name)
    streamed = {name: whole(weight).cpu() for name, weight in policy.merged_parameters()}
    if mesh.first:
        torch.save(streamed, folder / name / "streamed.pt")
    checkpoints = Checkpoints(folder / f"{name}-run", keep=2, mesh=mesh)

    def save(step: int) -> None:
        shards = shards_of(optimizer)
        state = {"step": step}
        checkpoints.save(step, policy.save, {}, state, save_shards=lambda to: save_shards(shards, to))

    save(1)
    for rank in (0, 1):
        told = r"cannot write the checkpoint of step 2 .*resumes from step 1"
        with pytest.raises(TrainingError, match=told), no_room(mesh.rank == rank):
            save(2)
        assert checkpoints.steps() == [1]
    save(3)
    assert checkpoints.steps() == [1, 3]


def main(cases_path: str, folder: str) -> None:
    torch.set_num_threads(1)
    mesh = Mesh(shard=2)
    for name, case in torch.load(cases_path, weights_only=False).items():
        write(name, case, Path(folder), mesh)
    mesh.leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
