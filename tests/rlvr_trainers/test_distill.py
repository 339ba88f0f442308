"""Distillation as runs: on the student's own samples, and from a teacher's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rlvr_trainers import train
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.config import parse_overrides
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import VerifierFault
from rlvr_gym.evaluation.run import evaluate
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model, weights_hash
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.tasks import Task, TaskSet
from rlvr_gym.verdicts import Completion, FinishReason, Verdict
from rlvr_gym.verifiers.base import FunctionVerifier
from tests.rlvr_trainers.test_trainer import same_weights, without_times

REVERSE = ["env.id=reverse", "env.digits=2", "env.style=symbols"]
TINY = [
    *["model.path=tiny:0123456789>", "sampling.max_tokens=4", "run.checkpoint_every=2"],
    *["optimizer.learning_rate=3e-3", "optimizer.warmup_steps=0"],
]
LEARNING = [
    *["batch.prompts=64", "run.steps=60", "run.checkpoint_every=1000"],
    *["eval.every=1000", "eval.tasks=20", "eval.n=16", "eval.temperature=1"],
]
UNTRAINED = "algorithm.teacher=tiny:0123456789>"


def config(recipe: str, run_dir: Path, *more: str) -> TrainConfig:
    return load_recipe(recipe, parse_overrides([*TINY, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def scores(trainer: Trainer) -> tuple[float, float]:
    """Held-out pass@1 before and after a run."""
    result = trainer.run()
    assert result.before is not None
    assert result.after is not None
    return result.before.value, result.after.value


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that reverses two digits, nearly always."""
    folder = tmp_path_factory.mktemp("teacher")
    more = [*REVERSE, *LEARNING, "run.steps=150", "run.seed=7"]
    assert scores(Trainer(config("sft", folder, *more)))[1] >= 0.95
    return folder / "model"


def distilled(run_dir: Path, teacher: str | Path, *more: str, seed: int = 0) -> tuple[float, float]:
    settings = [*REVERSE, *LEARNING, f"algorithm.teacher={teacher}", f"run.seed={seed}", *more]
    return scores(Trainer(config("distill", run_dir, *settings)))


# It learns


def test_a_student_reaches_its_teacher_and_an_untrained_teacher_teaches_nothing(
    teacher: Path, tmp_path: Path
) -> None:
    before, after = distilled(tmp_path / "right", teacher, "run.steps=40")
    assert before <= 0.05
    assert after >= 0.9
    first, *_, last = [row for row in rows(tmp_path / "right") if row["step"]]
    assert last["loss"] < 0.05 < 1 < first["loss"]
    assert all(row["sampler/mismatch"] < 1e-5 for row in rows(tmp_path / "right") if row["step"])
    assert distilled(tmp_path / "control", "tiny:0123456789>", "run.steps=15")[1] <= 0.05


WAYS = {
    "reverse_kl": [],
    "forward_kl": ["algorithm.divergence=forward_kl"],
    "jsd": ["algorithm.divergence=jsd", "algorithm.beta=0.5"],
    "sampled": ["algorithm.vocabulary=sampled", "run.steps=120"],
}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("way", WAYS)
def test_three_more_seeds_reach_the_teacher_in_every_way(
    way: str, seed: int, teacher: Path, tmp_path: Path
) -> None:
    before, after = distilled(tmp_path / "right", teacher, *WAYS[way], seed=seed)
    assert before <= 0.05
    assert after >= 0.9
    control = distilled(tmp_path / "control", "tiny:0123456789>", *WAYS[way], seed=seed)
    assert control[1] <= 0.05


# Teachers' samples


def samples_of(model: Path, folder: Path, *, max_tokens: int = 4) -> Path:
    env = rg.make("reverse", digits=2, style="symbols", split="train")
    generator = TransformersGenerator(*load_model(model, "float32"))
    sampling = rg.SamplingParams(temperature=1.0, max_tokens=max_tokens)
    evaluate(env, generator, n=2, sampling=sampling, limit=80, seed=0, run_dir=folder)
    return folder


def imitated(run_dir: Path, samples: Path, *, seed: int = 0) -> tuple[float, float]:
    more = [*LEARNING, f"data.runs=[{samples}]", "batch.prompts=40", "data.epochs=40", f"run.seed={seed}"]
    settings = ["eval.env.id=reverse", "eval.env.digits=2", "eval.env.style=symbols"]
    return scores(Trainer(config("sft", run_dir, *more, *settings)))


def test_a_student_learns_from_a_teachers_stored_samples(teacher: Path, tmp_path: Path) -> None:
    before, after = imitated(tmp_path / "right", samples_of(teacher, tmp_path / "samples"))
    assert before <= 0.05
    assert after >= 0.8
    step = rows(tmp_path / "right")[-1]
    assert step["reward/mean"] >= 0.9  # the teacher's
    assert step["nll"] < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_three_more_seeds_learn_from_stored_samples_and_not_from_an_untrained_models(
    seed: int, teacher: Path, tmp_path: Path
) -> None:
    samples = samples_of(teacher, tmp_path / "samples")
    assert imitated(tmp_path / "right", samples, seed=seed)[1] >= 0.8
    load_model("tiny:0123456789>", seed=5)[0].save_pretrained(tmp_path / "untrained")
    load_model("tiny:0123456789>")[1].save_pretrained(tmp_path / "untrained")
    noise = samples_of(tmp_path / "untrained", tmp_path / "noise")
    assert imitated(tmp_path / "control", noise, seed=seed)[1] <= 0.1


