"""Tasks and a verifier as a Gymnasium environment."""

from __future__ import annotations

import copy
import math
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, final

import gymnasium
from pydantic import BaseModel, ConfigDict, JsonValue

from rlvr_gym.environments.tooling import EpisodeLimits, Toolbox, ToolEpisode
from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.tools import Tool, ToolSpec
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.base import Verifier, judge

Info = dict[str, Any]
_SHOWN = 1000
_TURNS_WITH_TOOLS = 10


class TextSpace(gymnasium.Space[str]):
    """All strings.

    Gymnasium's own `Text` enumerates its characters: the default charset has no space or newline, and one
    of full Unicode takes seconds to build. Samples are short and printable, for API checkers.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Text has no fixed-size array form."""
        return False

    def sample(self, mask: object = None, probability: object = None) -> str:
        """A random printable string of up to 32 characters; masks mean nothing here."""
        length = int(self.np_random.integers(0, 33))
        return "".join(string.printable[i] for i in self.np_random.integers(0, len(string.printable), length))

    def contains(self, x: object) -> bool:
        """True if `x` is a string."""
        return isinstance(x, str)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace)

    def __hash__(self) -> int:
        return hash(TextSpace)

    def __repr__(self) -> str:
        return "TextSpace()"


class EnvironmentCard(BaseModel):
    """Facts that a user should know about an environment before trusting a number it produced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    """The question it asks, in a phrase that fits one line of a list."""
    detail: str = ""
    """Further facts about the question."""
    turns: int = 1
    """Default number of the policy's turns."""
    source: str
    """The source of the tasks."""
    licence: str
    """The licence of the tasks."""
    answer: str
    """The place of the final answer in a completion, and how it is compared."""
    sampling: SamplingParams = SamplingParams()
    """The sampling that published figures use, or that we recommend."""
    samples_per_task: int = 1
    """Default number of samples per task in an evaluation."""
    answers_withheld: bool = False
    """The data set forbids that its answers are published: none is shown or kept beside a completion."""
    overlap_groups: tuple[str, ...] = ()
    """Collections that its problems come from, wholly or in part: sets with one in common may share problems."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An environment's answer to a turn of the policy, after which the policy has another.

    `messages` are of any role that the model's chat template knows. `reward` is what this turn earned by itself,
    beside the verdict at the end of the episode; None where the environment rewards no single turns.
    """

    messages: tuple[Message, ...]
    reward: float | None = None

    @classmethod
    def of(cls, said: str | Message | Self) -> Self:
        """The response that `respond` means: a string is a message of the user.

        Raises VerifierFault where the reward is no finite number.
        """
        if isinstance(said, str):
            said = Message(role="user", content=said)
        if isinstance(said, Message):
            return cls(messages=(said,))
        if said.reward is not None and not math.isfinite(said.reward):
            raise VerifierFault(
                f"the environment rewards a turn with {said.reward}, which is no finite number"
            )
        return said

    @property
    def text(self) -> str:
        """The contents of the messages, a line each."""
        return "\n".join(message.content for message in self.messages)


class Judging(Protocol):
    """A place where verdicts are computed. Called from several threads at once."""

    @property
    def slots(self) -> int:
        """Number of verdicts that are computed there at once; 0 for as many as this machine likes."""
        ...

    def timeout_seconds(self, of_answer: float) -> float:
        """Time to wait for an answer that takes `of_answer` at most, once it is being computed."""
        ...

    def __call__(self, verifier: Verifier, task: Task, completion: Completion) -> Verdict:
        """The verdict, as `rlvr_gym.verifiers.base.judge` gives it."""
        ...


@final
class JudgedHere:
    """The `Judging` of this process."""

    slots = 0

    def timeout_seconds(self, of_answer: float) -> float:
        """The time that the answer takes: nothing comes to it."""
        return of_answer

    def __call__(self, verifier: Verifier, task: Task, completion: Completion) -> Verdict:
        """Judge in the thread that asks."""
        return judge(verifier, task, completion)


