"""A token budget that is found by measuring keeps the peak below a share of the memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.learner.layout.budget import SHARE, _LiveBytes, token_budget
from rlvr_trainers.learner.logprobs import token_logprobs
from rlvr_trainers.learner_settings import BatchConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_gym import TrainingError
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.memory import _of_control_group, available_memory_bytes

Make = Callable[..., Any]


def test_a_pass_of_as_many_tokens_as_were_found_stays_below_the_share(tiny_llama: Make):
    model = tiny_llama(max_position_embeddings=128).float()
    available = 80_000_000
    tokens = token_budget(model.model, model.lm_head.weight, available_bytes=available)
    assert all(p.grad is None for p in model.parameters())
    with _LiveBytes() as live:
        ids = torch.ones(tokens // 64, 64, dtype=torch.long)
        model.model(input_ids=ids, use_cache=False).last_hidden_state.sum().backward()
    assert SHARE * available / 4 < live.peak < SHARE * available


def test_bytes_of_tensors_that_are_gone_are_not_counted():
    with _LiveBytes() as live:
        for _ in range(3):
            one = torch.ones(1000)
            two = one + 1
            two.view(10, 100)  # no memory of its own
            two.add_(1)  # nor this
            del one, two
    assert live.peak == 8000


def test_twice_the_memory_gives_twice_the_tokens_and_too_little_is_an_error(tiny_llama: Make):
    model = tiny_llama().float()
    one, two = (
        token_budget(model.model, model.lm_head.weight, available_bytes=m) for m in (40_000_000, 80_000_000)
    )
    assert two == 2 * one
    with pytest.raises(TrainingError, match=r"auto: 50% of 0\.00 GB of available memory is less"):
        token_budget(model.model, model.lm_head.weight, available_bytes=1000)


def test_the_limit_of_a_control_group_counts_where_there_is_one(tmp_path: Path):
    (tmp_path / "memory.current").write_text("300\n")
    (tmp_path / "memory.stat").write_text("anon 200\ninactive_file 50\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert _of_control_group(tmp_path) == []
    (tmp_path / "memory.max").write_text("1000\n")
    assert _of_control_group(tmp_path) == [750]
    assert available_memory_bytes() > 1_000_000


def test_a_run_finds_its_own_budget(tmp_path: Path):
    settings = (
        "batch.microbatch_tokens=auto", "batch.prompts=2", "batch.group_size=2", "run.steps=1", "eval=null",
        "model.path=tiny:0123456789>", "sampling.max_tokens=4", "env.id=reverse", "env.digits=2",
        "env.style=symbols", "env.reward=per_digit", f"run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    trainer = Trainer(load_recipe("grpo", parse_overrides(settings)))
    trainer.run()
    assert trainer.learner._budget_tokens() > 1000
    assert [row["step"] for row in read_lines(tmp_path / "run" / "metrics.jsonl")][-1] == 1


def test_a_budget_is_a_number_of_tokens_or_auto():
    assert BatchConfig(microbatch_tokens="auto").microbatch_tokens == "auto"
    for wrong in (0, "all"):
        with pytest.raises(ValueError, match="microbatch_tokens"):
            BatchConfig.model_validate({"microbatch_tokens": wrong})


def logits_alive(vocabulary: int) -> int:
    """The most bytes that log-probabilities of 1,024 tokens and their gradient take, beyond weights and gradients."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=1100, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    batch = TokenBatch.of_sequences(
        [[5]], [[6] * 1024], masks=[[True] * 1024], logprobs=[[0.0] * 1024], groups=[0], scored=[True]
    )
    with _LiveBytes() as live:
        logprobs, _ = token_logprobs(model, batch, temperature=1.0)
        logprobs.sum().backward()
    return live.peak - 3 * 4 * 8 * vocabulary


def test_four_times_the_vocabulary_does_not_take_four_times_the_memory_of_logits():
    small, large = logits_alive(1 << 15), logits_alive(1 << 17)
    assert small > 4 * (1 << 23)  # a chunk of logits is seen at all
    assert large < 1.2 * small