def test_all_finished_samples_are_imitated_right_or_wrong_and_none_that_was_cut_off(tmp_path: Path) -> None:
    load_model("tiny:0123456789>", seed=5)[0].save_pretrained(tmp_path / "model")
    load_model("tiny:0123456789>")[1].save_pretrained(tmp_path / "model")
    stored = samples_of(tmp_path / "model", tmp_path / "samples", max_tokens=8)
    more = [f"data.runs=[{stored}]", "batch.prompts=80", "run.steps=1", "run.samples_per_step=1000"]
    Trainer(config("sft", tmp_path / "run", *more)).run()
    shown = rows(tmp_path / "run", "samples.jsonl")
    finished = [row for row in shown if row["finish_reason"] == FinishReason.STOP]
    assert 10 < len(finished) < len(shown) == 160
    for row in shown:
        assert row["advantage"] == (row["finish_reason"] == FinishReason.STOP)
    assert any(row["verdict"]["outcome"] == "incorrect" for row in finished)
    tokens = sum(len(row["messages"][-1]["content"]) + 1 for row in finished)
    assert rows(tmp_path / "run")[-1]["tokens/trained"] == tokens


# It goes on as it was


SEVERAL = ["batch.prompts=8", "batch.group_size=2", "batch.minibatches=2", "batch.epochs=2", *REVERSE]


@pytest.mark.parametrize(
    "more",
    [
        ["algorithm.divergence=jsd", "algorithm.beta=0.2", "warmup.steps=3", "warmup.batch_size=8"],
        ["algorithm.vocabulary=sampled", "algorithm.aggregation=token_mean"],
        ["model.lora.rank=4", "model.lora.targets=[c_attn,c_fc]"],
    ],
    ids=["full", "sampled", "lora"],
)
def test_four_steps_are_two_steps_and_two_more(more: list[str], tmp_path: Path) -> None:
    settings = [*SEVERAL, *more, UNTRAINED, "run.samples_per_step=9", "eval.every=2", "eval.tasks=5"]
    for name, steps in (("whole", 4), ("parts", 2), ("parts", 4)):
        Trainer(config("distill", tmp_path / name, *settings, f"run.steps={steps}")).run()
    assert same_weights(tmp_path / "whole" / "model", tmp_path / "parts" / "model")
    for file in ("metrics.jsonl", "samples.jsonl"):
        both = [list(map(without_times, rows(tmp_path / name, file))) for name in ("whole", "parts")]
        assert both[0] == both[1]
    last = rows(tmp_path / "whole")[-1]
    assert last["updates"] == 4
    assert last["ratio/max"] > 1.0
    assert 0 < last["sampler/mismatch"] < 1e-5
    assert last["grad_norm"] > 0


def test_a_teacher_is_in_no_checkpoint_and_its_weights_are_named_in_the_record(tmp_path: Path) -> None:
    trainer = Trainer(config("distill", tmp_path, *SEVERAL, UNTRAINED, "run.steps=2"))
    taught_by = trainer.models.teacher
    assert taught_by is not None
    before = weights_hash(taught_by.model)
    trainer.run()
    assert weights_hash(taught_by.model) == before
    record = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (record["algorithm"]["teacher"], record["teacher"]) == ("tiny:0123456789>", before)
    state = torch.load(tmp_path / "checkpoints" / "step-2" / "optimizer.pt", weights_only=True)
    assert set(state) == {"optimizer", "schedule", "torch_rng"}
    moments = state["optimizer"]["state"].values()
    student = sum(weight.numel() for weight in trainer.models.policy.parameters)
    assert sum(one["exp_avg"].numel() for one in moments) == student


def test_a_run_with_another_teacher_is_another_run(tmp_path: Path) -> None:
    def saved(seed: int) -> Path:
        model, tokenizer = load_model("tiny:0123456789>", seed=seed)
        model.save_pretrained(tmp_path / "teacher")
        tokenizer.save_pretrained(tmp_path / "teacher")
        return tmp_path / "teacher"

    more = [*SEVERAL, f"algorithm.teacher={saved(1)}"]
    Trainer(config("distill", tmp_path / "run", *more, "run.steps=2")).run()
    saved(2)
    with pytest.raises(rg.ConfigError, match=r"the teacher \(by its weights\): '[0-9a-f]{16}' there"):
        Trainer(config("distill", tmp_path / "run", *more, "run.steps=4"))
    saved(1)
    assert Trainer(config("distill", tmp_path / "run", *more, "run.steps=4")).run().step == 4


