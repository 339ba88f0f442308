"""Messages and files of a run when something is wrong: before it, during it, and around it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.models import Role
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

import rlvr_gym as rg
from rlvr_gym.config import parse_overrides
from rlvr_gym.files import read_lines
from rlvr_gym.generation.loading import load_model
from rlvr_gym.verifiers.base import FunctionVerifier
from rlvr_gym.verifiers.workers import WorkerPool
from tests import warm

SMALL = [
    "model.path=tiny:0123456789>",
    "env.id=reverse",
    "env.digits=2",
    "env.style=symbols",
    "env.reward=per_digit",
    "sampling.max_tokens=4",
    "batch.prompts=4",
    "batch.group_size=4",
    "optimizer.learning_rate=1e-3",
    "run.steps=3",
]


def config(run_dir: Path, *more: str, recipe: str = "dr_grpo") -> TrainConfig:
    return load_recipe(recipe, parse_overrides([*SMALL, f"run.dir={run_dir}", *more]))


def rows(run_dir: Path, file: str = "metrics.jsonl") -> list[dict[str, Any]]:
    return list(read_lines(run_dir / file))


def checkpoints(run_dir: Path) -> list[int]:
    return sorted(int(path.name[5:]) for path in (run_dir / "checkpoints").glob("step-*"))


def refused(message: str, run_dir: Path, *more: str, recipe: str = "dr_grpo") -> None:
    """Building the trainer fails with a message like this one, and nothing is written."""
    with pytest.raises((rg.ConfigError, rg.DataError), match=message):
        Trainer(config(run_dir, *more, recipe=recipe))
    assert not run_dir.exists()


def questions(path: Path, count: int = 8) -> Path:
    lines = [json.dumps({"id": f"q{i}", "prompt": f"{i}>", "answer": str(i)}) for i in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def own_file(data: Path, run_dir: Path, *more: str) -> TrainConfig:
    """A run on a file of one's own."""
    settings = [s for s in SMALL if not s.startswith("env.")]
    env = ["env.id=jsonl", f"env.data={data}", "env.verifier=exact", "env.answer=whole"]
    return load_recipe("dr_grpo", parse_overrides([*settings, *env, f"run.dir={run_dir}", *more]))


# Before anything is done


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("batch.promts=3", r"batch\.promts: no such setting; did you mean 'prompts'\?"),
        ("env.digts=3", r"'reverse' has no option 'digts'; possible: .*digits"),
        ("env.id=revers", r"no environment 'revers'; did you mean 'reverse'\?"),
        ("batch.group_size=1", r"batch\.group_size is 1.*give at least 2"),
        ("batch.minibatches=3", r"4 prompts do not divide into 3 minibatches; possible: 1, 2, 4"),
        ("optimizer.learning_rate=-1", r"optimizer\.learning_rate: .*greater than 0 \(found -1\)"),
        ("optimizer.learning_rate=1e30", r"optimizer\.learning_rate: .*less than or equal to 1"),
        ("sampling.top_p=0.9", r"sampling\.top_p: no such setting"),
        ("model.path=/no/such/model", r"no model '/no/such/model': there is no folder"),
        ("model.device=gpu", r"model\.device=gpu cannot be used: .*; possible here: auto, cpu"),
        ("run.trackers=[trackio]", r"run\.trackers asks for trackio, which is missing: pip install trackio"),
        ("sampling.max_tokens=600", r"leave no room for sampling\.max_tokens=600 in the model's context"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_written(
    setting: str, message: str, tmp_path: Path
) -> None:
    refused(message, tmp_path / "run", setting)


def test_an_unknown_preset_is_refused_with_those_there_are(tmp_path: Path) -> None:
    refused(
        r"no recipe 'dappo'; did you mean 'dapo'\? bundled: .*dapo, .*rloo", tmp_path / "run", recipe="dappo"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "3>", "answer": ', "line 3 is broken"),
        ('{"prompt": "3>"}', "line 3: no field 'answer'; the row has prompt"),
        ('["3>", "3"]', "line 3: expected a JSON object, found list"),
    ],
)
def test_a_broken_line_of_a_data_file_is_named_before_the_warm_up(
    line: str, message: str, tmp_path: Path
) -> None:
    data = questions(tmp_path / "tasks.jsonl")
    lines = data.read_text().splitlines()
    data.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    with pytest.raises(rg.DataError, match=message):
        Trainer(own_file(data, tmp_path / "run", "warmup.steps=1000"))
    assert not (tmp_path / "run").exists()


