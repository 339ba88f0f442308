"""Episodes per second over OpenEnv, beside those of the same environment without a server.

    .venv-openenv/bin/python benchmarks/neighbours/openenv_episodes.py

The server and its clients share this machine. Every episode gives its task's right answer.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn  # needs .venv-openenv, as the imports below do

import rlvr_gym as rg
from rlvr_gym.export.served import Episode
from rlvr_gym.export.targets.openenv import OpenEnvExport
from rlvr_gym.verdicts import Completion


def main() -> None:
    """Measure one client, and several at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--port", type=int, default=8765)
    asked = parser.parse_args()
    exported = rg.export.openenv(rg.make("arithmetic"), rows=64)
    said = [exported.env.solution(row.task) or "" for row in exported.tasks]
    server = _serve(exported, asked.port)
    for clients in (1, 8):
        rate = _rate(lambda count: _remote(exported, asked.port, said, count), clients, asked.episodes)
        print(f"over OpenEnv, {clients} at once: {rate:.0f} episodes/s")
        rate = _rate(lambda count: _local(exported, said, count), clients, asked.episodes)
        print(f"in process, {clients} at once: {rate:.0f} episodes/s")
    server.should_exit = True


def _serve(exported: OpenEnvExport, port: int) -> uvicorn.Server:
    server = uvicorn.Server(uvicorn.Config(exported.app(), port=port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.05)
    return server


def _rate(play: Callable[[int], None], clients: int, episodes: int) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        list(threads.map(play, [episodes // clients] * clients))
    return episodes / (time.perf_counter() - began)


def _remote(exported: OpenEnvExport, port: int, said: list[str], count: int) -> None:
    from rlvr_gym.export.targets.openenv_files.client import TextEnv
    from rlvr_gym.export.targets.openenv_files.models import Say

    with TextEnv(base_url=f"http://127.0.0.1:{port}").sync() as env:
        for number in range(count):
            index = number % len(said)
            env.reset(index=index)
            if env.step(Say(text=said[index])).reward != 1.0:
                raise SystemExit(f"task {exported.tasks[index].task.id} was not right over OpenEnv")


def _local(exported: OpenEnvExport, said: list[str], count: int) -> None:
    episode = Episode(exported.env)
    for number in range(count):
        index = number % len(said)
        episode.begin(exported.tasks[index].task)
        episode.take(Completion(text=said[index]))
        if episode.reward != 1.0:
            raise SystemExit(f"task {exported.tasks[index].task.id} was not right")


if __name__ == "__main__":
    main()
