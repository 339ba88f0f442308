"""Exports as far as they go without the other system: names, rows, judging, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import gymnasium
import pyarrow
import pyarrow.parquet
import pytest

import rlvr_gym as rg
from rlvr_gym.cli.main import main
from rlvr_gym.export import TARGETS, export_class
from rlvr_gym.export.served import Episode
from rlvr_gym.verdicts import Completion
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made


def columns(exported: Any) -> dict[str, list[Any]]:
    return {name: [row[name] for row in exported.rows] for name in exported.rows[0]}


def trl_rewards(exported: Any, completions: Any) -> list[float | None]:
    given = columns(exported)
    prompts = given.pop("prompt")
    said = [[{"role": "assistant", "content": text}] for text in completions]
    return exported.reward(prompts=prompts, completions=said, completion_ids=[[1]] * len(said), **given)


def test_trl_is_told_none_of_a_completion_that_could_not_be_judged() -> None:
    told: dict[str, Any] = {}
    exported = rg.export.trl(made("sums"))
    assert exported.environment_factory is None
    given = columns(exported)
    del given["prompt"]
    rewards = exported.reward(
        list(COMPLETIONS),
        **given,
        trainer_state=None,
        log_extra=told.__setitem__,
        log_metric=told.__setitem__,
    )
    assert rewards == list(SCORES)
    assert told == {"outcome": ["correct", "correct", "malformed", "unscored"], "unscored": 0.25}


def test_verl_is_told_by_an_error_of_a_completion_that_could_not_be_judged() -> None:
    exported = rg.export.verl(made("sums"))
    scores = [
        exported.compute_score(
            row["data_source"],
            text,
            row["reward_model"]["ground_truth"],
            extra_info=row["extra_info"],
            unknown=1,
        )
        for row, text in zip(exported.rows[:3], COMPLETIONS[:3], strict=True)
    ]
    assert [score["score"] for score in scores] == list(SCORES[:3])
    assert [score["outcome"] for score in scores] == ["correct", "correct", "malformed"]
    with pytest.raises(rg.VerifierFault, match=r"could not be judged: .*the judge is broken"):
        exported.compute_score("tests/Sums-v0", FAULT, "", extra_info=exported.rows[3]["extra_info"])


def test_verl_rows_have_the_shape_that_its_dataset_reads(tmp_path: Path) -> None:
    folder = rg.export.verl(made("sums")).write(tmp_path / "out")
    rows = pyarrow.parquet.read_table(folder / "train.parquet").to_pylist()
    assert rows[2] == {
        "data_source": "tests/Sums-v0",
        "prompt": [{"role": "user", "content": "What is 2 + 2? Use \\boxed{}."}],
        "ability": "sums",
        "reward_model": {"style": "rule", "ground_truth": "4"},
        "extra_info": {"index": 2, "task": made("sums").tasks[2].id, "split": "test"},
    }


def test_files_of_verl_and_trl_are_read_back_as_they_are(tmp_path: Path) -> None:
    verl = rg.export.verl(made("sums")).write(tmp_path / "verl")
    read = rg.make("jsonl", data=str(verl / "train.parquet"), verifier="numeric")
    assert [task.text for task in read.tasks] == [task.text for task in made("sums").tasks]
    assert [read.solution(task) for task in read.tasks] == [f"\\boxed{{{2 * n}}}" for n in range(4)]
    rows = [{"prompt": [{"role": "user", "content": "1 + 1?"}], "solution": "2"}]
    trl = tmp_path / "trl.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), trl)
    assert [task.reference for task in rg.make("jsonl", data=str(trl)).tasks] == ["2"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_loads_again_with_the_same_tasks_and_judge(target: str, tmp_path: Path) -> None:
    first = export_class(target).of(made("sums", count=6), rows=4)
    folder = first.write(tmp_path / "out")
    place = next(folder.rglob("environment.json"))
    again = rg.export.load(target, place)
    assert [row.task for row in again.tasks] == [row.task for row in first.tasks]
    assert again.env.spec is not None
    assert again.env.spec.kwargs == {"count": 6}
    judged = again.served.verdicts(
        [(row.task, text) for row, text in zip(again.tasks, COMPLETIONS, strict=True)]
    )
    assert tuple(verdict.score for verdict in judged) == SCORES
    for path in folder.rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), str(path), "exec")


MINE = """
import rlvr_gym as rg
@rg.register("mine/Sums-v0")
def build(data: str = "sums.jsonl"):
    verifier = rg.verifiers.Numeric("boxed")
    to_task = lambda row: rg.Task(prompt=row["prompt"], reference=row["answer"])
    return rg.Environment(rg.TaskSet.from_path(data, to_task, name="sums", split="train"), verifier)
