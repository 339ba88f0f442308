"""The model in training: where its weights lie, what it computes in, and what must not be on in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.config import ModelConfig
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import GPT2Config, GPT2LMHeadModel

from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.tiny import character_tokenizer

SMALL = [
    *["env.id=reverse", "env.digits=2", "env.style=symbols", "env.reward=per_digit", "sampling.max_tokens=4"],
    *["batch.prompts=4", "batch.group_size=8", "optimizer.learning_rate=1e-3", "run.steps=2"],
]


def run(recipe: str, run_dir: Path, *more: str) -> list[dict[str, Any]]:
    """The metrics of a short run."""
    Trainer(load_recipe(recipe, parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))).run()
    return list(read_lines(run_dir / "metrics.jsonl"))


@pytest.fixture
def dropout_model(tmp_path: Path) -> Path:
    """A small GPT-2 whose configuration drops out a third of everything."""
    torch.manual_seed(0)
    tokenizer = character_tokenizer("0123456789>", context=64)
    rates: dict[str, Any] = {"resid_pdrop": 0.3, "embd_pdrop": 0.3, "attn_pdrop": 0.3}
    shape: dict[str, Any] = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    ids: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    GPT2LMHeadModel(GPT2Config(**rates | shape | ids)).save_pretrained(tmp_path / "dropout")
    tokenizer.save_pretrained(tmp_path / "dropout")
    return tmp_path / "dropout"


@pytest.mark.parametrize("recompute", ["false", "true"])
def test_a_model_configured_with_dropout_is_trained_and_sampled_without(
    dropout_model: Path, tmp_path: Path, recompute: str
) -> None:
    more = [f"model.path={dropout_model}", f"model.gradient_checkpointing={recompute}"]
    for row in run("dr_grpo", tmp_path / "run", *more)[1:]:
        assert row["ratio/mean"] == row["ratio/max"] == 1.0
        assert row["sampler/mismatch"] < 1e-5


def test_bfloat16_trains_with_a_mismatch_that_the_default_limit_allows(tmp_path: Path) -> None:
    more = ["model.path=tiny:0123456789>", "model.dtype=bfloat16", "sampling.max_tokens=60"]
    rows = run("dr_grpo", tmp_path, *more)
    assert all(1e-6 < row["sampler/mismatch"] < 0.05 for row in rows[1:])
    assert all(row["grad_norm"] > 0 for row in rows[1:])
    weights = Policy(ModelConfig(path=str(tmp_path / "model")), seed=0).model.parameters()
    assert all(weight.dtype == torch.float32 for weight in weights)


def test_an_adapter_trains_in_bfloat16_with_recomputed_activations_and_several_updates(
    tmp_path: Path,
) -> None:
    more = ["model.path=tiny:0123456789>", "model.dtype=bfloat16", "model.gradient_checkpointing=true"]
    rows = run("grpo", tmp_path, *more, "model.lora.rank=4", "batch.epochs=2")
    assert all(row["grad_norm"] > 0 and row["sampler/mismatch"] < 0.05 for row in rows[1:])


def test_an_adapter_begins_as_its_seed_says() -> None:
    def adapter(seed: int) -> Sequence[torch.Tensor]:
        config = ModelConfig.model_validate({"path": "tiny", "lora": {"rank": 4}})
        return Policy(config, seed=seed).parameters

    def same(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
        return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    state = torch.get_rng_state()
    assert same(adapter(1), adapter(1))
    assert not same(adapter(1), adapter(2))
    assert torch.equal(torch.get_rng_state(), state)


def test_weights_read_from_a_folder_lie_where_pytorch_aligns_them(dropout_model: Path) -> None:
    policy = Policy(ModelConfig(path=str(dropout_model)), seed=0)
    assert all(weight.data_ptr() % 64 == 0 for weight in policy.model.parameters())
    assert str(dropout_model) not in Path("/proc/self/maps").read_text()
    assert policy.model.lm_head.weight is policy.model.transformer.wte.weight


def test_loading_and_saving_print_nothing(
    dropout_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run("dr_grpo", tmp_path / "run", f"model.path={dropout_model}", "run.steps=1")
    assert capfd.readouterr() == ("", "")


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"model\.device=cuda:7 cannot be used: .*possible here: auto, cpu"):
        Policy(ModelConfig(path="tiny", device="cuda:7"), seed=0)


def test_lora_targets_that_the_model_lacks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.lora\.targets=.*does not fit this model"):
        Policy(ModelConfig.model_validate({"path": "tiny", "lora": {"targets": ["no_such_layer"]}}), seed=0)