def test_a_model_at_hand_can_teach(tmp_path: Path) -> None:
    """The same as its folder would, and it stays as it is."""
    model, tokenizer = load_model("tiny:0123456789>", seed=4)
    model.save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    env = {"id": "reverse", "digits": 2, "style": "symbols"}
    more: dict[str, Any] = {"batch": {"prompts": 4}, "sampling": {"max_tokens": 4}}
    for name, given in (("object", (model, tokenizer)), ("folder", tmp_path / "teacher")):
        run = {"dir": str(tmp_path / name), "steps": 2}
        train(
            model="tiny:0123456789>",
            env=env,
            algorithm="distill",
            teacher=given,
            progress=False,
            run=run,
            **more,
        )
    assert same_weights(tmp_path / "object" / "model", tmp_path / "folder" / "model")
    assert all(weight.requires_grad and weight.grad is None for weight in model.parameters())
    with pytest.raises(rg.ConfigError, match=r"a teacher is for algorithm.kind=distill, and this is grpo"):
        Trainer(config("grpo", tmp_path / "other", *REVERSE), teacher=(model, tokenizer))


# Nothing needs to be judged


def test_samples_that_nobody_can_judge_teach_all_the_same(tmp_path: Path) -> None:
    def refuse(task: Task, completion: Completion) -> Verdict:
        raise VerifierFault("nobody knows")

    tasks = TaskSet.from_tasks(
        [Task(id=f"{n}", prompt=f"{n}>") for n in range(10, 18)], name="open questions"
    )
    env = Environment(tasks, FunctionVerifier(refuse))
    trainer = Trainer(
        config("distill", tmp_path, "env.id=open", "batch.prompts=8", "run.steps=2", UNTRAINED), env=env
    )
    trainer.run()
    first, last = [row for row in rows(tmp_path) if row["step"]]
    assert last["loss"] < first["loss"]
    assert (last["unscored/share"], last["updates"]) == (1.0, 1)
    assert last["tokens/trained"] == last["length/mean"] * 8


def test_the_command_names_the_teacher_and_asks_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "distill", *TINY, *REVERSE, f"run.dir={tmp_path / 'run'}"]
    with pytest.raises(SystemExit) as exited:
        main([*command, UNTRAINED, "--dry-run"])
    assert (exited.value.code or 0) == 0
    assert "teacher   tiny:0123456789>" in capsys.readouterr().out
    with pytest.raises(SystemExit) as exited:
        main(command)
    assert exited.value.code == 2
    assert "algorithm.teacher: Field required; give algorithm.teacher=..." in capsys.readouterr().err


# What is refused


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], r"algorithm.teacher: Field required; give algorithm.teacher=\.\.\."),
        ([UNTRAINED, "batch.microbatch_tokens=auto"], "measures the policy alone"),
        ([UNTRAINED, "dynamic_sampling.max_rounds=3"], "algorithm.kind=distill learns from those too"),
        ([UNTRAINED, "overlong.penalty_share=0.5"], "overlong.penalty_share changes rewards"),
        ([UNTRAINED, "reward.steps=added"], "reward.steps=added has no meaning with algorithm.kind=distill"),
        ([UNTRAINED, "data.path=x"], "data is for algorithm.kind=sft, rft and dpo"),
        (
            [UNTRAINED, "algorithm.vocabulary=sampled", "algorithm.divergence=forward_kl"],
            "vocabulary=sampled estimates the reverse KL: divergence=forward_kl needs vocabulary=full",
        ),
        (
            [UNTRAINED, "algorithm.vocabulary=sampled", "buffer.max_staleness=1"],
            "buffer.max_staleness lets samples of older weights in",
        ),
        ([UNTRAINED, "algorithm.divergence=jsd"], "divergence=jsd needs beta"),
        ([UNTRAINED, "algorithm.beta=0.5"], "beta has no meaning with divergence=reverse_kl"),
        ([UNTRAINED, "algorithm.divergence=jsd", "algorithm.beta=1.0"], "algorithm.beta: .*less than 1"),
        ([UNTRAINED, "algorithm.advantage=group_std"], "algorithm.advantage: no such setting"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(more: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match=message):
        config("distill", tmp_path / "run", *REVERSE, *more)


def other_alphabet(folder: Path) -> str:
    return "tiny:0123456789+"


def short_context(folder: Path) -> str:
    from rlvr_gym.generation.tiny import tiny_model

    model, tokenizer = tiny_model(seed=0, alphabet="0123456789>", context=6)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            other_alphabet,
            r"algorithm.teacher=tiny:0123456789\+ has another tokenizer than the student: token id 14 is '>'",
        ),
        (short_context, "leave no room for sampling.max_tokens=4 in the teacher's context of 6 tokens"),
        (lambda folder: str(folder), "no model '"),
    ],
)
def test_teachers_that_could_not_teach_are_refused_before_anything_is_written(
    make: Callable[[Path], str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "teacher").mkdir()
    more = [*REVERSE, f"algorithm.teacher={json.dumps(make(tmp_path / 'teacher'))}"]
    with pytest.raises(rg.ConfigError, match=message):
        Trainer(config("distill", tmp_path / "run", *more))
    assert not (tmp_path / "run").exists()
