"""An environment in the service of another system: tasks by place, verdicts within their time, single episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.errors import ConfigError, DataError
from rlvr_gym.evaluation.judging import judge_all
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A task, and its place in the environment's task set."""

    index: int
    task: Task


def rows_of(env: Environment, count: int | None) -> list[Row]:
    """The first `count` distinct tasks, all for None. Raises ConfigError where they are endless and not counted."""
    if count is not None and count < 1:
        raise ConfigError(f"rows must be at least 1, not {count}")
    if count is None and env.tasks.size is None:
        raise ConfigError(
            f"{env.tasks.label} is endless: say how many of its tasks to export, with rows=N or --rows N"
        )
    wanted = {task.id for task in env.tasks.take(count)}
    found: list[Row] = []
    for index, task in enumerate(env.tasks):
        if not wanted:
            break
        if task.id in wanted:
            wanted.discard(task.id)
            found.append(Row(index=index, task=task))
    return found


def is_multi_turn(env: Environment) -> bool:
    """Return whether an episode may have more turns than one."""
    return env.max_turns > 1


@final
class Served:
    """The tasks and the judge of an exported environment. Several threads may use it at once."""

    def __init__(self, env: Environment) -> None:
        self.env = env

    def __deepcopy__(self, memo: object) -> Served:
        """Itself: nothing of it changes, and its judges are not to be had twice."""
        return self

    def task(self, index: int, task_id: str) -> Task:
        """The task that was exported from this place. Raises DataError where another one stands there."""
        try:
            task = self.env.tasks[int(index)]
        except IndexError as error:
            raise DataError(f"row {index} is of other tasks than these: {error}") from error
        if task.id != task_id:
            raise DataError(
                f"row {index} was exported as task '{task_id}', and {self.env.tasks.label} has '{task.id}' there: "
                "export it again"
            )
        return task

    def verdicts(self, pairs: Sequence[tuple[Task, str]]) -> list[Verdict]:
        """Judge texts as the final turns of their tasks, concurrently; each has the time that its verifier asks for."""
        return list(judge_all(self.env, [(task, Completion(text=text)) for task, text in pairs]))

    def verdict(self, task: Task, text: str) -> Verdict:
        """Judge one text."""
        return self.verdicts([(task, text)])[0]

    def episode(self) -> Episode:
        """A place for one episode at a time."""
        return Episode(self.env)


@final
class Episode:
    """Episodes that another system plays, one after the other; it belongs to one thread at a time.

    Turns are answered and judged within the environment's time, in a thread of their own.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._lanes = GroupVectorEnv(env, 1, 1, workers=1)
        self._earned: list[float] = []
        self._given: float | None = None
        self._last = Completion(text="")
        self.task: Task | None = None
        self.verdict: Verdict | None = None
        """The verdict, once the episode is over."""
        self.turns = 0
        """Number of the policy's turns so far."""

    def begin(self, task: Task, *, native_tools: bool = False) -> tuple[Message, ...]:
        """Begin an episode; returns its prompt. `native_tools` is as in `Environment.reset`."""
        self._lanes.begin(0, task, native_tools=native_tools)
        self.task, self.verdict, self._earned, self.turns = task, None, [], 0
        self._last, self._given = Completion(text=""), None
        return self._lanes.messages(0)

    def take(self, turn: Completion) -> tuple[Message, ...]:
        """Take the policy's turn; returns the environment's answer, which is empty once the episode is over."""
        if self.task is None:
            raise ConfigError("no episode is under way: call reset first")
        if self.verdict is not None:
            return ()
        self._last = turn
        self._lanes.send(0, turn)
        answer = self._lanes.recv(0)
        self.turns += 1
        self._given = answer.turn_reward
        if answer.turn_reward is not None:
            self._earned.append(answer.turn_reward)
        self.verdict = answer.verdict
        return answer.messages

    def finish(self, turn: Completion) -> Verdict:
        """Take the policy's last turn: where the environment would go on, the episode is judged as it stands."""
        self.take(turn)
        return self.stop()

    def stop(self) -> Verdict:
        """End the episode, which is judged as it stands; where the policy said nothing, an empty turn is judged."""
        if self.task is None:
            raise ConfigError("no episode is under way: call reset first")
        if self.verdict is None:
            self.verdict = next(judge_all(self._env, [(self.task, self._last)]))
        return self.verdict

    @property
    def reward(self) -> float | None:
        """The verdict's score and the rewards of single turns together; None where nothing could be judged."""
        if self.verdict is None or self.verdict.score is None:
            return None
        return self.verdict.score + sum(self._earned)

    @property
    def last_reward(self) -> float | None:
        """The reward of the last turn, to which the verdict's score comes at the end; None where there is none."""
        if self.verdict is None:
            return self._given
        return None if self.verdict.score is None else self.verdict.score + (self._given or 0.0)

    def close(self) -> None:
        """End the judging thread."""
        self._lanes.close()


def content(messages: Sequence[Message]) -> str:
    """The contents of messages, as the text of one."""
    return "\n".join(message.content for message in messages)
