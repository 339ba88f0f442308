"""A task whose rewards differ within groups, and whose verdicts take as long as one likes."""

from __future__ import annotations

import time

import rlvr_gym as rg

PROMPT_TOKENS = 32
"""Tokens of every prompt: the model of `measured` has one for each character."""


@rg.register("bench/Parity-v0")
def parity(seconds: float = 0.0) -> rg.Environment:
    """Right where the number of characters is even; a verdict takes `seconds`."""

    def verify(task: rg.Task, completion: rg.Completion) -> bool:
        if seconds:
            time.sleep(seconds)
        return len(completion.text) % 2 == 0

    prompts = [f"{number:0{PROMPT_TOKENS}d}" for number in range(4096)]
    tasks = rg.TaskSet.from_tasks([rg.Task(prompt=prompt) for prompt in prompts], name="parity")
    return rg.Environment(tasks, rg.FunctionVerifier(verify))
