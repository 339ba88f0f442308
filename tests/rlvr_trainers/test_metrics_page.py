"""The page of metrics names all that a run records."""

import json
import re
from pathlib import Path

import pytest
from rlvr_trainers import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
SMALL = [
    "warmup=null", "run.steps=1", "eval.tasks=4", "batch.prompts=2", "batch.group_size=2", "batch.minibatches=1",
    "dynamic_sampling=null", "algorithm.kl_coefficient=0.01",
]  # fmt: skip


def named(page: str) -> list[re.Pattern[str]]:
    """Patterns of the metrics in the first column: `a/b`, `c` is a/b and a/c; `...` and NAME stand for anything."""
    patterns = []
    for row in re.findall(r"^\| (.*?) \| ", page, re.MULTILINE):
        group = ""
        for name in re.findall(r"`([^`]+)`", row):
            group = name.rpartition("/")[0] if "/" in name else group
            whole = name if "/" in name or not group else f"{group}/{name}"
            patterns.append(re.compile(re.escape(whole).replace(r"\.\.\.", ".*").replace("NAME", ".*")))
    return patterns


PARTIAL = [
    "env.reward=per_digit", "dynamic_sampling=null", "warmup.steps=20", "warmup.batch_size=32",
    "warmup.learning_rate=3e-3",
]  # fmt: skip
IMITATING = [
    "model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols", "run.steps=1",
    "sampling.max_tokens=4", "batch.prompts=4", "batch.minibatches=1",
]  # fmt: skip
FORKING = ["eval=null", "algorithm.fork=tokens"]


@pytest.mark.parametrize(
    ("recipe", "settings", "among_others"),
    [
        ("quickstart", SMALL, {"kl", "eval/pass@1", "reward/mean"}),
        ("sft", IMITATING, {"loss", "length/mean"}),
        ("mtp", IMITATING, {"loss", "nll/ahead"}),
        ("rft", [*IMITATING, "batch.group_size=4"], {"selected/share", "reward/mean"}),
        ("online_dpo", [*IMITATING, *PARTIAL, "batch.group_size=16"], {"preference/margin"}),
        ("tree_grpo", [*IMITATING, *FORKING], {"tree/shared_share", "tokens/sampled"}),
        ("distill", [*IMITATING, "algorithm.teacher=tiny:0123456789>"], {"loss", "sampler/mismatch"}),
        (
            "ppo",
            [*IMITATING, *PARTIAL, "batch.group_size=16"],
            {"critic/loss", "critic/explained_variance", "kl"},
        ),
    ],
)
def test_every_metric_that_a_run_records_is_on_the_page(
    recipe: str, settings: list[str], among_others: set[str], tmp_path: Path
) -> None:
    assert_on_the_page(recipe, settings, among_others, tmp_path)


def test_every_metric_of_a_reward_model_is_on_the_page(tmp_path: Path) -> None:
    for name, number in (("train", 12), ("held-out", 34)):
        row = {"prompt": f"{number}>", "chosen": f"{number}"[::-1], "rejected": "0"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    data = [f"data.path={tmp_path / 'train.jsonl'}", f"algorithm.held_out={tmp_path / 'held-out.jsonl'}"]
    settings = ["model.path=tiny:0123456789>", "run.steps=1", "batch.prompts=1", *data]
    assert_on_the_page("reward_model", settings, {"preference/margin", "held_out/accuracy"}, tmp_path / "run")


def test_every_metric_of_a_process_reward_model_is_on_the_page(tmp_path: Path) -> None:
    for name, number in (("train", 12), ("held-out", 34)):
        row = {"prompt": f"{number}>", "completions": ["1", "2"], "labels": [True, False]}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    data = [f"data.path={tmp_path / 'train.jsonl'}", f"algorithm.held_out={tmp_path / 'held-out.jsonl'}"]
    settings = ["model.path=tiny:0123456789>\n", "run.steps=1", "batch.prompts=1", *data]
    assert_on_the_page("prm", settings, {"process/accuracy", "held_out/ranking"}, tmp_path / "run")


def assert_on_the_page(recipe: str, settings: list[str], among_others: set[str], run_dir: Path) -> None:
    Trainer(load_recipe(recipe, parse_overrides([*settings, f"run.dir={run_dir}"]))).run()
    recorded = {key for row in read_lines(run_dir / "metrics.jsonl") for key in row} - {"step"}
    assert among_others <= recorded
    patterns = named(PAGE.read_text(encoding="utf-8"))
    assert {name for name in recorded if not any(p.fullmatch(name) for p in patterns)} == set()


def test_a_row_of_several_names_shares_their_group() -> None:
    found = named("| `a/b`, `c` | tells |\n| **`d`** | tells |\n| `e/NAME/...` | tells |\n")
    assert [pattern.pattern for pattern in found] == ["a/b", "a/c", "d", "e/.*/.*"]
