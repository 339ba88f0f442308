"""Weights in parts: the same training as of one process, whatever number of processes holds whatever parts."""

import copy
import functools
import os
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.mesh import Mesh
from transformers import Gemma2Config, Gemma2ForCausalLM, MixtralConfig, MixtralForCausalLM

from rlvr_gym import Rollout
from rlvr_gym.generation.tiny import character_tokenizer
from tests import warm
from tests.rlvr_trainers.batches import credited
from tests.rlvr_trainers.sharded_rank import three_steps

pytestmark = pytest.mark.long

Cases = dict[str, dict[str, Any]]
Make = Callable[..., Any]
LAYOUTS = {"2 replicated": (2, 1), "2 sharded": (2, 2), "2 x 2": (4, 2)}
"""Processes, and those of them that hold one replica."""

UNEVEN = [10_000_000, 5_000_000] * 2
"""Bytes that processes have for a pass."""

EVERYWHERE = ("llama", "one microbatch", "tied", "float32", "prefixes, tied", "measured")
"""Cases of every layout; the others are of two processes that share one replica."""


def ranks_of(
    script: str, arguments: Sequence[object], processes: int, seconds: float = 240
) -> list[tuple[int, str]]:
    """Run `script` in so many processes of one group: (exit status, output) of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    python = str(warm.commands(**warm.ONE_THREAD) / "python")
    command = [python, str(Path(__file__).with_name(script)), *map(str, arguments)]
    group = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, **warm.ONE_THREAD}
    ranks = [
        subprocess.Popen(
            command,
            env={**os.environ, **group, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        said = [rank.communicate(timeout=seconds)[0] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    return [(rank.returncode, output) for rank, output in zip(ranks, said, strict=True)]


def together(script: str, arguments: Sequence[object], processes: int) -> None:
    """Run `script` in so many processes of one group; one that fails fails the test."""
    outcomes = ranks_of(script, arguments, processes)
    assert [status for status, _ in outcomes] == [0] * processes, "\n".join(output for _, output in outcomes)


def tiny_gemma() -> Gemma2ForCausalLM:
    """Logits of its own making: capped at 30 by a tanh."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {"vocab_size": 23, "hidden_size": 16, "intermediate_size": 24, "head_dim": 8}
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 2}
    return Gemma2ForCausalLM(Gemma2Config(**shape | heads, initializer_range=0.4)).eval()


