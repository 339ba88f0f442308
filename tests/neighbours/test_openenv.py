"""Exported environments behind OpenEnv's own server, played by its own client."""

from __future__ import annotations

import importlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rlvr_gym as rg
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made

pytestmark = [pytest.mark.neighbours, pytest.mark.filterwarnings("ignore")]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def openenv(neighbour: Callable[[str], Any]) -> Any:
    return neighbour("openenv")


def started(name: str, folder: Path) -> tuple[str, subprocess.Popen[str]]:
    """Serve an environment as its written files do."""
    folder = rg.export.openenv(made(name)).write(folder / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "server.app:app",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    env = {"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, cwd=folder, env=env, text=True)
    address = f"http://127.0.0.1:{port}"
    wait_for(address, process)
    return address, process


@pytest.fixture(scope="module")
def served(openenv: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Serves an environment, once for all tests; returns the address."""
    running: dict[str, tuple[str, subprocess.Popen[str]]] = {}

    def start(name: str) -> str:
        if name not in running:
            running[name] = started(name, tmp_path_factory.mktemp("openenv"))
        return running[name][0]

    yield start
    for _, process in running.values():
        process.terminate()
        process.wait(timeout=20)


def wait_for(address: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240  # other work may have the machine
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("the server does not answer")


def client(address: str) -> Any:
    files = importlib.import_module("rlvr_gym.export.targets.openenv_files.client")
    return files.TextEnv(base_url=address, connect_timeout_s=120.0, message_timeout_s=120.0).sync()


def say(text: str) -> Any:
    return importlib.import_module("rlvr_gym.export.targets.openenv_files.models").Say(text=text)


def test_completions_get_the_same_scores_and_what_could_not_be_judged_gets_none(served: Any) -> None:
    with client(served("sums")) as env:
        ends = []
        for index, text in enumerate(COMPLETIONS):
            begun = env.reset(index=index)
            assert (begun.done, begun.reward) == (False, None)
            assert begun.observation.messages[0]["content"] == f"What is {index} + {index}? Use \\boxed{{}}."
            ends.append(env.step(say(text)))
    assert [end.reward for end in ends] == list(SCORES)
    assert all(end.done for end in ends)
    assert (ends[3].observation.outcome, "broken" in ends[3].observation.detail) == ("unscored", True)


def test_the_rewards_of_the_turns_add_up(served: Any) -> None:
    with client(served("talk")) as env:
        env.reset(index=1)
        results = [env.step(say(text)) for text in ("hm", "hm", "\\boxed{2}")]
        assert [result.reward for result in results] == [0.25, 0.25, 1.0]
        assert [result.done for result in results] == [False, False, True]
        assert results[0].observation.text == "That was turn 1. Go on."
        with pytest.raises(RuntimeError, match="the episode is over"):
            env.step(say("more"))


def test_tools_are_called_in_words(served: Any) -> None:
    with client(served("desk")) as env:
        assert "add" in env.reset(index=0).observation.messages[0]["content"]
        call = '<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2}}</tool_call>'
        assert env.step(say(call)).observation.text == "3"
        assert env.step(say("\\boxed{0}")).reward == 1.0


def test_a_seed_names_a_task_and_without_one_they_follow_one_another(served: Any) -> None:
    with client(served("sums")) as env:
        assert env.reset(seed=5).observation.task == env.reset(seed=5).observation.task
    with client(served("sums")) as env:
        following = [env.reset().observation.task for _ in range(5)]
        assert len(set(following)) == 4
        assert following[0] == following[4]
        with pytest.raises(RuntimeError, match="there are tasks 0 to 3, not 9"):
            env.reset(index=9)


def test_episodes_of_many_clients_do_not_meet(served: Any) -> None:
    address = served("talk")

    def play(index: int) -> list[float | None]:
        with client(address) as env:
            env.reset(index=index % 4)
            return [
                env.step(say(text)).reward
                for text in ("hm", FAULT if index % 2 else f"\\boxed{{{2 * (index % 4)}}}")
            ]

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(play, range(16)))
    assert found == [[0.25, None] if index % 2 else [0.25, 1.0] for index in range(16)]


# The way back


def test_an_episode_of_a_server_is_played_here_and_earns_the_same(served: Any) -> None:
    env = rg.from_openenv(served("talk"), rows=4, max_turns=3)
    assert len({task.text for task in env.tasks}) > 1
    task = env.tasks[2]
    number = int(task.text.split()[2])
    env.reset(options={"task": task})
    steps = [env.step(text) for text in ("hm", "hm", f"\\boxed{{{2 * number}}}")]
    assert [reward for _, reward, *_ in steps] == [0.25, 0.25, 1.0]
    assert steps[0][0] == "That was turn 1. Go on."
    assert steps[2][4]["verdict"].correct


def test_what_the_server_could_not_judge_is_unscored_here(served: Any) -> None:
    env = rg.from_openenv(served("sums"), rows=2)
    env.reset(options={"task": 0})
    _, reward, terminated, _, info = env.step(FAULT)
    assert (reward, terminated, info["scored"]) == (0.0, True, False)
    assert "gave no reward unscored" in info["verdict"].detail


def test_many_episodes_of_a_server_are_played_at_once(served: Any) -> None:
    env = rg.from_openenv(served("sums"), rows=4)
    vector = rg.GroupVectorEnv(env, 4, 2)
    vector.reset(options={"tasks": [0, 1, 2, 3]})
    numbers = [int(env.tasks[group].text.split()[2]) for group in range(4)]
    said = [
        f"\\boxed{{{2 * number}}}" if right else "\\boxed{99}"
        for number in numbers
        for right in (True, False)
    ]
    _, rewards, terminated, _, _ = vector.step(said)
    assert rewards.tolist() == [1.0, 0.0] * 4
    assert terminated.all()


def test_an_episode_that_the_server_does_not_end_is_wrong_after_its_turns(served: Any) -> None:
    env = rg.from_openenv(served("talk"), rows=1, max_turns=2)
    env.reset(options={"task": 0})
    env.step("hm")
    _, reward, _, truncated, info = env.step("hm")
    assert (reward, truncated, info["verdict"].score) == (0.25, True, 0.0)


def test_a_server_that_is_gone_leaves_episodes_unscored(openenv: Any, tmp_path: Path) -> None:
    with pytest.raises(rg.ConfigError, match="no OpenEnv server answers at http"):
        rg.from_openenv("http://127.0.0.1:9", rows=1)
    with pytest.raises(rg.ConfigError, match="an address such as"):
        rg.from_openenv("ftp://127.0.0.1", rows=1, action=None)
    gone = rg.from_openenv("http://127.0.0.1:9", rows=1, action="text")
    task = rg.Task(prompt="?", metadata={"reset": {"seed": 0}})
    gone.reset(options={"task": task})
    _, _, terminated, _, info = gone.step("hm")
    assert terminated
    assert not info["scored"]
    assert "the server at http://127.0.0.1:9 failed" in info["verdict"].detail


def test_a_server_that_dies_in_an_episode_leaves_it_unscored(openenv: Any, tmp_path: Path) -> None:
    address, process = started("talk", tmp_path)
    env = rg.from_openenv(address, rows=1)
    env.reset(options={"task": 0})
    env.step("hm")
    process.kill()
    process.wait(timeout=20)
    _, _, terminated, _, info = env.step("hm")
    assert terminated
    assert not info["scored"]
    assert f"the server at {address} failed" in info["verdict"].detail
    with pytest.raises(rg.DataError, match="failed"):
        rg.from_openenv(address, rows=2, action="text").tasks.take(2)