class Environment(gymnasium.Env[str, str]):
    """A task set and a verifier behind `reset` and `step`.

    An episode is one task. The observation is what the environment says (the prompt first), the action is
    the policy's whole turn. An episode is single-turn unless there are tools, or a subclass overrides `respond`. With
    tools it goes on while turns call them; a turn that calls none is `respond`'s to answer.

    Args:
        tasks: where the episodes come from.
        verifier: judges the policy's last turn when the episode ends.
        max_turns: how many turns the policy has; when `respond` still wants to go on after the last one,
            the episode is `truncated` and judged as it stands. None is 1, with tools 10.
        tools: what the policy may call by name (`rlvr_gym.tool`).
        limits: bounds of an episode beside its turns.
        state: makes the state of an episode from its task, for tools that take one.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - the base class's own shape
    card: EnvironmentCard | None = None
    """Set by the registry when the environment is made by name."""
    judging: Judging = JudgedHere()
    """The place where the verdicts of its episodes are computed."""
    selection: Mapping[str, JsonValue] = {}
    """The selection of `tasks` from those that `spec` stands for, as settings; empty if there is none."""
    own_protocol = False
    """True where prompts say, and `respond` reads, what to do in place of calls if the chat template knows no tools."""
    stop: tuple[str, ...] = ()
    """Texts, as `</search>`, of which the first ends the policy's turn; none does where calls are read from tokens."""

    def __init__(
        self,
        tasks: TaskSet,
        verifier: Verifier,
        *,
        max_turns: int | None = None,
        tools: Sequence[Tool] = (),
        limits: EpisodeLimits | None = None,
        state: Callable[[Task], Any] | None = None,
    ) -> None:
        if max_turns is not None and max_turns < 1:
            raise ConfigError(f"max_turns must be at least 1, not {max_turns}")
        self.tasks = tasks
        self.verifier = verifier
        self.limits = limits or EpisodeLimits()
        self._toolbox = Toolbox(tools, self.limits, state)
        self.max_turns = max_turns or (_TURNS_WITH_TOOLS if tools else 1)
        self.observation_space = TextSpace()
        self.action_space = TextSpace()
        self.task: Task | None = None
        self.native_tools = False
        """True where the policy is shown the tools by its chat template, and its calls are read from its tokens."""
        self._replies: list[Completion] = []
        self._calls: ToolEpisode | None = None

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools as a policy is shown them."""
        return self._toolbox.specs

    @property
    def state(self) -> Any:
        """The state of the current episode; None where there is none."""
        return self._calls.state if self._calls else None

    def respond(self, task: Task, replies: Sequence[Completion]) -> str | Message | Response | None:
        """Answer the policy's latest turn; None ends the episode.

        A string is a message of the user, a `Message` one of any role. A `Response` may hold several messages, and
        a reward for the turn.

        `replies` are all turns of the policy so far, the latest last. Must be deterministic. Raises VerifierFault
        where it cannot answer, which ends the episode unscored.
        """
        return None

    @property
    def timeout_seconds(self) -> float:
        """Time to wait for the answer to a turn before giving up on the episode."""
        return self.verifier.timeout_seconds + (self.limits.seconds if self.tools else 0.0)

    def solution(self, task: Task) -> str | None:
        """A final turn that earns full marks on `task`, None where none is known."""
        return self.verifier.solution(task)

    def expected(self, task: Task) -> str | None:
        """The right answer, to show beside one that was given; None where none is known or it may not be shown.

        It is cut after a thousand characters.
        """
        if self.card is not None and self.card.answers_withheld:
            return None
        solution = self.solution(task)
        return solution if solution is None or len(solution) <= _SHOWN else f"{solution[:_SHOWN]}..."

    def clone(self) -> Self:
        """A fresh episode slot beside this one: same tasks, same verifier, a state of its own."""
        twin = copy.copy(self)
        twin.task, twin._replies, twin._np_random, twin._calls = None, [], None, None
        return twin

    def prompt(self, task: Task, *, native_tools: bool) -> tuple[Message, ...]:
        """The prompt as the policy is shown it, tools being told of where its chat template does not tell of them."""
        if not self.tools or native_tools or self.own_protocol:
            return task.prompt
        return self._toolbox.told(task.prompt)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, Info]:
        """Begin an episode.

        `options={"task": id, index or Task}` picks the task; else it is drawn at random (of an endless
        task set: among the first million). `"native_tools": True` says that the policy is shown the tools by its chat
        template: the prompt then does not tell of them. Returns the prompt as text, and `info` with `task` (its id) and
        `messages` (the prompt as chat messages).
        """
        super().reset(seed=seed)
        options = options or {}
        if unknown := set(options) - {"task", "native_tools"}:
            raise ConfigError(
                f"unknown reset options {sorted(unknown)}; possible: 'task' (an id or an index), 'native_tools'"
            )
        chosen = options["task"] if "task" in options else self._draw()
        self.task = chosen if isinstance(chosen, Task) else self.tasks[chosen]
        self.native_tools = bool(options.get("native_tools", False))
        self._replies = []
        callable_ = self.tools and (self.native_tools or not self.own_protocol)
        self._calls = self._toolbox.begin(self.task) if callable_ else None
        messages = self.messages
        return "\n\n".join(message.content for message in messages), self._info(messages=messages)

    def step(self, action: str | Completion) -> tuple[str, float, bool, bool, Info]:
        """Take the policy's turn; judge when it was the last. A turn that the sampler failed to give is the last.

        Returns (observation, reward, terminated, truncated, info). The reward is what the environment gave to the
        turn; at the end of an episode, the verdict's score comes to it, `info` has `verdict`, and the observation
        is empty. Where nothing could be judged the reward is 0.0 with `info["scored"]` False. `info` has the
        environment's `messages` while the episode goes on, `turn_reward` where it gave the turn one, and `calls`, a
        `CallRecord` for each call of the turn, where it has tools.
        """
        if self.task is None:
            raise gymnasium.error.ResetNeeded("call reset() before step(): no episode is under way")
        if isinstance(action, str):
            action = Completion(text=action)
        self._replies.append(action)
        response, verdict = None, None
        given: Info = {"calls": ()} if self._calls else {}
        try:
            said = None if action.failed else self._said(self.task, action, given)
            response = None if said is None else Response.of(said)
        except VerifierFault as error:
            verdict = Verdict.unscored(str(error))
        reward = response.reward if response else None
        if reward is not None:
            given["turn_reward"] = reward
        out_of_turns = len(self._replies) >= self.max_turns
        if response is not None and not out_of_turns:
            info = self._info(scored=True, messages=response.messages, **given)
            return response.text, reward or 0.0, False, False, info
        verdict = verdict or self.judging(self.verifier, self.task, action)
        info = self._info(scored=verdict.scored, verdict=verdict, **given)
        self.task = None
        earned = 0.0 if verdict.score is None else verdict.score + (reward or 0.0)
        return "", earned, response is None, response is not None, info

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt of the current episode as chat messages."""
        if self.task is None:
            raise gymnasium.error.ResetNeeded("call reset() first: no episode is under way")
        return self.prompt(self.task, native_tools=self.native_tools)

    def _said(self, task: Task, turn: Completion, info: Info) -> str | Message | Response | None:
        """The answer to a turn: that of its tools where it calls any. What became of the calls is put into `info`."""
        number = len(self._replies)
        calls = self._calls.calls_in(turn, number) if self._calls else ()
        if self._calls is None or not calls:
            return self.respond(task, self._replies)
        messages, info["calls"] = self._calls.answer(calls, number, last=number >= self.max_turns)
        return None if self._calls.over else Response(messages=messages)

    def _info(self, **more: object) -> Info:
        assert self.task is not None
        return {"task": self.task.id, "turn": len(self._replies), **more}

    def _draw(self) -> int:
        size = self.tasks.size
        return int(self.np_random.integers(1_000_000 if size is None else size))