def test_an_incomplete_last_line_is_named(tmp_path: Path) -> None:
    data = questions(tmp_path / "tasks.jsonl")
    data.write_text(data.read_text()[:-9])
    with pytest.raises(rg.DataError, match="line 8 is incomplete"):
        Trainer(own_file(data, tmp_path / "run"))


def test_the_longest_of_the_prompts_without_room_is_named_wherever_it_stands_in_the_file(
    tmp_path: Path,
) -> None:
    data = questions(tmp_path / "tasks.jsonl")
    long = {"id": "epic", "prompt": "1" * 300, "answer": "1"}
    shorter = {"id": "tale", "prompt": "1" * 280, "answer": "1"}
    data.write_text(data.read_text() + json.dumps(shorter) + "\n" + json.dumps(long) + "\n")
    with pytest.raises(
        rg.ConfigError,
        match=r"2 prompts of .*tasks\.jsonl.* context of \d+ tokens; the longest, task 'epic' .* has 300:",
    ):
        Trainer(own_file(data, tmp_path / "run"))


def test_more_prompts_a_step_than_there_are_tasks_is_refused_with_their_number(tmp_path: Path) -> None:
    data = questions(tmp_path / "tasks.jsonl", count=3)
    with pytest.raises(rg.ConfigError, match=r"batch\.prompts=4 .* has 3 tasks"):
        Trainer(own_file(data, tmp_path / "run"))


def test_training_data_that_would_also_be_the_held_out_data_are_refused(tmp_path: Path) -> None:
    data = questions(tmp_path / "tasks.jsonl")
    with pytest.raises(rg.ConfigError, match=r"name other data to hold out with eval\.env\.data="):
        own_file(data, tmp_path / "run", "eval.every=1")
    with pytest.raises(rg.ConfigError, match="the very tasks that the model trains on"):
        Trainer(own_file(data, tmp_path / "run", "eval.every=1", f"eval.env.data={data}"))


# The folder of a run that went wrong


def test_a_run_that_failed_before_anything_was_learned_can_begin_again_with_other_settings(
    tmp_path: Path,
) -> None:
    ruined = config(tmp_path, "algorithm.entropy_coefficient=1e308")
    with pytest.raises(rg.TrainingError):
        Trainer(ruined).run()
    assert checkpoints(tmp_path) == [0]
    other = config(tmp_path, "model.path=tiny:0123456789>ab")
    trainer = Trainer(other)
    assert trainer.resumed_from is None
    assert trainer.run().finished
    assert checkpoints(tmp_path) == [0, 3]
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 3]
    assert load_model(tmp_path / "checkpoints" / "step-0")[0].num_parameters() == (
        trainer.models.policy.model.num_parameters()
    )


def test_a_run_with_work_in_it_is_not_overwritten_by_other_settings(tmp_path: Path) -> None:
    Trainer(config(tmp_path, "run.steps=1")).run()
    with pytest.raises(
        rg.ConfigError,
        match=r"holds a run with other settings:\n  batch\.group_size: 4 there, 8 now\nGive run\.dir=ANOTHER.*"
        r"model\.path=.*step-1 lets it start from these weights",
    ):
        Trainer(config(tmp_path, "run.steps=1", "batch.group_size=8"))


def test_a_warm_up_is_work(tmp_path: Path) -> None:
    warm = ["warmup.steps=2", "warmup.batch_size=8"]
    with pytest.raises(rg.TrainingError):
        Trainer(config(tmp_path, *warm, "algorithm.entropy_coefficient=1e308")).run()
    with pytest.raises(rg.ConfigError, match="holds a run with other settings"):
        Trainer(config(tmp_path, *warm))


