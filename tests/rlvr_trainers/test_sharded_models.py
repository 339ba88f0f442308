"""Critics, reward models and teachers in parts: the same training as of one process."""

import copy
import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.layout import plan
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.settings import OverlongConfig, RewardConfig

from rlvr_gym import Rollout
from rlvr_gym.generation.tiny import character_tokenizer
from tests.rlvr_trainers.batches import credited
from tests.rlvr_trainers.sharded_models_rank import three_steps
from tests.rlvr_trainers.test_sharding import of_long_prompts, tiny_gemma, together

pytestmark = pytest.mark.long

Cases = dict[str, dict[str, Any]]
Make = Callable[..., Any]
LAYOUTS = {"2 sharded": (2, 2), "2 x 2": (4, 2)}
"""Processes, and those of them that hold one replica."""

QUICK = ("critic", "critic head, tied", "reward", "steps", "student")
CHUNKS = ("capped", "student of a capped teacher")
"""Heads of the models' own making, in chunks of which processes have different numbers."""

TOLERANCES = {
    **{"critic, float32": 2e-5, "critic, tied, prefixes": 1e-6, "critic head, prefixes": 1e-6},
    **{"capped": 1e-7, "student of a capped teacher": 1e-7, "capped student, recomputed": 1e-7},
}
"""Largest difference of other cases than those computed in float64 alone, which are held to 1e-10."""

AROUND = Surroundings(
    reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=13, updates_per_step=3, decode=str
)


def valued(tokens: TokenBatch) -> CreditedBatch:
    """A step whose old values and returns are given by hand."""
    wave = torch.sin(torch.arange(tokens.mask_BT.numel(), dtype=torch.float64)).view(tokens.mask_BT.shape)
    return credited(tokens, [0.0] * tokens.size, values_BT=wave / 2, returns_BT=1 - wave)


def labelled(tokens: TokenBatch) -> CreditedBatch:
    """A step whose labels, shares from 0 to 1, are given by hand."""
    wave = torch.sin(torch.arange(tokens.mask_BT.numel(), dtype=torch.float64)).view(tokens.mask_BT.shape)
    return dataclasses.replace(credited(tokens, [0.0] * tokens.size), advantages_BT=(1 + wave) / 2)


@pytest.fixture
def cases(tiny_llama: Make, tiny_gpt2: Make, mixed_rollouts: tuple[list[Rollout], list[int]]) -> Cases:
    """Steps over 6, 5 and 1 of sequences that are uneven, partly unscored and partly filtered."""
    rollouts, groups = mixed_rollouts[0], [0] * 6 + [1] * 5 + [2]
    tokens = TokenBatch.of_rollouts(rollouts, groups, filter_truncated=True)
    pairs = RewardModelling(pairs=2).build(AROUND)
    in_pairs = pairs.tokens(rollouts, groups)
    paired = pairs.credit(
        rollouts, pairs.score(in_pairs, lambda *_, **__: pytest.fail("no model has a part"))
    )
    tokenizer = character_tokenizer("0123456789>", context=64)

    def case(trains: str, model: Any, batch: CreditedBatch, **more: Any) -> dict[str, Any]:
        named = {"trains": trains, "model": model, "batch": batch, "tokenizer": tokenizer, "settings": {}}
        return {
            **named,
            "dtype": torch.float64,
            "budget": 40,
            "chunk": 512,
            "kind": "adamw",
            "worth": plan.WORTH_OPERATIONS,
            **more,
        }

    values, long = valued(tokens), valued(of_long_prompts()["batch"].tokens)
    lora: dict[str, Any] = {"settings": {"lora": {"rank": 2, "alpha": 8}, "gradient_checkpointing": True}}
    few: dict[str, Any] = {"chunk": 6}
    return {
        "critic": case("critic", tiny_llama(), values),
        "critic, tied, prefixes": case("critic", tiny_gpt2(), long, budget=60, worth=0.0),
        "critic, float32": case("critic", tiny_llama(), values, dtype=torch.float32),
        "critic of an adapter": case("critic", tiny_llama(), values, **lora),
        "critic, 8 bits": case("critic", tiny_gpt2(), values, kind="adamw_8bit"),
        "critic head, prefixes": case("critic head", tiny_llama(), long, budget=60, worth=0.0),
        "critic head, tied": case("critic head", tiny_gpt2(), values),
        "reward": case("reward", tiny_llama(), paired),
        "reward, tied": case("reward", tiny_gpt2(), paired, budget=10_000),
        "reward of an adapter": case("reward", tiny_llama(), paired, **lora),
        "steps": case("steps", tiny_llama(), labelled(tokens)),
        "student": case("student", tiny_llama(), values, teacher=tiny_gpt2(), **few),
        "student of a capped teacher": case("student", tiny_llama(), values, teacher=tiny_gemma(), **few),
        "capped student, recomputed": case(
            "student",
            tiny_gemma(),
            values,
            teacher=tiny_gpt2(),
            settings={"gradient_checkpointing": True},
            **few,
        ),
        "capped": case("policy", tiny_gemma(), values, chunk=3),
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_weights_and_metrics_are_those_of_one_process(
    cases: Cases, layout: str, tmp_path: Path
) -> None:
    assert_same_as_alone({name: cases[name] for name in QUICK}, *LAYOUTS[layout], tmp_path)


@pytest.mark.slow
def test_adapters_shared_prefixes_and_other_kinds_of_models_are_trained_as_by_one_process(
    cases: Cases, tmp_path: Path
) -> None:
    assert_same_as_alone(
        {name: cases[name] for name in cases if name not in (*QUICK, *CHUNKS)}, 2, 2, tmp_path
    )


def test_processes_with_fewer_chunks_of_logits_than_others_keep_none_waiting(
    cases: Cases, tmp_path: Path
) -> None:
    assert_same_as_alone({name: cases[name] for name in CHUNKS}, 2, 2, tmp_path)


def assert_same_as_alone(some: Cases, processes: int, shard: int, tmp_path: Path) -> None:
    """Take the steps of each case in so many processes, which end where one process does."""
    torch.save(some, tmp_path / "cases.pt")
    together("sharded_models_rank.py", [tmp_path / "cases.pt", tmp_path / "result.pt", shard], processes)
    results = torch.load(tmp_path / "result.pt")
    for name, case in some.items():
        found, expected = results[name], three_steps(copy.deepcopy(case), Mesh())
        tolerance = TOLERANCES.get(name, 1e-10)
        close = functools.partial(
            torch.testing.assert_close, rtol=0, msg=lambda text, name=name: f"{name}: {text}"
        )
        close(found["gradients"], expected["gradients"], atol=tolerance)
        close(found["weights"], expected["weights"], atol=tolerance)
        close(found["numbers"], expected["numbers"], atol=max(1e-5, 10 * tolerance))
        assert found["metrics"] == pytest.approx(expected["metrics"], rel=max(1e-9, 10 * tolerance)), name
        assert sum(float(gradient.abs().max()) > 1e-3 for gradient in expected["gradients"]) > 2, name
        assert found["held"] <= expected["held"] / shard + 64, name  # short weights are padded
        assert found["left"] == expected["left"] == 0, name
