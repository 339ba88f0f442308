"""Training on samples that another model drafts: nothing changes but the cost."""

from pathlib import Path

import pytest
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.figures import draft_metrics
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.errors import ConfigError
from rlvr_gym.files import read_lines
from rlvr_gym.generation.base import DraftCounts
from tests.rlvr_trainers.test_metrics_page import PAGE, named

SMALL = [
    "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols", "env.reward=per_digit",
    "sampling.max_tokens=6", "batch.prompts=8", "batch.group_size=8", "batch.minibatches=2",
    "optimizer.learning_rate=1e-3", "run.steps=3", "dynamic_sampling=null", "eval=null",
]  # fmt: skip
DRAFT = ["generator.draft=tiny:0123456789>", "generator.draft_tokens=3"]


def config(run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe("grpo", parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def steps(run_dir: Path) -> list[dict]:
    return [row for row in read_lines(run_dir / "metrics.jsonl") if row["step"]]


@pytest.mark.parametrize("more", [(), ("buffer.max_staleness=1",), ("model.lora.rank=4",)])
def test_a_run_with_a_draft_trains_on_the_models_own_log_probabilities(
    more: tuple[str, ...], tmp_path: Path
) -> None:
    result = Trainer(config(tmp_path, *DRAFT, *more)).run()
    assert result.finished
    found = steps(tmp_path)
    assert len(found) == 3
    assert all(0 < row["sampler/mismatch"] < 1e-5 for row in found if "sampler/mismatch" in row)
    assert "sampler/mismatch" in found[0]
    drafted = [row for row in found if "sampler/acceptance" in row]
    assert drafted
    assert all(0 < row["sampler/acceptance"] <= 1 < row["sampler/tokens_per_pass"] <= 4 for row in drafted)


def test_the_draft_keeps_its_weights_and_so_is_refused_more_as_the_model_learns(tmp_path: Path) -> None:
    # Both begin with the same weights.
    Trainer(config(tmp_path, *DRAFT, "optimizer.learning_rate=1e-2")).run()
    accepted = [row["sampler/acceptance"] for row in steps(tmp_path)]
    assert accepted[0] == 1.0
    assert accepted[2] < accepted[1] < 1.0


def test_a_run_without_a_draft_tells_nothing_of_one_and_the_page_of_metrics_names_what_is_told(
    tmp_path: Path,
) -> None:
    Trainer(config(tmp_path, "run.steps=1")).run()
    told = draft_metrics(DraftCounts(passes=4, tokens=10, judged=8, accepted=6))
    assert told == {"sampler/tokens_per_pass": 2.5, "sampler/acceptance": 0.75}
    assert not told.keys() & steps(tmp_path)[0].keys()
    patterns = named(PAGE.read_text(encoding="utf-8"))
    assert all(any(pattern.fullmatch(name) for pattern in patterns) for name in told)


def test_a_draft_is_refused_before_the_run_where_it_cannot_serve(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="id 14 is '<' to it, and '>' to the model"):
        Trainer(config(tmp_path, "generator.draft=tiny:0123456789<"))
    with pytest.raises(ConfigError, match="no model 'nowhere/at all'"):
        Trainer(config(tmp_path, "generator.draft=nowhere/at all"))
    with pytest.raises(ConfigError, match="engine=transformers, not for vllm"):
        config(tmp_path, *DRAFT, "generator.engine=vllm")