def test_data_that_have_changed_are_other_settings(tmp_path: Path) -> None:
    data = questions(tmp_path / "tasks.jsonl")
    Trainer(own_file(data, tmp_path / "run", "run.steps=1")).run()
    questions(data, count=9)
    with pytest.raises(rg.ConfigError, match=r"the training tasks \(by fingerprint\)"):
        Trainer(own_file(data, tmp_path / "run", "run.steps=2"))


def test_a_finished_model_without_checkpoints_is_not_overwritten(tmp_path: Path) -> None:
    Trainer(config(tmp_path, "run.steps=1")).run()
    os.rename(tmp_path / "checkpoints", tmp_path / "moved")
    with pytest.raises(rg.ConfigError, match="holds a finished model, but no checkpoint to go on from"):
        Trainer(config(tmp_path, "run.steps=1"))


def test_what_cannot_change_finished_steps_may_differ_when_going_on(tmp_path: Path) -> None:
    Trainer(config(tmp_path, "run.steps=1")).run()
    more = ["run.steps=2", "batch.microbatch_tokens=64", "run.max_mismatch=0.2", "run.max_unscored=0.3"]
    assert Trainer(config(tmp_path, *more), name="of-another-name").resumed_from == 1


def test_unreadable_settings_in_the_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [1,")
    with pytest.raises(rg.ConfigError, match=r"cannot read the settings of the run there, .*config\.yaml"):
        Trainer(config(tmp_path))


# A step that fails


def test_a_loss_that_is_not_finite_stops_before_the_weights_change_and_loses_no_step(tmp_path: Path) -> None:
    ruined = config(tmp_path, "algorithm.entropy_coefficient=1e308", "run.checkpoint_every=100")
    with pytest.raises(
        rg.TrainingError, match=r"loss of optimizer step 1 is -?(inf|nan), and the step was not"
    ):
        Trainer(ruined).run()
    assert checkpoints(tmp_path) == [0]
    weights = load_model(tmp_path / "checkpoints" / "step-0")[0].state_dict()
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_a_gradient_that_is_not_finite_stops_before_the_weights_change(tmp_path: Path) -> None:
    with pytest.raises(rg.TrainingError, match=r"gradient norm of optimizer step 1 is (inf|nan)"):
        Trainer(config(tmp_path, "reward.right=1e300", "batch.group_size=16")).run()
    assert checkpoints(tmp_path) == [0]


class Sabotage(rg.Verifier):
    """Judges as `verifier` does, after doing `harm`."""

    def __init__(self, verifier: rg.Verifier, harm: Callable[[], None]) -> None:
        self.verifier, self.harm = verifier, harm

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        self.harm()
        return self.verifier.verify(task, completion)


def test_a_failing_step_leaves_a_checkpoint_of_the_last_whole_one(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, "run.checkpoint_every=100", recipe="grpo"))

    def spoil_the_reference_in_the_third_step() -> None:
        if trainer.step == 2:
            reference = trainer.models.of(Role.REFERENCE)
            assert isinstance(reference, Policy)
            for weight in reference.model.parameters():
                weight.data.fill_(float("nan"))

    trainer.env.verifier = Sabotage(trainer.env.verifier, spoil_the_reference_in_the_third_step)
    with pytest.raises(rg.TrainingError, match="loss of optimizer step 3 is nan"):
        trainer.run()
    assert checkpoints(tmp_path) == [0, 2]
    assert Trainer(config(tmp_path, "run.checkpoint_every=100", recipe="grpo")).run().finished
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 3]


