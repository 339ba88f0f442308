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
from transformers.utils.chat_template_utils import get_json_schema

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


# Several turns


def episode_of(exported: Any, row: int) -> Any:
    assert exported.environment_factory is not None
    episode = exported.environment_factory()
    assert episode.reset(**exported.rows[row]) is None
    return episode


def finished(exported: Any, environments: list[Any], texts: list[str]) -> list[float | None]:
    given = {name: values[: len(texts)] for name, values in columns(exported).items() if name != "prompt"}
    return exported.reward(
        [[{"role": "assistant", "content": text}] for text in texts], environments=environments, **given
    )


def test_trl_calls_the_tools_of_an_environment_and_is_rewarded_at_the_end() -> None:
    exported = rg.export.trl(made("desk"))
    environments = [episode_of(exported, row) for row in range(4)]
    assert environments[0].add(a=1, b=2) == "3"
    assert environments[0].add(a=1, unit="pears") == "2 pears"
    assert environments[1].add(a="1").startswith("error: the argument 'a' of 'add'")
    assert [environments[2].count(), environments[2].count(), environments[3].count()] == ["1", "2", "1"]
    assert finished(exported, environments, list(COMPLETIONS)) == list(SCORES)


def test_a_tool_that_breaks_leaves_the_episode_unscored_whatever_is_said_after_it() -> None:
    exported = rg.export.trl(made("desk"))
    episode = episode_of(exported, 0)
    assert episode.crash(why="no disk") == "The episode is over."
    assert finished(exported, [episode], ["\\boxed{0}"]) == [None]


def test_calls_beyond_the_turns_end_an_episode() -> None:
    exported = rg.export.trl(made("desk"))
    episode = episode_of(exported, 0)
    said = [episode.add(a=1) for _ in range(5)]
    assert said == ["2", "2", "2", "The episode is over.", "The episode is over."]
    assert finished(exported, [episode], ["\\boxed{0}"]) == [0.0]


def test_trl_is_shown_the_schemas_of_the_tools_as_the_environment_has_them() -> None:
    env = made("desk")
    exported = rg.export.trl(env)
    assert exported.environment_factory is not None
    episode = exported.environment_factory()
    for tool in env.tools:
        shown = get_json_schema(getattr(episode, tool.name))["function"]
        assert (shown["name"], shown["description"]) == (tool.name, tool.description)
        assert list(shown["parameters"]["properties"]) == list(tool.parameters["properties"])
        assert shown["parameters"].get("required", []) == tool.parameters.get("required", [])
    unit = get_json_schema(episode.add)["function"]["parameters"]["properties"]["unit"]
    assert unit == {"type": "string", "enum": ["apples", "pears"], "nullable": True, "description": "unit"}


def test_an_environment_that_answers_in_words_is_a_tool_named_say() -> None:
    exported = rg.export.trl(made("talk"))
    environments = [episode_of(exported, row) for row in range(4)]
    assert environments[0].say(text="hm") == "That was turn 1. Go on."
    assert environments[0].say(text="hm") == "That was turn 2. Go on."
    assert environments[1].say(text="\\boxed{2}") == "The episode is over."
    rewards = finished(exported, environments, ["\\boxed{0}", "whatever comes after the end", "hm", FAULT])
    assert rewards == [1.5, 1.0, 0.25, None]


def test_a_tool_with_a_name_that_trl_keeps_for_itself_is_refused_by_name() -> None:
    with pytest.raises(rg.ConfigError, match="TRL cannot call a tool named 'reset'"):
        rg.export.trl(made("reset"))


def test_several_turns_are_not_judged_as_one() -> None:
    with pytest.raises(rg.ConfigError, match="several turns: give the trainer its environment_factory"):
        trl_rewards(rg.export.trl(made("talk")), COMPLETIONS)
    verl = rg.export.verl(made("desk"))
    with pytest.raises(rg.ConfigError, match="agent_loop_config_path=agent_loop"):
        verl.compute_score("tests/Desk-v0", "\\boxed{0}", "", verl.rows[0]["extra_info"])
    assert {row["agent_name"] for row in verl.rows} == {"rlvr_gym"}


def test_an_episode_earns_what_the_environment_itself_gives() -> None:
    env = made("talk")
    episode = Episode(env)
    assert [message.content for message in episode.begin(env.tasks[1])] == ["What is 1 + 1? Use \\boxed{}."]
    env.reset(options={"task": 1})
    for text in ("hm", "hm", "\\boxed{2}"):
        _, reward, _, _, info = env.step(text)
        episode.take(Completion(text=text))
        assert episode.last_reward == reward
    assert episode.verdict == info["verdict"]
    assert episode.reward == 1.5


def test_an_episode_that_stops_early_is_judged_as_it_stands() -> None:
    env = made("talk")
    episode = Episode(env)
    episode.begin(env.tasks[0])
    assert str(episode.stop().outcome) == "malformed"
    episode.begin(env.tasks[0])
    episode.take(Completion(text="hm"))
    episode.stop()
    assert episode.reward == 0.25
    with pytest.raises(rg.ConfigError, match="no episode is under way"):
        Episode(env).take(Completion(text="hm"))


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