def tiny_mixtral() -> MixtralForCausalLM:
    """Experts that not every process's tokens reach."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 23,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
    }
    heads: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2, "num_local_experts": 8}
    eager: dict[str, Any] = {"experts_implementation": "eager"}  # the only one in float64
    config = MixtralConfig(**shape | heads | eager, initializer_range=0.4)
    return MixtralForCausalLM(config).eval()


@pytest.fixture
def cases(tiny_llama: Make, tiny_gpt2: Make, mixed_rollouts: tuple[list[Rollout], list[int]]) -> Cases:
    """Steps over 6, 5 and 1 of sequences that are uneven, partly unscored and partly filtered."""
    groups = [0] * 6 + [1] * 5 + [2]
    tokens = TokenBatch.of_rollouts(mixed_rollouts[0], groups, filter_truncated=True)
    wave = torch.sin(torch.arange(tokens.mask_BT.numel(), dtype=torch.float64)).view(tokens.mask_BT.shape)
    tables = {"old_logprobs_BT": -3 + wave, "ref_logprobs_BT": -3 - wave}
    batch = credited(tokens, [(-1.0) ** i * (i + 1) for i in range(12)], **tables)
    loss = {
        "kl_coefficient": 0.1,
        "entropy_coefficient": 0.01,
        "clip_high": 0.28,
        "aggregation": "token_mean",
    }

    def case(
        model: Any,
        weights: torch.dtype = torch.float64,
        budget: int | str = 24,
        kind: str = "adamw",
        **settings: Any,
    ) -> dict[str, Any]:
        tokenizer = character_tokenizer("0123456789>", context=64)
        named: dict[str, Any] = {"model": model, "dtype": weights, "budget": budget, "settings": settings}
        named |= {"worth": plan.WORTH_OPERATIONS, "save_compute": True}
        return {**named, "tokenizer": tokenizer, "batch": batch, "loss": loss, "kind": kind}

    lora: dict[str, Any] = {"lora": {"rank": 2, "alpha": 8}}
    return {
        "llama": case(tiny_llama()),
        "one microbatch": case(tiny_llama(), budget=10_000),
        "tied": case(tiny_gpt2()),
        "capped": case(tiny_gemma()),
        "experts": case(tiny_mixtral()),
        "adapter": case(tiny_llama(), **lora),
        "recomputed": case(tiny_llama(), gradient_checkpointing=True),
        "recomputed adapter": case(tiny_gpt2(), gradient_checkpointing=True, **lora),
        "8 bits": case(tiny_llama(), kind="adamw_8bit"),
        "float32": case(tiny_llama(), torch.float32),
        "bfloat16": case(tiny_llama(), torch.float32, dtype="bfloat16"),
        "measured": {**case(tiny_llama(), budget="auto"), "available": UNEVEN},
        "measured, tied, adapter": {
            **case(tiny_gpt2(), budget="auto", **lora),
            "available": [10_000_000, 5_000_000] * 2,
        },
        "measured, bfloat16": case(
            tiny_llama(), torch.float32, budget="auto", dtype="bfloat16", gradient_checkpointing=True
        ),
        "measured, experts": case(tiny_mixtral(), budget="auto"),
        "prefixes": {**case(tiny_llama(), budget=60), **of_long_prompts()},
        "prefixes, tied": {**case(tiny_gpt2(), budget=10_000), **of_long_prompts()},
    }


def of_long_prompts() -> dict[str, Any]:
    """Steps over groups of 5, 4 and 3 with prompts of 16 tokens; some samples have no gradient, and one group none."""
    rng = np.random.default_rng(3)
    sizes = (5, 4, 3)
    prompts = [prompt for count in sizes for prompt in [rng.integers(0, 23, 16).tolist()] * count]
    completions = [rng.integers(0, 23, int(length)).tolist() for length in rng.integers(1, 9, 12)]
    tokens = TokenBatch.of_sequences(
        prompts,
        completions,
        masks=[[True] * len(c) for c in completions],
        logprobs=[[-3.0] * len(c) for c in completions],
        groups=[group for group, count in enumerate(sizes) for _ in range(count)],
        scored=[True] * 12,
    )
    advantages = [1.0, -1.0, 0.0, 2.0, -2.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0]
    return {"batch": credited(tokens, advantages), "loss": {"aggregation": "token_mean"}, "worth": 0.0}


def test_processes_with_shards_compute_common_prefixes_once(cases: Cases, tmp_path: Path) -> None:
    case = cases["prefixes"]
    some = {"saving": case, "plain": {**case, "save_compute": False, "model": copy.deepcopy(case["model"])}}
    torch.save(some, tmp_path / "cases.pt")
    together("sharded_rank.py", [tmp_path / "cases.pt", tmp_path / "result.pt", 2], 2)
    results = torch.load(tmp_path / "result.pt")
    assert results["saving"]["shown"] < 0.7 * results["plain"]["shown"]


TOLERANCES = {"float32": 2e-5, "bfloat16": 2e-2, "capped": 1e-7, "experts": 1e-7, "prefixes": 1e-6}
TOLERANCES |= {"measured, bfloat16": 2e-2, "measured, experts": 1e-7}
"""Largest difference of other cases than those computed in float64 alone, which are held to 1e-10."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_weights_and_metrics_are_those_of_one_process(
    cases: Cases, layout: str, tmp_path: Path
) -> None:
    processes, shard = LAYOUTS[layout]
    some = {name: case for name, case in cases.items() if name in EVERYWHERE or layout == "2 sharded"}
    torch.save(some, tmp_path / "cases.pt")
    together("sharded_rank.py", [tmp_path / "cases.pt", tmp_path / "result.pt", shard], processes)
    results = torch.load(tmp_path / "result.pt")
    for name, case in some.items():
        found, expected = results[name], three_steps(case, Mesh())
        tolerance = TOLERANCES.get(name, 1e-10)
        close = functools.partial(
            torch.testing.assert_close, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
        close(found["gradients"], expected["gradients"], atol=tolerance)
        close(found["weights"], expected["weights"], atol=tolerance)
        close(found["logprobs"], expected["logprobs"], atol=max(1e-5, 10 * tolerance))
        assert found["metrics"] == pytest.approx(expected["metrics"], rel=max(1e-9, 10 * tolerance)), name
        assert max(float(gradient.abs().max()) for gradient in expected["gradients"]) > 1e-3
        assert found["held"] <= expected["held"] / shard + 64, name  # short weights are padded


def test_a_budget_is_the_least_that_a_process_finds_for_its_part(cases: Cases, tmp_path: Path) -> None:
    available = {"uneven": [8, 4], "little": [4, 4], "much": [8, 8]}
    some = {
        name: {**copy.deepcopy(cases["measured"]), "available": [1_000_000 * each for each in megabytes]}
        for name, megabytes in available.items()
    }
    torch.save(some, tmp_path / "cases.pt")
    together("sharded_rank.py", [tmp_path / "cases.pt", tmp_path / "result.pt", 2], 2)
    results = torch.load(tmp_path / "result.pt")
    uneven, little, much = (results[name]["budgets"] for name in available)
    assert uneven == little == [little[0]] * 2
    assert much == [much[0]] * 2
    assert 2 * little[0] <= much[0]


def test_too_little_memory_in_one_process_ends_all_of_them(cases: Cases, tmp_path: Path) -> None:
    torch.save({"little": {**cases["measured"], "available": [10_000_000, 100_000]}}, tmp_path / "cases.pt")
    outcomes = ranks_of("sharded_rank.py", [tmp_path / "cases.pt", tmp_path / "result.pt", 2], 2, seconds=60)
    assert [status for status, _ in outcomes] == [1, 1]
    assert all("of available memory is less than gradients" in output for _, output in outcomes)
