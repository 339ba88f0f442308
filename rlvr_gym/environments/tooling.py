"""Tools of one episode: whose calls are answered, within which limits, and the state that they share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.generation.base import UnknownCalls
from rlvr_gym.generation.calls.tagged import instructions, plain_turn
from rlvr_gym.tasks import Message, Task
from rlvr_gym.tools.calls import Call, CallOutcome, CallRecord, MalformedCall, ToolSpec
from rlvr_gym.tools.function import BadArguments, Tool
from rlvr_gym.tools.running import Answer, cut, run
from rlvr_gym.verdicts import Completion

_SHOWN = 300
_LONGEST_NAME = 64
"""Characters of a tool's name that are kept: a policy may write any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpisodeLimits:
    """Limits of a whole episode beside its turns; None is no limit.

    What fits exactly is kept. A call beyond `calls` or `seconds` is answered with that, and not run: the episode goes
    on. `sampled_tokens` bounds each turn by what is left; with none left, or once the environment's answers have come
    to more than `observation_tokens`, the next turn is empty and cut off, and the episode is judged as it stands.
    Tokens are counted where their ids are known; behind an endpoint sampled ones are, if the server counts them.
    """

    calls: int | None = None
    """Calls that are run."""
    malformed_calls: int | None = None
    """Calls that cannot be read, or are of no tool or with other arguments than it has: one more ends the episode."""
    sampled_tokens: int | None = None
    """Tokens that the policy samples."""
    observation_tokens: int | None = None
    """Tokens of the environment's answers, as the chat template writes them."""
    seconds: float = 60.0
    """Time that all calls take together."""

    def __post_init__(self) -> None:
        counts = (self.calls, self.malformed_calls, self.sampled_tokens, self.observation_tokens)
        if any(count is not None and count < 0 for count in counts) or not self.seconds > 0:
            raise ConfigError(f"limits are not below 0, and seconds are above it, not {self}")


