"""The report of a training run, from what the trainer really writes."""

from pathlib import Path

from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.report.page import report_data
from rlvr_gym.report.training import PANELS, read_training


def test_a_training_run_is_reported_with_its_curves_and_its_groups(tmp_path: Path) -> None:
    settings = [
        *["model.path=tiny:0123456789>", "env.id=reverse", "env.digits=2", "env.style=symbols"],
        *["env.reward=per_digit", "sampling.max_tokens=4", "batch.prompts=4", "batch.group_size=4"],
        *["run.steps=2", "eval.every=1", "eval.tasks=4", f"run.dir={tmp_path}", "run.samples_per_step=8"],
    ]
    Trainer(load_recipe("grpo", parse_overrides(settings))).run()
    data = report_data([read_training(tmp_path)], 100)
    (run,) = data["runs"]
    assert (run["steps"], run["planned"], run["group_size"], run["model"]) == (2, 2, 4, "tiny:0123456789>")
    assert [point["step"] for point in run["held_out"]] == [0, 1, 2]
    assert [panel["title"] for panel in run["panels"]] == [
        p.title for p in PANELS if not any(name == "nll" or name.startswith("tools/") for name in p.metrics)
    ]
    assert [len(group["samples"]) for group in data["groups"]] == [4, 4, 4, 4]
    for group in data["groups"]:
        advantages = [sample["advantage"] for sample in group["samples"]]
        assert abs(sum(advantages)) < 1e-6
        assert all(sample["reward"] == sample["score"] for sample in group["samples"])


def test_a_recipe_trains_on_the_prompts_between_two_pass_rates(tmp_path: Path) -> None:
    import rlvr_gym as rg
    from rlvr_gym.evaluation.curriculum import forecast, write_curriculum
    from rlvr_gym.generation.loading import load_model
    from rlvr_gym.generation.transformers import TransformersGenerator

    env = rg.make("reverse", split="train", digits=2, style="symbols")
    generator = TransformersGenerator(*load_model("tiny:0123456789>"))
    result = rg.evaluate(env, generator, n=16, limit=8, sampling=rg.SamplingParams(max_tokens=3))
    write_curriculum(tmp_path, result.samples, forecast(result.samples))
    settings = [
        *[
            "model.path=tiny:0123456789>",
            "env.id=reverse",
            "env.digits=2",
            "env.style=symbols",
            "batch.prompts=2",
        ],
        *[
            "batch.group_size=2",
            "sampling.max_tokens=3",
            "run.steps=1",
            "eval.tasks=2",
            f"run.dir={tmp_path}/run",
        ],
        *["env.pass_rate=[0.0,1.0]", f"env.pass_rates={tmp_path}/pass_rates.jsonl"],
    ]
    trainer = Trainer(load_recipe("grpo", parse_overrides(settings)))
    assert trainer.env.tasks.size == len({sample.task for sample in result.samples})
    assert trainer.held_out.env is not None
    assert trainer.held_out.env.tasks.split == "test"
    assert trainer.held_out.env.tasks.size is None
    trainer.run()
    assert (tmp_path / "run" / "model").is_dir()
