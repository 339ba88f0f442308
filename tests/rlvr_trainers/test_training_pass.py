"""Compiled layers compute what layers compute, in training passes alone; activations come back as they left."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner import training_pass
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.training_pass import activations_on_cpu
from rlvr_trainers.learner_settings import ModelConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym import ConfigError, Rollout
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.tiny import character_tokenizer

Make = Callable[..., Any]
Rollouts = tuple[list[Rollout], list[int]]
TOKENIZER = character_tokenizer("0123456789>", context=64)


def policy_of(model: Any, **settings: Any) -> Policy:
    config = ModelConfig.model_validate({"path": "handed in", **settings})
    return Policy(config, seed=0, loaded=(model, TOKENIZER))


def gradients(policy: Policy, batch: TokenBatch) -> dict[str, torch.Tensor]:
    policy.model.zero_grad()
    logprobs_BT, entropy_BT = policy.logprobs(batch, temperature=0.7, with_entropy=True)
    assert entropy_BT is not None
    wave_BT = torch.cos(torch.arange(logprobs_BT.numel())).view_as(logprobs_BT)
    (wave_BT * logprobs_BT + 0.3 * entropy_BT).sum().backward()
    return {name: w.grad.clone() for name, w in policy.model.named_parameters() if w.grad is not None}


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Graphs that were compiled: by the compiler's front end alone, which takes no time."""
    graphs: list[Any] = []
    compile_with = torch.compile

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda f, **how: compile_with(f, backend=backend, **how))
    training_pass._compiled_class.cache_clear()
    torch.compiler.reset()
    yield graphs
    training_pass._compiled_class.cache_clear()
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"gradient_checkpointing": True}, {"lora": {"rank": 2}}])
def test_gradients_of_compiled_layers_are_those_of_layers(
    more: dict[str, Any], tiny_llama: Make, mixed_rollouts: Rollouts
) -> None:
    every, groups = mixed_rollouts
    compiled = policy_of(tiny_llama().float(), compile=True, **more)
    plain = policy_of(tiny_llama().float(), **more)
    for rows in (slice(0, 12), slice(2, 7), slice(3, 4)):
        batch = TokenBatch.of_rollouts(every[rows], groups[rows])
        found, expected = gradients(compiled, batch), gradients(plain, batch)
        assert found.keys() == expected.keys()
        for name, grad in expected.items():
            torch.testing.assert_close(found[name], grad, rtol=1e-4, atol=2e-5 * float(grad.abs().max()))


def test_a_training_pass_is_compiled_and_a_samplers_is_not(
    entered: list[Any], tiny_llama: Make, mixed_rollouts: Rollouts
) -> None:
    policy = policy_of(tiny_llama().float(), compile=True)
    tried = len(entered)
    with torch.no_grad():
        policy.model(input_ids=torch.tensor([[5, 6, 7]]))
    policy.token_budget()
    assert len(entered) == tried == 1
    gradients(policy, TokenBatch.of_rollouts(*mixed_rollouts))
    assert len(entered) > tried


def test_a_frozen_copy_is_compiled_with_its_own_weights(
    entered: list[Any], tiny_llama: Make, mixed_rollouts: Rollouts
) -> None:
    policy, batch = policy_of(tiny_llama().float(), compile=True), TokenBatch.of_rollouts(*mixed_rollouts)
    frozen = policy.frozen_copy()
    with torch.no_grad():
        before, _ = frozen.logprobs(batch, temperature=1.0)
        for weight in policy.parameters:
            weight.add_(0.1)
        count = len(entered)
        after, _ = frozen.logprobs(batch, temperature=1.0)
        moved, _ = policy.logprobs(batch, temperature=1.0)
    assert count > 1
    assert torch.equal(before, after)
    assert not torch.allclose(before, moved)


def test_a_compiled_model_trains_samples_is_saved_and_resumed(entered: list[Any], tmp_path: Path) -> None:
    settings = [
        *["model.path=tiny:0123456789>", "model.compile=true", "env.id=reverse", "env.digits=2"],
        *[
            "env.style=symbols",
            "env.reward=per_digit",
            "sampling.max_tokens=4",
            "batch.prompts=4",
            "eval=null",
        ],
        *[
            "batch.group_size=4",
            "optimizer.learning_rate=1e-3",
            f"run.dir={tmp_path}",
            "algorithm.kl_coefficient=0.1",
        ],
    ]
    for steps in (1, 2):
        Trainer(load_recipe("dr_grpo", parse_overrides([*settings, f"run.steps={steps}"]))).run()
    rows = list(read_lines(tmp_path / "metrics.jsonl"))[1:]
    assert len(entered) > 1
    assert all(row["sampler/mismatch"] < 1e-5 and row["grad_norm"] > 0 for row in rows)


def test_without_a_compiler_the_run_does_not_begin(tmp_path: Path) -> None:
    # In a process of its own: one that has compiled before remembers its compiler.
    program = (
        "from rlvr_trainers.learner.policy import Policy; from rlvr_trainers.learner_settings import ModelConfig; "
        "Policy(ModelConfig(path='tiny', compile=True, device='cpu'), seed=0)"
    )
    place = {"CXX": "no-such-compiler", "PATH": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **place, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    last = ended.stderr.strip().splitlines()[-1]
    assert re.search(r"ConfigError: model\.compile needs a compiler .* leave model\.compile=false", last), (
        last
    )


def test_a_model_without_layers_is_not_compiled() -> None:
    with pytest.raises(ConfigError, match=r"model\.compile: Linear has no decoder layers"):
        training_pass.compile_layers(torch.nn.Linear(2, 2), torch.device("cpu"))


def test_compiled_layers_are_not_sharded() -> None:
    settings = parse_overrides(["model.path=tiny", "env.id=reverse", "model.compile=true", "mesh.shard=2"])
    with pytest.raises(ConfigError, match=r"model\.compile compiles whole layers, and mesh\.shard=2 splits"):
        load_recipe("grpo", settings)


@pytest.mark.parametrize("recomputed", [False, True])
def test_activations_that_went_away_come_back_for_the_same_gradients(
    recomputed: bool, tiny_llama: Make, mixed_rollouts: Rollouts, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = TokenBatch.of_rollouts(*mixed_rollouts)
    policy = policy_of(tiny_llama().float(), gradient_checkpointing=recomputed)
    expected = gradients(policy, batch)
    monkeypatch.setattr(training_pass, "LEAST_BYTES", 64)
    sent: list[int] = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **how: sent.append(1) or empty(*size, **how))
    with activations_on_cpu():
        found = gradients(policy, batch)
    assert len(sent) > 4
    for name, grad in expected.items():
        assert torch.equal(found[name], grad)


def test_activations_of_a_model_on_the_cpu_are_refused_another_place(tiny_llama: Make) -> None:
    with pytest.raises(ConfigError, match=r"the model is on the CPU: .* model\.gradient_checkpointing=true"):
        policy_of(tiny_llama().float(), offload_activations=True, device="cpu")
