"""Sharded models in folders: ordinary ones, written whole or not at all."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.learner.optimizer import optimizer_and_schedule, restore_optimizer
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.shards import load_shards, save_shards
from rlvr_trainers.learner_settings import ModelConfig, OptimizerConfig
from safetensors.torch import load_file

from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.tiny import character_tokenizer
from tests.rlvr_trainers.sharded_saving_rank import one_step
from tests.rlvr_trainers.test_sharding import tiny_mixtral, together

pytestmark = pytest.mark.long

Make = Callable[..., Any]
LORA: dict[str, Any] = {"lora": {"rank": 2, "alpha": 8}}


@pytest.fixture
def cases(tiny_llama: Make, tiny_gpt2: Make) -> dict[str, dict[str, Any]]:
    """A tied model, one in several files, one that is stored in another form than it has, and adapters."""
    tokenizer = character_tokenizer("0123456789>", context=64)

    def case(model: Any, file_bytes: int = 10**9, kind: str = "adamw", **settings: Any) -> dict[str, Any]:
        named: dict[str, Any] = {"model": model, "settings": settings, "file_bytes": file_bytes}
        return {**named, "tokenizer": tokenizer, "kind": kind}

    return {
        "tied": case(tiny_gpt2()),
        "several files": case(tiny_llama(), 20_000),
        "experts": case(tiny_mixtral()),
        "adapter": case(tiny_gpt2(), **LORA),
        "8 bits": case(tiny_llama(), kind="adamw_8bit"),
    }


def test_a_sharded_model_is_saved_sent_and_resumed_as_an_ordinary_one(
    cases: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    torch.save(cases, tmp_path / "cases.pt")
    together("sharded_saving_rank.py", [tmp_path / "cases.pt", tmp_path], 2)
    for name, case in cases.items():
        config = ModelConfig.model_validate({"path": "handed in", **case["settings"]})
        policy = Policy(config, seed=0, loaded=(case["model"], case["tokenizer"]))
        policy.model.double()  # Adam makes steps out of rounding errors where a gradient is zero: smaller ones
        optimizer = one_step(policy, case["kind"], times=2)
        policy.save_merged(tmp_path / f"{name}-whole")
        assert_same_folder(tmp_path / name, tmp_path / f"{name}-whole")
        saved = tmp_path / f"{name}-run" / "checkpoints" / "step-3"
        policy.save(tmp_path / f"{name}-kept")
        assert_same_weights(saved, tmp_path / f"{name}-kept")
        streamed = torch.load(tmp_path / name / "streamed.pt")
        torch.testing.assert_close(streamed, dict(policy.merged_parameters()), rtol=0, atol=1e-6)
        assert_state_is_read(policy, case["kind"], optimizer, saved / "optimizer")
        assert not list(saved.parent.glob(".*"))
    sharded = sorted(path.name for path in (tmp_path / "several files").glob("*.safetensors*"))
    assert sharded == [
        *(f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)),
        "model.safetensors.index.json",
    ]


def assert_same_folder(found: Path, expected: Path) -> None:
    """The same names, to the same values, of the same configuration."""
    assert_same_weights(found, expected)
    assert (found / "config.json").read_text() == (expected / "config.json").read_text()
    torch.testing.assert_close(
        load_model(found)[0].state_dict(), load_model(expected)[0].state_dict(), rtol=0, atol=1e-6
    )


def assert_same_weights(found: Path, expected: Path) -> None:
    """The same names in files, to the same values."""
    one, other = (
        {name: weight for file in folder.glob("*.safetensors") for name, weight in load_file(file).items()}
        for folder in (found, expected)
    )
    assert other
    torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


def assert_state_is_read(policy: Policy, kind: str, optimizer: torch.optim.Optimizer, shards: Path) -> None:
    """One process reads what two wrote of the optimizer's state."""
    settings = OptimizerConfig.model_validate({"learning_rate": 0.01, "kind": kind})
    mine, _ = optimizer_and_schedule(policy.parameters, settings, total_updates=1)
    restore_optimizer(mine, {"param_groups": optimizer.state_dict()["param_groups"], "state": {}}, shards)
    found, expected = mine.state_dict()["state"], optimizer.state_dict()["state"]
    assert found.keys() == expected.keys()
    for index, state in expected.items():
        for name, value in state.items():
            torch.testing.assert_close(found[index][name], value, rtol=0, atol=1e-10)
            assert found[index][name].dtype == value.dtype


class Planted:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "run")


def test_reading_parts_runs_no_code_that_stands_in_them(tmp_path: Path) -> None:
    save_shards({"0.exp_avg": torch.arange(3.0)}, tmp_path / "parts")
    read = load_shards(tmp_path / "parts", lambda _, size: torch.zeros(size))
    assert torch.equal(read["0.exp_avg"], torch.arange(3.0))
    (tmp_path / "parts" / ".metadata").write_bytes(pickle.dumps(Planted(tmp_path / "planted")))
    with pytest.raises(pickle.UnpicklingError, match="has no place in a checkpoint"):
        load_shards(tmp_path / "parts", lambda _, size: torch.zeros(size))
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("name", [".metadata", "__0_0.distcp"])
def test_parts_that_are_damaged_or_missing_are_an_error_and_no_other_values(
    tmp_path: Path, name: str
) -> None:
    save_shards({"0.exp_avg": torch.arange(3.0)}, tmp_path)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises((OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError)):
        load_shards(tmp_path, lambda _, size: torch.zeros(size))
