"""Tasks that an agent, a program of its own, answers with the policy's help."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import final

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError
from rlvr_gym.tasks import Task, TaskSet
from rlvr_gym.verifiers.base import Verifier

AgentFunction = Callable[[Task, str, str], Awaitable[str] | str]
"""(task, base URL, key) -> the answer that is judged."""


@final
class AgentEnvironment(Environment):
    """A task set, a verifier, and an agent that asks an OpenAI-compatible chat server for the policy's turns.

    An episode is one run of the agent on one task. It is given the address of the server and a key, which are those of
    its episode alone, and may ask as often as it likes, several times at once, streaming or not. The text that it
    returns is judged; everything that was sampled for it is learned from, once, with the credit of its episode.

    An agent that raises, or returns no text, has given no answer: that is malformed. One that takes longer than
    `seconds` without waiting for a completion has timed out. Where our side fails, and where the agent raises
    VerifierFault, the episode is unscored.

    Stepped by hand, it is a single turn: the text is judged as if the agent had returned it.

    Args:
        tasks: where the episodes come from. The agent is shown tasks without their reference.
        verifier: judges the agent's answer.
        agent: an `async` function, or a plain one, of a task, a base URL and a key, which returns its answer. Every
            call is made in a thread, and with an event loop, of its own. Or an `AgentCommand`, which runs in the
            sandbox.
        seconds: how long the agent may take by itself, what it waits for completions left out.
        max_calls: how many completions it may ask for.
        at_once: how many agents run side by side at most.
    """

    def __init__(
        self,
        tasks: TaskSet,
        verifier: Verifier,
        agent: AgentFunction,
        *,
        seconds: float = 60.0,
        max_calls: int = 64,
        at_once: int = 64,
    ) -> None:
        super().__init__(tasks, verifier)
        if not callable(agent):
            raise ConfigError(
                "an agent is a function of a task, a base URL and a key, or an rg.AgentCommand, not "
                f"{type(agent).__name__}"
            )
        if not 0 < seconds < math.inf or max_calls < 1 or at_once < 1:
            raise ConfigError(
                f"seconds is above 0, and max_calls and at_once are at least 1, not {seconds}, {max_calls} and "
                f"{at_once}"
            )
        self.agent, self.seconds, self.max_calls, self.at_once = agent, seconds, max_calls, at_once


def without_reference(task: Task) -> Task:
    """The task as an agent is shown it."""
    return task.model_copy(update={"reference": None})