class ShowsTools(Protocol):
    """An environment, as far as its tools go."""

    @property
    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools as a policy is shown them."""
        ...

    @property
    def own_protocol(self) -> bool:
        """True where prompts say what to do in place of calls."""
        ...


@final
class Toolbox:
    """The tools of an environment, and the state that each episode begins with."""

    def __init__(
        self,
        tools: Sequence[Tool | Callable[..., Any]],
        limits: EpisodeLimits,
        state: Callable[[Task], Any] | None,
    ) -> None:
        for tool in tools:
            if not isinstance(tool, Tool):
                name = getattr(tool, "__name__", repr(tool))
                raise ConfigError(f"'{name}' is no tool: put @rg.tool before the function")
        self.tools = {tool.name: tool for tool in tools if isinstance(tool, Tool)}
        if len(self.tools) < len(tools):
            names = [tool.name for tool in tools if isinstance(tool, Tool)]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"two tools are called '{twice}'")
        needing = [tool.name for tool in self.tools.values() if tool.state_name is not None]
        if needing and state is None:
            raise ConfigError(f"the tool '{needing[0]}' takes a state: give the environment state=")
        self.limits, self._state = limits, state
        self.specs: tuple[ToolSpec, ...] = tuple(tool.spec for tool in self.tools.values())

    def begin(self, task: Task) -> ToolEpisode:
        """Begin an episode, with a state of its own; where that cannot be had, the first turn is unscored."""
        try:
            state = None if self._state is None else self._state(task)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is nothing of the policy's
            fault = f"the state of task '{task.id}' could not be made: {type(error).__name__}: {error}"
            return ToolEpisode(self, None, fault=fault)
        for tool in self.tools.values():
            if (
                tool.state_name is not None
                and isinstance(tool.state, type)
                and not isinstance(state, tool.state)
            ):
                raise ConfigError(
                    f"the tool '{tool.name}' takes a {tool.state.__name__}, and the state of the episode is a "
                    f"{type(state).__name__}"
                )
        return ToolEpisode(self, state)

    def told(self, prompt: Sequence[Message]) -> tuple[Message, ...]:
        """A prompt that says in its system message which tools there are and how to call them."""
        about = instructions(self.specs)
        if prompt and prompt[0].role == "system":
            return (Message(role="system", content=f"{prompt[0].content}\n\n{about}"), *prompt[1:])
        return (Message(role="system", content=about), *prompt)


@final
class ToolEpisode:
    """The calls of an episode so far."""

    def __init__(self, box: Toolbox, state: Any, *, fault: str | None = None) -> None:
        self.state, self._fault = state, fault
        self._box, self._run, self._malformed, self._seconds = box, 0, 0, 0.0

    def calls_in(self, turn: Completion, number: int) -> tuple[Call, ...]:
        """The calls of a turn: those that its generator found, else those that stand in its text between tags.

        Raises VerifierFault in an episode whose state could not be made.
        """
        if self._fault is not None:
            raise VerifierFault(self._fault)
        if turn.calls is not None:
            return turn.calls
        found = plain_turn(turn.text, self._box.specs).calls
        first = number % 100 * 1000
        return tuple(
            call.model_copy(update={"id": f"call{first + place % 1000:05d}"})
            for place, call in enumerate(found)
        )

    def answer(
        self, calls: Sequence[Call], turn: int, *, last: bool
    ) -> tuple[tuple[Message, ...], tuple[CallRecord, ...]]:
        """Answer the calls of a turn, each with a message, one after the other; nothing is run in the `last` turn.

        Raises VerifierFault where a tool does, or where one is broken.
        """
        messages, records = list[Message](), list[CallRecord]()
        for call in calls:
            answer = _refused("there is no turn left to see the result") if last else self._answer(call)
            name = call.name[:_LONGEST_NAME]
            records.append(CallRecord(turn=turn, name=name, outcome=answer.outcome, seconds=answer.seconds))
            messages.append(
                Message(role="tool", content=answer.text, name=name or None, tool_call_id=call.id)
            )
        return tuple(messages), tuple(records)

    @property
    def over(self) -> bool:
        """True once there were more malformed calls than the episode may have."""
        most = self._box.limits.malformed_calls
        return most is not None and self._malformed > most

    def _answer(self, call: Call) -> Answer:
        tool = self._box.tools.get(call.name)
        if isinstance(call, MalformedCall):
            return self._malformed_call(f"the call cannot be read: {call.fault}")
        if tool is None:
            return self._malformed_call(self._unknown(call.name))
        try:
            arguments = tool.checked(call.arguments)
        except BadArguments as error:
            return self._malformed_call(str(error))
        limits = self._box.limits
        if limits.calls is not None and self._run >= limits.calls:
            return _refused(f"no call is left; an episode has {limits.calls}")
        if (left := limits.seconds - self._seconds) <= 0:
            return _refused(f"the time for calls is over; an episode has {limits.seconds:g} s")
        if tool.state_name is not None:
            arguments[tool.state_name] = self.state
        self._run += 1
        try:
            answer = run(tool, arguments, timeout_seconds=min(tool.timeout_seconds, left))
        except VerifierFault as error:
            raise VerifierFault(f"the tool '{tool.name}' is broken: {error}") from error
        self._seconds += answer.seconds
        return answer

    def _malformed_call(self, fault: str) -> Answer:
        self._malformed += 1
        return Answer(text=cut(f"error: {fault}", 4 * _SHOWN), outcome=CallOutcome.MALFORMED)

    def _unknown(self, name: str) -> str:
        names = list(self._box.tools)
        near = difflib.get_close_matches(name[:_SHOWN], names, n=1)
        meant = f"; did you mean '{near[0]}'?" if near else ";"
        return f"there is no tool '{name[:_SHOWN]}'{meant} tools: {', '.join(names)}"


def shown_by_template(env: ShowsTools, takes_tools: Callable[[], bool]) -> bool:
    """Return whether a policy is shown the environment's tools by its chat template, which `takes_tools` or does not.

    Raises UnknownCalls as `takes_tools` does, but for an environment that has a protocol of its own to fall back on.
    """
    try:
        return bool(env.tools) and takes_tools()
    except UnknownCalls:
        if env.own_protocol:
            return False
        raise


def _refused(why: str) -> Answer:
    return Answer(text=f"error: {why}", outcome=CallOutcome.REFUSED)