def test_weights_that_cannot_be_sampled_from_say_so_and_are_not_kept(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, "run.checkpoint_every=100"))

    def spoil_the_weights_in_the_second_step() -> None:
        if trainer.step == 1:
            next(trainer.models.policy.model.parameters()).data.fill_(float("nan"))

    trainer.env.verifier = Sabotage(trainer.env.verifier, spoil_the_weights_in_the_second_step)
    with pytest.raises(rg.TrainingError, match="nan"):
        trainer.run()
    with pytest.raises(rg.TrainingError, match=r"after step 1: the model's logits are not finite.*not kept"):
        trainer.run()
    assert 2 not in checkpoints(tmp_path)


def test_a_starved_batch_keeps_the_steps_before_it_and_can_go_on_with_more_rounds(tmp_path: Path) -> None:
    hard = ["env.reward=exact", "env.digits=9", "sampling.max_tokens=12"]
    with pytest.raises(
        rg.TrainingError, match=r"dynamic sampling found 0 of 4 .* 100% all wrong.*easier tasks"
    ):
        Trainer(config(tmp_path, *hard, "dynamic_sampling.max_rounds=1", recipe="dapo")).run()
    assert checkpoints(tmp_path) == [0]
    patient = config(tmp_path, *hard, "dynamic_sampling.max_rounds=2", recipe="dapo")
    assert Trainer(patient).resumed_from == 0


# A verifier that fails


def crash(task: rg.Task, completion: rg.Completion) -> bool:
    raise ZeroDivisionError("in the verifier")


@pytest.fixture
def dying_worker() -> Iterator[Callable[[rg.Task, rg.Completion], bool]]:
    """A verifier whose worker process is killed in the middle of its work."""
    here = str(Path(__file__).parents[1] / "rlvr_gym")
    sys.path.insert(0, here)
    pool = WorkerPool("worker_functions:misbehave")
    sys.path.remove(here)
    yield lambda task, completion: pool.call(["die"], timeout_seconds=30)
    pool.close()


def test_a_verifier_that_crashes_stops_the_run_with_its_cause_and_teaches_nothing(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path))
    trainer.env.verifier = FunctionVerifier(crash)
    with pytest.raises(
        rg.TooManyUnscored,
        match=r"16 of 16 samples \(100%\) could not be judged, more than run\.max_unscored=0\.1 allows; "
        r"most often \(16\): FunctionVerifier failed: ZeroDivisionError: in the verifier",
    ):
        trainer.run()
    assert trainer.learner.updates == 0
    assert checkpoints(tmp_path) == [0]
    assert Trainer(config(tmp_path)).run().finished


def test_a_verifier_whose_process_is_killed_is_a_fault_and_no_wrong_answer(
    tmp_path: Path, dying_worker: Callable[[rg.Task, rg.Completion], bool]
) -> None:
    trainer = Trainer(config(tmp_path))
    trainer.env.verifier = FunctionVerifier(dying_worker)
    with pytest.raises(rg.TooManyUnscored, match="the worker process died"):
        trainer.run()


@pytest.mark.slow
def test_a_verifier_that_hangs_is_given_up_on(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, "batch.prompts=2", "batch.group_size=2"))
    never = threading.Event()
    trainer.env.verifier = FunctionVerifier(lambda task, completion: never.wait())
    with pytest.raises(rg.TooManyUnscored, match="the verifier gave no answer within 60 s"):
        trainer.run()
    never.set()


