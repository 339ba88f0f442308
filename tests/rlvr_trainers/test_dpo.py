"""DPO as runs: on pairs of data, on a policy's own samples, on stored evaluations."""

import json
from pathlib import Path
from typing import Any

import pytest
from rlvr_trainers import train
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from tests.rlvr_trainers.shuffled import inside_each_group, pass_at_1
from tests.rlvr_trainers.test_trainer import same_weights, without_times

TINY = ["model.path=tiny:0123456789>", "sampling.max_tokens=4", "run.checkpoint_every=2"]
REVERSE = ["env.id=reverse", "env.digits=2", "env.style=symbols"]
FAST = ["optimizer.learning_rate=1e-3", "optimizer.warmup_steps=0"]
WARM = [
    *["warmup.steps=100", "warmup.batch_size=64", "warmup.learning_rate=3e-3", "warmup.label_noise=0.6"],
    *[
        "batch.prompts=32",
        "batch.group_size=16",
        "batch.minibatches=4",
        "algorithm.pairs=4",
        "dynamic_sampling=null",
    ],
    *["eval.every=1000", "eval.tasks=20", "eval.n=16", "run.steps=12", "run.checkpoint_every=1000"],
]


def config(recipe: str, run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe(recipe, parse_overrides([*TINY, *FAST, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def learned(run_dir: Path, *, seed: int, shuffled: bool = False) -> tuple[float, float]:
    """Held-out pass@1 of a model that a noisy warm-up left half wrong, and of what its preferences made of it."""
    trainer = Trainer(config("online_dpo", run_dir, *REVERSE, *WARM, f"run.seed={seed}"))
    return pass_at_1(trainer, inside_each_group if shuffled else None)


@pytest.mark.long
def test_a_half_wrong_policy_learns_from_its_own_pairs_and_not_from_shuffled_ones(tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", seed=0)
    assert before <= 0.5
    assert after >= 0.85
    before, after = learned(tmp_path / "shuffled", seed=0, shuffled=True)
    assert after <= before + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_from_verdicts_and_not_from_shuffled_ones(seed: int, tmp_path: Path) -> None:
    before, after = learned(tmp_path / "right", seed=seed)
    assert before <= 0.5
    assert after >= 0.85
    before, after = learned(tmp_path / "shuffled", seed=seed, shuffled=True)
    assert after <= before + 0.15


def pairs(file: Path, count: int = 24) -> Path:
    """Numbers to turn around, preferred to the numbers as they are."""
    lines = [{"prompt": f"{n}>", "chosen": f"{n}"[::-1], "rejected": f"{n}"} for n in range(12, 99) if n % 11]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines[:count]))
    return file


def test_pairs_of_data_are_preferred_as_they_say(tmp_path: Path) -> None:
    data = pairs(tmp_path / "pairs.jsonl")
    more = [f"data.path={data}", "batch.prompts=24", "data.epochs=20"]
    Trainer(config("dpo", tmp_path / "run", *more)).run()
    first, *_, last = [row for row in rows(tmp_path / "run") if row["step"]]
    assert first["loss"] == pytest.approx(0.6931472, abs=1e-6)
    assert first["preference/margin"] == pytest.approx(0.0, abs=1e-5)
    assert last["loss"] < 0.3
    assert last["preference/accuracy"] == pytest.approx(1.0)
    assert first["tokens/trained"] == 24 * 2 * 3
    assert "reward/mean" not in last


def test_the_reference_is_the_model_that_the_run_began_with(tmp_path: Path) -> None:
    data = pairs(tmp_path / "pairs.jsonl", 8)
    more = [f"data.path={data}", "batch.prompts=8"]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config("dpo", tmp_path / name, *more, f"run.steps={steps}")).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    both = [list(map(without_times, rows(tmp_path / name))) for name in ("whole", "parts")]
    assert both[0] == both[1]
    assert both[0][-1]["preference/margin"] > both[0][2]["preference/margin"] > 0


def test_the_loss_is_that_of_one_optimizer_step_however_many_there_are(tmp_path: Path) -> None:
    data = pairs(tmp_path / "pairs.jsonl")
    more = [f"data.path={data}", "batch.prompts=24", "run.steps=1", "optimizer.learning_rate=1e-9"]
    more += ["batch.minibatches=2", "batch.epochs=2"]
    Trainer(config("dpo", tmp_path / "run", *more)).run()
    step = rows(tmp_path / "run")[-1]
    assert (step["updates"], step["loss"]) == (4, pytest.approx(0.6931472, abs=1e-5))


def test_a_model_that_was_given_stays_the_reference_of_a_resumed_run(tmp_path: Path) -> None:
    """Nobody else has its weights, and the name that it goes by may be of others."""
    data = pairs(tmp_path / "pairs.jsonl", 8)

    def trained(name: str, steps: int) -> None:
        model, tokenizer = load_model("tiny:0123456789>", seed=5)
        settings: dict[str, Any] = parse_overrides(
            [
                *TINY[1:],
                *FAST,
                f"data.path={data}",
                "batch.prompts=8",
                f"run.steps={steps}",
                f"run.dir={tmp_path / name}",
            ]
        )
        train(model=model, tokenizer=tokenizer, algorithm="dpo", **settings)

    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        trained(name, steps)
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")


def test_an_online_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    more = [*REVERSE, "env.reward=per_digit", "batch.prompts=8", "batch.minibatches=2", "warmup.steps=3"]
    more += ["warmup.batch_size=8", "batch.epochs=2"]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config("online_dpo", tmp_path / name, *more, f"run.steps={steps}")).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    for file in ("metrics.jsonl", "samples.jsonl"):
        both = [list(map(without_times, rows(tmp_path / name, file))) for name in ("whole", "parts")]
        assert both[0] == both[1]


def test_each_prompt_of_a_step_has_a_pair_and_its_samples_say_which(tmp_path: Path) -> None:
    more = [*REVERSE, "env.reward=per_digit", "batch.prompts=8", "run.steps=1", "batch.group_size=16"]
    more += ["run.samples_per_step=200", "dynamic_sampling.max_rounds=50"]
    Trainer(config("online_dpo", tmp_path, *more)).run()
    samples = rows(tmp_path, "samples.jsonl")
    for task in {row["task"] for row in samples}:
        good = [row for row in samples if row["task"] == task and row["advantage"] == 1.0]
        bad = [row for row in samples if row["task"] == task and row["advantage"] == -1.0]
        assert (len(good), len(bad)) == (1, 1)
        assert good[0]["verdict"]["score"] > bad[0]["verdict"]["score"]


def test_stored_samples_are_paired_by_their_verdicts_and_nothing_is_sampled(tmp_path: Path) -> None:
    base = Trainer(config("online_dpo", tmp_path / "base", *REVERSE, "env.reward=per_digit", "run.steps=1"))
    env = rg.make("reverse", digits=2, style="symbols", reward="per_digit")
    sampling = rg.SamplingParams(temperature=1.0, max_tokens=4)
    evaluate(env, base.generator, n=16, sampling=sampling, limit=20, seed=0, run_dir=tmp_path / "eval")
    more = [f"data.runs=[{tmp_path / 'eval'}]", "batch.prompts=20", "run.steps=6"]
    Trainer(config("dpo", tmp_path / "run", *more)).run()
    first, *_, last = [row for row in rows(tmp_path / "run") if row["step"]]
    assert last["preference/margin"] > first["preference/margin"] + 1
    assert first["seconds/generate"] == 0


# Rows


USER, ANSWER, OTHER = ({"role": role, "content": text} for role, text in (
    ("user", "12>"), ("assistant", "21"), ("assistant", "12"),
))  # fmt: skip


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "12>", "chosen": "21", "rejected": "12"},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [OTHER]},
        {"prompt": "12>", "chosen": [USER, ANSWER], "rejected": [USER, OTHER]},
        {"chosen": [USER, ANSWER], "rejected": [USER, OTHER], "score_chosen": 9.0},
        {"prompt": [USER], "chosen": "21", "rejected": [OTHER], "messages": None},
    ],
    ids=["text", "messages", "with the prompt", "without one", "mixed"],
)
def test_pairs_are_read_in_every_shape_that_people_have_them(row: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text(json.dumps(row) + "\n")
    more = [f"data.path={file}", "batch.prompts=1", "run.steps=1", "run.samples_per_step=9"]
    Trainer(config("dpo", tmp_path / "run", *more)).run()
    samples = rows(tmp_path / "run", "samples.jsonl")
    assert [(row["prompt"], row["messages"][-1]["content"], row["advantage"]) for row in samples] == [
        ("12>", "21", 1.0),
        ("12>", "12", -1.0),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "12>", "chosen": "21"}, "no `rejected`; the row has chosen, prompt"),
        ({"messages": [USER, ANSWER]}, "no `chosen` and no `rejected`; the row has messages"),
        ({"prompt": "12>", "chosen": "21", "rejected": "21"}, "say the same, so neither is preferred"),
        ({"chosen": [ANSWER], "rejected": [OTHER]}, "there is no prompt"),
        ({"chosen": "21", "rejected": "12"}, "there is no prompt"),
        ({"chosen": [USER], "rejected": [USER, OTHER]}, "`chosen` does not begin and end with a turn"),
        ({"prompt": "12>", "chosen": 21, "rejected": "12"}, "`chosen` is int, not a list of messages"),
        ({"prompt": "1", "chosen": "2", "rejected": "3", "tools": [{}]}, "it has `tools`"),
    ],
)
def test_rows_that_are_no_pair_are_refused_with_their_line(
    row: dict[str, Any], message: str, tmp_path: Path
) -> None:
    file = pairs(tmp_path / "pairs.jsonl", 2)
    file.write_text(file.read_text() + json.dumps(row) + "\n")
    with pytest.raises(rg.DataError, match=message) as refused:
        Trainer(config("dpo", tmp_path / "run", f"data.path={file}"))
    assert "line 3" in str(refused.value) or ":3" in str(refused.value)


def test_an_empty_file_of_pairs_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text("")
    with pytest.raises(rg.DataError, match="empty"):
        Trainer(config("dpo", tmp_path / "run", f"data.path={file}"))


@pytest.mark.parametrize(
    ("recipe", "more", "message"),
    [
        ("dpo", [*REVERSE, "data.epochs=3"], "data without data.path or data.runs has no meaning"),
        (
            "dpo",
            ["data.path=x", "warmup.steps=1"],
            "nothing is sampled by algorithm.kind=dpo here, so warmup",
        ),
        ("online_dpo", [*REVERSE, "overlong.penalty_share=0.5"], "overlong has no meaning"),
        ("online_dpo", [*REVERSE, "batch.group_size=1"], "give at least 2"),
        ("grpo", ["data.path=x", *REVERSE], "data is for algorithm.kind=sft, rft and dpo"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(
    recipe: str, more: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config(recipe, tmp_path / "run", *more)
