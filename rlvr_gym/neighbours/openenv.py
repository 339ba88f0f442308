"""Environments behind an OpenEnv server: its observations are what the policy reads, its rewards the score."""

from __future__ import annotations

import contextlib
import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

from rlvr_gym.environments.base import Environment, Info, Response
from rlvr_gym.errors import ConfigError, DataError, VerifierFault
from rlvr_gym.files import Json, JsonObject
from rlvr_gym.tasks import Message, Task, TaskSet
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.base import Verifier

_SHOWN = "text"
"""The field that holds the policy's words, and the environment's, where there is one of this name."""
_TIMEOUT_SECONDS = 60.0


def from_openenv(
    url: str,
    *,
    rows: int = 100,
    max_turns: int = 10,
    action: str | None = None,
    text: str | None = None,
    reset: Callable[[int], JsonObject] | None = None,
) -> Environment:
    """The episodes of an OpenEnv server, each begun by a seed. Needs the package `openenv`.

    An episode's score is the reward of its last step, from 0 to 1; earlier ones are rewards of their turns. A last
    reward of None, one out of range, and a server that cannot be reached leave the episode unscored. An episode that
    the server has not ended after `max_turns` is wrong.

    Args:
        url: where the server listens, such as http://localhost:8000.
        rows: the number of tasks; task i is the episode that `reset(seed=i)` begins, so the server must begin the same
            one again.
        max_turns: how many turns the policy has.
        action: the field of an action that takes the policy's turn; None is its only text, or the one named "text".
        text: the field of an observation that the policy reads; None is "text" where there is one, else all as JSON.
        reset: the arguments of `reset` for task i; None is `{"seed": i}`.
    """
    if rows < 1:
        raise ConfigError(f"rows must be at least 1, not {rows}")
    server = Server(
        url=url.rstrip("/"),
        action=action or _only_text(_schema(url)["action"]),
        text=text,
        reset=reset or (lambda index: {"seed": index}),
    )
    tasks = TaskSet.from_rows(
        lambda: _rows(server, rows), lambda row: row["task"], name=f"openenv {server.url}", split="train"
    )
    return RemoteEnvironment(server, tasks, max_turns)


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A server, and the fields in which it speaks."""

    url: str
    action: str
    text: str | None
    reset: Callable[[int], JsonObject]

    def connect(self) -> Any:
        """A session of the server's."""
        from openenv.core.generic_client import GenericEnvClient  # pyright: ignore[reportMissingImports]

        client = GenericEnvClient(
            base_url=self.url, connect_timeout_s=_TIMEOUT_SECONDS, message_timeout_s=_TIMEOUT_SECONDS
        ).sync()
        client.connect()
        return client

    def shown(self, observation: Mapping[str, Json]) -> str:
        """The part of an observation that the policy reads. Raises ConfigError for one without the field named."""
        if self.text is not None and self.text not in observation:
            raise ConfigError(
                f"an observation has no field '{self.text}'; it has {', '.join(sorted(observation))}"
            )
        said = observation.get(self.text or _SHOWN)
        if isinstance(said, str):
            return said
        told = said if self.text is not None else {k: v for k, v in observation.items() if k != "metadata"}
        return json.dumps(told, ensure_ascii=False)


def _schema(url: str) -> dict[str, Json]:
    place = f"{url.rstrip('/')}/schema"
    if not place.startswith(("http://", "https://")):
        raise ConfigError(f"an OpenEnv server has an address such as http://localhost:8000, not '{url}'")
    try:
        with urllib.request.urlopen(place, timeout=10) as answer:
            told: dict[str, Json] = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ConfigError(f"no OpenEnv server answers at {place}: {error}") from error
    return told


def _only_text(schema: JsonObject) -> str:
    """The field of an action that takes a text. Raises ConfigError where that is not plain."""
    fields = {name: field for name, field in schema.get("properties", {}).items() if name != "metadata"}
    texts = [name for name, field in fields.items() if field.get("type") == "string"]
    chosen = _SHOWN if _SHOWN in texts else texts[0] if len(texts) == 1 else None
    others = [name for name in schema.get("required", []) if name != chosen]
    if chosen is None or others:
        raise ConfigError(
            f"it is not plain which field of an action takes the policy's turn: give action=FIELD; its fields are "
            f"{', '.join(fields) or 'none'}, of which it needs {', '.join(schema.get('required', [])) or 'none'}"
        )
    return chosen