def test_samples_that_could_not_be_judged_get_no_reward_and_no_gradient(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path, "run.steps=1", "run.max_unscored=0.9", "run.samples_per_step=16"))
    judging = trainer.env.verifier

    def fails_for_every_other_answer(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if sum(completion.token_ids) % 2:
            raise OSError("the verifier's disk is gone")
        return judging.verify(task, completion)

    trainer.env.verifier = FunctionVerifier(fails_for_every_other_answer)
    trainer.run()
    samples = rows(tmp_path, "samples.jsonl")
    unscored = [sample for sample in samples if sample["verdict"]["outcome"] == "unscored"]
    assert 0 < len(unscored) < 16
    assert all(sample["reward"] is None and sample["advantage"] == 0 for sample in unscored)
    last = rows(tmp_path)[-1]
    assert last["unscored/share"] == last["outcome/unscored"] == len(unscored) / 16
    assert last["tokens/trained"] == sum(s["length"] for s in samples) - sum(s["length"] for s in unscored)


def test_a_failing_held_out_verifier_keeps_the_step_and_the_evaluation_is_made_up_for(tmp_path: Path) -> None:
    evaluated = ["eval.every=1", "eval.tasks=6", "run.checkpoint_every=100"]
    trainer = Trainer(config(tmp_path / "failed", *evaluated))
    assert trainer.held_out.env is not None
    judging = trainer.held_out.env.verifier

    def fails_after_step_2(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        if trainer.step == 2:
            raise OSError("gone")
        return judging.verify(task, completion)

    trainer.held_out.env.verifier = FunctionVerifier(fails_after_step_2)
    with pytest.raises(rg.TooManyUnscored, match="OSError: gone"):
        trainer.run()
    assert 2 in checkpoints(tmp_path / "failed")
    assert "eval/pass@1" not in rows(tmp_path / "failed")[2]
    mended = Trainer(config(tmp_path / "failed", *evaluated)).run()
    whole = Trainer(config(tmp_path / "whole", *evaluated)).run()
    assert (mended.before, mended.after, mended.best) == (whole.before, whole.after, whole.best)
    found, expected = rows(tmp_path / "failed"), rows(tmp_path / "whole")
    assert [row["eval/pass@1"] for row in found] == [row["eval/pass@1"] for row in expected]
    assert [row["step"] for row in found] == [0, 1, 2, 3]


def test_a_broken_first_evaluation_does_not_cost_the_warm_up(tmp_path: Path) -> None:
    more = ["warmup.steps=3", "warmup.batch_size=8", "eval.every=2", "eval.tasks=4"]
    trainer = Trainer(config(tmp_path, *more))
    assert trainer.held_out.env is not None
    trainer.held_out.env.verifier = FunctionVerifier(crash)
    with pytest.raises(rg.TooManyUnscored):
        trainer.run()
    warmed_up = {name: w.clone() for name, w in trainer.models.policy.model.state_dict().items()}
    again = Trainer(config(tmp_path, *more))
    assert again.resumed_from == 0
    assert all(torch.equal(w, warmed_up[name]) for name, w in again.models.policy.model.state_dict().items())
    result = again.run()
    assert result.before is not None
    assert result.before.step == 0
    assert "eval/pass@1" in rows(tmp_path)[0]


# A disk that fails


def test_a_checkpoint_that_the_disk_does_not_take_leaves_the_ones_there_are(tmp_path: Path) -> None:
    """No file may grow to more than 1.3 times the weights: they fit, the optimizer's moments do not."""
    limit = int(1.3 * 4 * load_model("tiny:0123456789>")[0].num_parameters())
    script = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from rlvr_gym.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
main(sys.argv[1:])
"""
    arguments = ["train", "dr_grpo", *SMALL, f"run.dir={tmp_path}", "run.checkpoint_every=1"]
    command = [str(warm.commands(**warm.ONE_THREAD) / "python"), "-c", script, *arguments]
    done = subprocess.run(
        command, env=os.environ | warm.ONE_THREAD, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "error: cannot write the checkpoint of step 1 to" in done.stderr
    assert "MB free there). Make room; the same command resumes from step 0" in done.stderr
    assert os.listdir(tmp_path / "checkpoints") == ["step-0"]
    assert Trainer(config(tmp_path, "run.checkpoint_every=1"), name="dr_grpo").run().finished
    assert [row["step"] for row in rows(tmp_path)] == [0, 1, 2, 3]


def test_the_command_line_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    rlvr = Path(sys.executable).with_name("rlvr")
    command = [rlvr, "train", "grpo", *SMALL, "batch.prompts=5", "batch.minibatches=2", f"run.dir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "batch: 5 prompts do not divide into 2 minibatches; possible: 1, 5" in done.stderr
    assert "Traceback" not in done.stderr
