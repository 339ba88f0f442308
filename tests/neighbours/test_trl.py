"""TRL's own trainer on exported environments."""

from __future__ import annotations

import math
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.generation.tiny import tiny_model
from tests.neighbours.environments import FAULT, made

pytestmark = [pytest.mark.neighbours, pytest.mark.filterwarnings("ignore")]
"""Warnings of TRL and of those below it are no business of ours."""


@pytest.fixture(scope="module")
def trl(neighbour: Callable[[str], Any]) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
        yield neighbour("trl")


@pytest.fixture(scope="module")
def rewards_py(trl: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Any]]:
    """Runs the file that was written for an environment."""

    def run(name: str) -> dict[str, Any]:
        folder = rg.export.trl(made(name)).write(tmp_path_factory.mktemp("trl") / name)
        return runpy.run_path(str(folder / "rewards.py"))

    return run


def chatting(trl: Any) -> tuple[Any, Any]:
    """A tiny model whose template knows tools, and whose calls TRL reads: Qwen's."""
    model, tokenizer = tiny_model(seed=0, context=4096)
    tokenizer.add_special_tokens({"eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = (Path(trl.__file__).parent / "chat_templates" / "qwen3.jinja").read_text(
        "utf-8"
    )
    model.resize_token_embeddings(len(tokenizer))
    for config in (model.config, model.generation_config):
        config.eos_token_id = tokenizer.eos_token_id
    return model, tokenizer


def trained(
    trl: Any,
    exported: dict[str, Any],
    folder: Path,
    *,
    reward: Any = None,
    trainer: Any = None,
    length: int = 12,
) -> Any:
    """Two steps of GRPO on a tiny model, on a CPU."""
    factory = exported["environment_factory"]
    model, tokenizer = tiny_model(seed=0, context=512) if factory is None else chatting(trl)
    arguments = trl.GRPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=length,
        max_steps=2,
        logging_steps=1,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
    )
    made = (trainer or trl.GRPOTrainer)(
        model=model,
        processing_class=tokenizer,
        reward_funcs=reward or exported["reward"],
        train_dataset=exported["dataset"],
        environment_factory=factory,
        args=arguments,
    )
    made.train()
    return made


def test_two_steps_of_grpo_on_an_exported_environment(trl: Any, rewards_py: Any, tmp_path: Path) -> None:
    trainer = trained(trl, rewards_py("sums"), tmp_path)
    logged = [row for row in trainer.state.log_history if "reward" in row]
    assert len(logged) == 2
    assert all(0 <= row["rewards/reward/mean"] <= 1 and row["unscored"] == 0 for row in logged)


def test_what_could_not_be_judged_is_left_out_of_trl_s_mean_and_of_its_gradient(
    trl: Any, rewards_py: Any, tmp_path: Path
) -> None:
    exported = rewards_py("sums")
    told: list[list[float | None]] = []

    def reward(completions: Any, **columns: Any) -> list[float | None]:
        said = [FAULT if place % 4 == 0 else f"\\boxed{{{2 * place}}}" for place in range(len(completions))]
        told.append(exported["reward"](completions=said, **columns))
        return told[-1]

    trainer = trained(trl, exported, tmp_path, reward=reward)
    logged = [row for row in trainer.state.log_history if "reward" in row]
    for row, rewards in zip(logged, told, strict=True):
        assert rewards[0] is None
        scored = [one for one in rewards if one is not None]
        assert row["reward"] == pytest.approx(sum(scored) / len(scored))
        assert row["unscored"] == 0.25
        assert math.isfinite(row["grad_norm"])


CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call><|im_end|>'


def test_two_steps_of_grpo_in_which_trl_calls_the_tools(trl: Any, rewards_py: Any, tmp_path: Path) -> None:
    heard: list[str] = []

    class Scripted(trl.GRPOTrainer):
        """Calls a tool first; then two of four answer right, one does not, and one cannot be judged."""

        def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
            texts = [self.processing_class.decode(ids) for ids in prompt_ids]
            heard.extend(texts)
            said = [self._said(place, text) for place, text in enumerate(texts)]
            return [self.processing_class(text).input_ids for text in said], None

        def _said(self, place: int, prompt: str) -> str:
            if "<tool_response>" not in prompt:
                return CALL
            number = int(prompt.rpartition("What is ")[2].split()[0])
            return (f"\\boxed{{{2 * number}}}", f"\\boxed{{{2 * number}}}", "No.", FAULT)[
                place % 4
            ] + "<|im_end|>"

    trainer = trained(trl, rewards_py("desk"), tmp_path, trainer=Scripted, length=600)
    logged = [row for row in trainer.state.log_history if "reward" in row]
    assert [row["reward"] for row in logged] == [pytest.approx(2 / 3)] * 2
    assert [row["unscored"] for row in logged] == [0.25] * 2
    assert all(row["tools/call_frequency"] == 1 and row["tools/failure_frequency"] == 0 for row in logged)
    assert '"name": "count"' in heard[0]
    assert "<tool_response>\n3\n</tool_response>" in heard[4]
    assert {tool.__name__ for tool in trainer.tools} == {"add", "crash", "count"}


def test_the_training_script_is_one_that_python_runs(trl: Any, tmp_path: Path) -> None:
    model, tokenizer = tiny_model(seed=0, context=512)
    model.save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    folder = rg.export.trl(made("sums", count=8)).write(tmp_path / "out")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "argv", ["train.py", str(tmp_path / "tiny"), "1"])
        patch.setitem(os.environ, "ACCELERATE_USE_CPU", "1")
        runpy.run_path("train.py", run_name="__main__")
    assert (folder / "trained" / "model.safetensors").exists()