"""


def test_what_is_written_finds_module_and_data_from_another_folder_and_process(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_text('{"prompt": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    (tmp_path / "my_sums.py").write_text(MINE, encoding="utf-8")
    program = (
        "from rewards import reward, dataset\n"
        "row = dataset[0]; said = ['\\\\boxed{2}', '\\\\boxed{3}']\n"
        "print(reward(completions=said, task=[row['task']] * 2, index=[row['index']] * 2))"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setattr(sys, "path", [*sys.path])
        rg.export.trl(rg.make("my_sums.py:sums")).write("out")
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[1.0, 0.0]", done.stderr
    (tmp_path / "my_sums.py").unlink()
    done = subprocess.run(command, cwd=tmp_path / "out", capture_output=True, text=True, check=False)
    assert "cannot import 'my_sums:build', which builds 'mine/Sums-v0'" in done.stderr


def test_endless_tasks_are_exported_by_number_and_found_where_they_stand() -> None:
    env = rg.make("arithmetic")
    with pytest.raises(rg.ConfigError, match=r"endless: say how many .* rows=N or --rows N"):
        rg.export.trl(env)
    exported = rg.export.trl(env, rows=30)
    assert len({row["task"] for row in exported.rows}) == 30
    assert all(env.tasks[row["index"]].id == row["task"] for row in exported.rows)


@pytest.mark.parametrize("target", TARGETS)
def test_an_environment_without_a_name_is_refused(target: str) -> None:
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt="1?", reference="1")], name="mine")
    unnamed = rg.Environment(tasks, rg.verifiers.Numeric("boxed"))
    with pytest.raises(rg.ConfigError, match="exported by its name: register"):
        export_class(target).of(unnamed)


def test_an_environment_whose_tasks_were_exchanged_is_refused() -> None:
    env = made("sums")
    env.tasks = rg.TaskSet.from_tasks([rg.Task(prompt="1?", reference="1")], name="mine")
    with pytest.raises(rg.ConfigError, match="other tasks than its name and options build"):
        rg.export.trl(env)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verifier": rg.verifiers.Numeric("boxed")}, "another verifier"),
        ({"max_turns": 3}, "another max_turns"),
    ],
)
def test_an_environment_that_is_no_longer_what_its_name_builds_is_refused(
    change: dict[str, Any], said: str
) -> None:
    env = made("sums")
    for name, value in change.items():
        setattr(env, name, value)
    with pytest.raises(rg.ConfigError, match=f"{said} than its name and options build"):
        rg.export.trl(env)


def test_what_gymnasium_makes_is_exported_and_what_is_no_environment_is_refused() -> None:
    made_by_name: Any = gymnasium.make("rlvr/Arithmetic-v0")
    assert rg.export.trl(made_by_name, rows=1).manifest.id == "rlvr/Arithmetic-v0"
    name: Any = "arithmetic"
    with pytest.raises(rg.ConfigError, match="an rlvr_gym Environment can be exported, and a str cannot"):
        rg.export.trl(name, rows=1)


def test_targets_answer_to_their_packages_names() -> None:
    assert export_class("inspect_ai") is export_class("inspect-ai") is export_class("Inspect")


def test_tasks_that_changed_since_the_export_are_not_judged(tmp_path: Path) -> None:
    data = tmp_path / "sums.jsonl"
    data.write_text('{"prompt": "1 + 1?", "answer": "2"}\n', encoding="utf-8")
    folder = rg.export.verl(rg.make("jsonl", data=str(data))).write(tmp_path / "out")
    data.write_text('{"prompt": "1 + 1?", "answer": "3"}\n', encoding="utf-8")
    with pytest.raises(rg.DataError, match="not those that were exported"):
        rg.export.load("verl", folder / "environment.json")


def test_a_row_of_other_tasks_is_not_judged() -> None:
    exported = rg.export.trl(made("sums"))
    with pytest.raises(rg.DataError, match="row 1 was exported as task 'other'"):
        exported.reward(completions=["\\boxed{2}"], task=["other"], index=[1])
    with pytest.raises(rg.DataError, match="row 99 is of other tasks"):
        exported.reward(completions=["\\boxed{2}"], task=["other"], index=[99])
    with pytest.raises(rg.ConfigError, match="a row of 'gsm8k' came to the judge of 'tests/Sums-v0'"):
        rg.export.verl(made("sums")).compute_score("gsm8k", "", "", {"index": 0})


def test_a_chosen_part_of_the_tasks_is_exported_as_such(tmp_path: Path) -> None:
    from rlvr_gym.environments.settings import EnvConfig

    tasks = made("sums").tasks
    ids = [task.id for task in tasks]
    measured = {
        "correct": 1,
        "scored": 2,
        "environment": "tests/Sums-v0",
        "fingerprint": tasks.fingerprint,
        "model": "m",
    }
    rows = [
        {"task": id, "pass_rate": rate, **measured} for id, rate in zip(ids, (0, 0.5, 0.5, 1), strict=True)
    ]
    rates = tmp_path / "rates.jsonl"
    rates.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    name = "tests.neighbours.environments:sums"
    env = EnvConfig(id=name, pass_rate=(0.2, 0.8), pass_rates=rates).make()
    folder = rg.export.trl(env).write(tmp_path / "out")
    again = rg.export.load("trl", folder / "environment.json")
    assert [row.task.id for row in again.tasks] == ids[1:3]


def test_a_judge_that_is_stuck_is_given_up_on_in_its_time() -> None:
    began = time.monotonic()
    assert trl_rewards(rg.export.trl(made("slow")), COMPLETIONS) == list(SCORES)
    env = made("slow")
    episode = Episode(env)
    episode.begin(env.tasks[0])
    assert not episode.finish(Completion(text=FAULT)).scored
    assert episode.reward is None
    assert time.monotonic() - began < 4


def test_many_threads_may_judge_at_once() -> None:
    exported = rg.export.verl(made("sums"))
    scores: list[float] = []

    def ask(row: int) -> None:
        place = exported.rows[row % 3]["extra_info"]
        told = exported.compute_score("tests/Sums-v0", COMPLETIONS[row % 3], "", place)
        scores.append(float(told["score"]))

    threads = [threading.Thread(target=ask, args=(row,)) for row in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(scores) == [0.0] * 10 + [1.0] * 20


# The command


def ran(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(["export", *arguments])
    return int(exited.value.code or 0)


def test_the_command_writes_the_tasks_to_train_on_and_for_inspect_those_that_are_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran("verl", "arithmetic", "--rows", "3", "--out", str(tmp_path / "verl")) == 0
    assert "3 tasks of 'arithmetic' (train)" in capsys.readouterr().out
    assert ran("inspect", "arithmetic", "--rows", "3", "--out", str(tmp_path / "inspect")) == 0
    assert "3 tasks of 'arithmetic' (test)" in capsys.readouterr().out
    assert ran("trl", "arithmetic", "env.split=test", "--rows", "3", "--out", str(tmp_path / "trl")) == 0
    spec = json.loads((tmp_path / "trl/environment.json").read_text(encoding="utf-8"))["spec"]
    assert spec["kwargs"] == {"split": "test"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trl", "reverse", "--rows", "3"), "say where the files go: --out FOLDER"),
        (("tlr", "reverse", "--rows", "3", "--out", "new"), "did you mean 'trl'? possible: inspect, openenv"),
        (("trl", "revers", "--rows", "3", "--out", "new"), "did you mean 'reverse'?"),
        (("trl", "reverse", "--out", "new"), "endless: say how many"),
        (("trl", "reverse", "--rows", "3", "--out", "."), "is there already"),
        (("trl", "reverse", "--rows", "0", "--out", "new"), "--rows"),
        (("trl", "reverse", "--rows", "3", "--out", "file/new"), "is a file"),
    ],
)
def test_the_command_refuses_what_cannot_work_and_writes_nothing(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert ran(*arguments) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