def _rows(server: Server, rows: int) -> Iterator[tuple[str, JsonObject]]:
    """Have every episode begun once, for its prompt. Raises DataError where the server fails."""
    try:
        yield from _begun(server, rows)
    except _failures() as error:
        raise DataError(f"the server at {server.url} failed: {error}") from error


def _begun(server: Server, rows: int) -> Iterator[tuple[str, JsonObject]]:
    session = server.connect()
    try:
        for index in range(rows):
            asked = server.reset(index)
            prompt = server.shown(session.reset(**asked).observation)
            digest = hashlib.sha256(prompt.encode()).hexdigest()[:8]
            task = Task(id=f"{index}-{digest}", prompt=prompt, metadata={"reset": asked})
            yield f"{server.url}, reset {asked}", {"task": task}
    finally:
        session.close()


def _failures() -> tuple[type[Exception], ...]:
    """The errors of a server that fails, or of the way to it."""
    from websockets.exceptions import WebSocketException  # pyright: ignore[reportMissingImports]

    return (OSError, RuntimeError, TimeoutError, WebSocketException)


@final
class RemoteVerdict(Verifier):
    """Says of an episode what the server said of it."""

    open_ended = True

    def __init__(self) -> None:
        self.result: Any = None
        """The server's answer to the last turn; None outside of an episode."""

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Read the last reward. Raises VerifierFault where there is none that is a score."""
        if self.result is None:
            raise VerifierFault(
                "an episode on a server is judged while it is played there, and not afterwards"
            )
        reward = self.result.reward
        observed: Mapping[str, Json] = self.result.observation
        told = f"{observed.get('outcome') or ''} {observed.get('detail') or ''}".strip()
        if not self.result.done:
            return Verdict.wrong("the server had not ended the episode when the turns were used up")
        if reward is None:
            raise VerifierFault(f"the server gave no reward {told}".strip())
        if not 0 <= reward <= 1:
            raise VerifierFault(f"the server's last reward is {reward:g}, which is no score from 0 to 1")
        return Verdict.right(told) if reward == 1 else Verdict.wrong(told, score=float(reward))


@final
class RemoteEnvironment(Environment):
    """Plays episodes on a server, each in a session of its own."""

    def __init__(self, server: Server, tasks: TaskSet, max_turns: int) -> None:
        super().__init__(tasks, RemoteVerdict(), max_turns=max_turns)
        self._server = server
        self._session: Any = None
        self._fault: str | None = None

    def clone(self) -> Self:
        """A fresh episode slot, with a session of its own."""
        twin = super().clone()
        twin.verifier, twin._session, twin._fault = RemoteVerdict(), None, None
        return twin

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, Info]:
        """Begin an episode, here and on the server; where the server does not, the first turn is unscored."""
        begun = super().reset(seed=seed, options=options)
        assert self.task is not None
        self.close()
        asked: Any = self.task.metadata["reset"]
        try:
            self._session = self._server.connect()
            prompt = self._server.shown(self._session.reset(**asked).observation)
            self._fault = (
                None if prompt == self.task.text else f"the server began another episode for {asked}"
            )
        except _failures() as error:
            self._fault = f"the server at {self._server.url} failed: {error}"
        return begun

    def respond(self, task: Task, replies: Sequence[Completion]) -> Response | None:
        """The server's answer to the latest turn."""
        if self._fault is not None:
            raise VerifierFault(self._fault)
        verifier = self.verifier
        assert isinstance(verifier, RemoteVerdict)
        try:
            result = self._session.step({self._server.action: replies[-1].text})
        except _failures() as error:
            raise VerifierFault(f"the server at {self._server.url} failed: {error}") from error
        verifier.result = result
        if result.done:
            self.close()
            return None
        said = Message(role="user", content=self._server.shown(result.observation))
        reward = None if result.reward is None else float(result.reward)
        return Response(messages=(said,), reward=reward)

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(*_failures()):
                session.close()
