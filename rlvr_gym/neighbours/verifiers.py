"""Tasksets of verifiers (v1) whose tasks are one reply long, judged by their own rewards."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, final

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import without_thinking
from rlvr_gym.verifiers.base import Verifier


def from_verifiers(taskset: Any, *, rows: int | None = None) -> Environment:
    """The tasks of a taskset of verifiers, whose own rewards judge them.

    A reward that raises, or lies outside 0 to 1, leaves the sample unscored. Raises ConfigError for a task that needs
    more than its last reply to be judged: a container, tools, an `Env` of its own, or somebody who speaks first.

    Args:
        taskset: a `verifiers.v1.Taskset`, or the id of an installed one.
        rows: the number of its tasks; None is all of them.
    """
    if isinstance(taskset, str):
        taskset = _loaded(taskset)
    if rows is None and not taskset.bounded:
        raise ConfigError(
            f"{type(taskset).__name__} is endless: say how many of its tasks to take, with rows=N"
        )
    theirs: dict[str, Any] = {}
    for task in islice(taskset, rows):
        if fault := _refusal(task):
            raise ConfigError(f"{type(task).__name__} cannot be judged by a reply alone: {fault}")
        name = str(task.data.id or task.data.name or task.key)
        if name in theirs:
            raise ConfigError(f"two tasks of {type(taskset).__name__} are called '{name}'")
        theirs[name] = task
    tasks = [_task(name, task) for name, task in theirs.items()]
    name = str(taskset.config.id or type(taskset).__name__)
    return Environment(TaskSet.from_tasks(tasks, name=name), TasksetVerifier(theirs))


def _loaded(id: str) -> Any:
    """The taskset of that id. Raises ConfigError where it is not installed, or its package plays it by itself."""
    from verifiers.v1.configs.taskset import TasksetConfig  # pyright: ignore[reportMissingImports]
    from verifiers.v1.envs.single_agent import SingleAgentEnv  # pyright: ignore[reportMissingImports]
    from verifiers.v1.utils.generic import concrete_type  # pyright: ignore[reportMissingImports]
    from verifiers.v1.utils.loaders import environment_class, taskset_class  # pyright: ignore[reportMissingImports]

    from rlvr_gym.export.targets.verifiers_taskset import EpisodeEnv

    try:
        kind = taskset_class(id)
    except ModuleNotFoundError as error:
        raise ConfigError(f"no taskset '{id}' is installed: {error}") from error
    made = kind((concrete_type(kind, TasksetConfig) or TasksetConfig)(id=id))
    plays = environment_class(id)
    if plays is SingleAgentEnv or (issubclass(plays, EpisodeEnv) and not made.multi_turn):
        return made
    raise ConfigError(f"the tasks of '{id}' are played by {plays.__name__} of its own, and not by one reply")


def _refusal(task: Any) -> str | None:
    """The reason why a task needs more than a reply; None where that is enough."""
    import verifiers.v1 as vf  # pyright: ignore[reportMissingImports]

    kind = type(task)
    if task.data.prompt is None:
        return "it has no prompt, for somebody else speaks first"
    if kind.NEEDS_CONTAINER or task.data.image is not None:
        return "it needs a container"
    if kind.toolsets(task.config):
        return "it has tools"
    for hook in ("setup", "finalize"):
        if getattr(kind, hook) is not getattr(vf.Task, hook):
            return f"its {hook} prepares a runtime"
    functions = [*task.hooks("reward"), *(judge.score for judge in task.plugged_judges())]
    for function in functions:
        runtime = inspect.signature(function).parameters.get("runtime")
        if runtime is not None and runtime.default is inspect.Parameter.empty:
            return f"its reward '{getattr(function, '__name__', function)}' needs a runtime"
    return None if functions else "it has no reward"


def _task(name: str, theirs: Any) -> Task:
    data = theirs.data
    said = [{"role": "user", "content": data.prompt}] if isinstance(data.prompt, str) else data.prompt
    messages = [_message(one) for one in said]
    if data.system_prompt:
        messages = [Message(role="system", content=data.system_prompt), *messages]
    return Task(id=name, prompt=messages, reference=data.model_dump(mode="json", exclude={"idx"}))


def _message(said: Any) -> Message:
    fields: Mapping[str, Any] = said if isinstance(said, Mapping) else said.model_dump(mode="json")
    return Message.model_validate({"role": fields["role"], "content": fields.get("content") or ""})


@final
class TasksetVerifier(Verifier):
    """Judges by the rewards of verifiers' own tasks, which see the reply as the only one of a trace."""

    open_ended = True

    def __init__(self, theirs: Mapping[str, Any]) -> None:
        self._theirs = theirs

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Have the task score the reply. Raises VerifierFault where it could not, or the reward is out of range."""
        theirs = self._theirs[task.id]
        trace = _trace(theirs, completion)
        try:
            asyncio.run(theirs.score(trace))
        except Exception as error:
            raise VerifierFault(f"its rewards could not be computed: {error}") from error
        missing = [name for name, reward in trace.rewards.items() if reward is None]
        if missing:
            raise VerifierFault(f"no value came of its rewards {', '.join(missing)}")
        parts = {name: reward.value for name, reward in trace.rewards.items()}
        total = float(trace.reward)
        if not 0 <= total <= 1:
            raise VerifierFault(f"the rewards {parts} add up to {total:g}, which is outside 0 to 1")
        said = ", ".join(f"{name} {value:g}" for name, value in parts.items())
        return Verdict.right(said) if total == 1 else Verdict.wrong(said, score=total)


def _trace(theirs: Any, completion: Completion) -> Any:
    """The trace of a rollout that was asked, and replied."""
    import verifiers.v1 as vf  # pyright: ignore[reportMissingImports]
    from verifiers.v1.state import state_cls  # pyright: ignore[reportMissingImports]

    data = theirs.data
    said: Iterable[Any] = (
        [vf.UserMessage(content=data.prompt)] if isinstance(data.prompt, str) else data.prompt
    )
    system = [vf.SystemMessage(content=data.system_prompt)] if data.system_prompt else []
    messages = [*system, *said]
    nodes = [
        vf.MessageNode(message=one, parent=place - 1 if place else None) for place, one in enumerate(messages)
    ]
    reply = vf.AssistantMessage(content=without_thinking(completion.text))
    return vf.Trace(
        task=vf.TraceTask(type=type(theirs).__name__, data=data, key=theirs.key, hash=theirs.hash),
        state=state_cls(type(theirs))(),
        agent=vf.AgentInfo(config=vf.AgentConfig(model="rlvr-gym")),
        nodes=[*nodes, vf.MessageNode(message=reply, parent=len(nodes) - 1, sampled=True)],
        is_completed=True,
        stop_condition="completed",
    )
