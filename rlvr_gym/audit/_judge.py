"""The program of a judging process: one environment, questions in, verdicts out, until its parent is gone.

Executed as `python -m rlvr_gym.audit._judge` in a fresh interpreter by `process.JudgeProcess`.
"""

from __future__ import annotations

import json
import os
import resource
from typing import Any

from gymnasium.envs.registration import EnvSpec

from rlvr_gym.audit.rebuilding import rebuilt
from rlvr_gym.environments.base import Environment
from rlvr_gym.memory import peak_memory_bytes
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.workers.process import _die_with_parent


def main() -> None:
    """Read the set-up, say "ready", then judge until the pipe closes."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    setup = json.loads(requests.readline())
    token = {"token": setup["token"]}
    _die_with_parent(setup["lifeline"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (setup["memory_bytes"], setup["memory_bytes"]))
    try:
        env = rebuilt(EnvSpec.from_json(setup["spec"]))
    except Exception as error:  # noqa: BLE001 - whatever building raises is told to the parent
        _write(replies, {**token, "fault": f"{type(error).__name__}: {error}"})
        return
    _write(replies, {**token, "peak_bytes": peak_memory_bytes()})
    for line in requests:
        asked = json.loads(line)
        verdict = _played(env, Task.model_validate(asked["task"]), asked["text"])
        said = verdict.model_dump(mode="json")
        _write(replies, {**token, "verdict": said, "peak_bytes": peak_memory_bytes()})


def _played(env: Environment, task: Task, text: str) -> Verdict:
    """The verdict on an episode of `task` in which the policy says `text`, in every turn if there are several."""
    try:
        lane = env.clone()
        lane.reset(options={"task": task})
        for _ in range(env.max_turns):
            _, _, terminated, truncated, info = lane.step(text)
            if terminated or truncated:
                return info["verdict"]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an environment's fault is what is looked for
        return Verdict.unscored(f"{type(env).__name__} failed: {type(error).__name__}: {error}")
    return Verdict.unscored(f"the episode does not end after {env.max_turns} turns")


def _write(pipe: Any, value: Any) -> None:
    try:
        pipe.write(json.dumps(value).encode() + b"\n")
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
