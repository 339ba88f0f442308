"""One vLLM server over HTTP: token ids in, token ids out, and new weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx2
from pydantic import BaseModel, Field, ValidationError

_CONNECT_SECONDS = 10.0
_SHORT_SECONDS = 60.0
"""For questions that a server answers at once, between two steps of its engine or on a machine with other work."""


class ServerLost(Exception):
    """The server does not answer, or not as it should: another one may."""


class _HungUp(ServerLost):
    """The connection ended before an answer came: the server is gone, or had ended a connection kept from before."""


class _Failed(ServerLost):
    """The server answered that it failed."""


class ServerLate(Exception):
    """The server had not answered in time."""


class ServerRefused(Exception):
    """The server understood, and will not."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class Span(BaseModel):
    """Tokens `start` to `end` were sampled under the weights called `version`."""

    version: str
    start: int
    end: int


class _Token(BaseModel):
    token_id: int
    logprob: float
    top_logprobs: list[_Token] = Field(default_factory=list)


class _Logprobs(BaseModel):
    content: list[_Token]


class Sampled(BaseModel):
    """One sample as the server tells it."""

    token_ids: list[int]
    logprobs: _Logprobs
    finish_reason: str | None
    weight_versions: list[Span]


class _Reply(BaseModel):
    choices: list[Sampled] = Field(min_length=1)


class _Model(BaseModel):
    id: str
    root: str | None = None
    max_model_len: int | None = None


class _Models(BaseModel):
    data: list[_Model] = Field(min_length=1)


class Connections:
    """Connections to servers: `kept` ones serve one call after the other, each of the `fresh` ones a single call.

    A server may end a kept connection without a word, after some idle seconds or because a call failed, and a call on
    its way then meets a dead one.
    """

    def __init__(self, most_kept: int) -> None:
        self.kept = httpx2.Client(
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=most_kept)
        )
        self.fresh = httpx2.Client(limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))

    def close(self) -> None:
        """End them all; a call on its way on a kept one is not made again."""
        self.fresh.close()
        self.kept.close()


class Server:
    """A server, how busy it is, and whether it is asked at all."""

    def __init__(self, url: str, connections: Connections, timeout_seconds: float) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self._connections, self._timeout_seconds = connections, timeout_seconds
        self.under_way = 0
        self.trouble: str | None = None
        """The reason why it is left out; None while it is in use."""
        self.spoiled = False
        """True after it failed to take weights: nobody knows which it has, whatever it calls them."""

    def model(self) -> _Model:
        """The model it serves."""
        return _Models.model_validate(self._ask("GET", "/v1/models", seconds=_SHORT_SECONDS)).data[0]

    def weights(self) -> str:
        """Its name for the weights it has."""
        return str(self._ask("GET", "/weight_info", seconds=_SHORT_SECONDS)["weight_version"])

    def paused(self) -> bool:
        """Return whether it waits in the middle of an update, by its own trainer or by one that is gone."""
        return bool(self._ask("GET", "/is_paused", seconds=_SHORT_SECONDS)["is_paused"])

    def sample(self, ids: Sequence[int], params: Mapping[str, Any]) -> Sampled:
        """One sample after these ids."""
        body = {
            "token_ids": list(ids),
            "sampling_params": {"n": 1, "ignore_eos": True, "detokenize": False, **params},
        }
        answer = self._ask("POST", "/inference/v1/generate", body, seconds=self._timeout_seconds)
        try:
            sampled = _Reply.model_validate(answer).choices[0]
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise ServerLost(
                f"{self.url} answered something else than a sample: {place}: {problem['msg']}"
            ) from error
        if sampled.finish_reason not in ("stop", "length"):
            raise ServerLost(f"{self.url} broke a sample off ({sampled.finish_reason})")
        return sampled

    def logprob(self, ids: Sequence[int], token: int, temperature: float) -> tuple[float, str]:
        """Return the log-probability of `token` after these ids, and the weights it was computed under."""
        # The sampled token is listed first, and as many in all as were asked for: so the token stands there twice.
        params = {"temperature": temperature, "max_tokens": 1, "seed": 0}
        sampled = self.sample(ids, {**params, "logprobs": 2, "logprob_token_ids": [token, token]})
        said = sampled.logprobs.content[0]
        found = {each.token_id: each.logprob for each in (said, *said.top_logprobs)}
        if token not in found:
            raise ServerLost(f"{self.url} does not say how likely a token is that was asked for")
        return found[token], sampled.weight_versions[-1].version

    def load(self, path: str, tag: str) -> None:
        """Take all weights from a file, called `tag`; what is under way goes on, computed anew from its tokens."""
        self.spoiled = True
        self._control("/pause?mode=keep&clear_cache=true")
        try:
            self._control("/init_weight_transfer_engine", {"init_info": {}})
            self._start_update()
            self._control("/update_weights", {"update_info": {"path": path}})
            self._control("/finish_weight_update", {"weight_version": tag})
        except BaseException:
            # Nothing may go on with weights that nobody knows: those who wait are to ask another server. Where this
            # fails too, they lose their connection or run out of time.
            with suppress(ServerLost, ServerLate, ServerRefused):
                self._control("/pause?mode=abort&clear_cache=true")
            raise
        self.resume()
        self.spoiled = False

    def resume(self) -> None:
        """Go on sampling after a pause, if there was one."""
        self._control("/resume")

    def _start_update(self) -> None:
        try:
            self._control("/start_weight_update")
        except _Failed:
            # A trainer that was killed half-way has left an update open. An empty one is refused, and closes it.
            with suppress(_Failed):
                self._control("/update_weights", {"update_info": {}})
            self._control("/start_weight_update")

    def _control(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Have it do something that must be done once: on a connection that nothing before can have ended."""
        self._call(self._connections.fresh, "POST", path, body, self._timeout_seconds)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, seconds: float) -> Any:
        """Ask for something that may be asked twice, as it is where a kept connection turns out to be dead."""
        try:
            return self._call(self._connections.kept, method, path, body, seconds)
        except _HungUp:
            return self._call(self._connections.fresh, method, path, body, seconds)

    def _call(
        self, client: httpx2.Client, method: str, path: str, body: Mapping[str, Any] | None, seconds: float
    ) -> Any:
        limits = httpx2.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds))
        try:
            response = client.request(method, self.url + path, json=body, timeout=limits)
        except httpx2.ReadTimeout as error:
            raise ServerLate(f"{self.url} had not answered after {seconds:g} s") from error
        except httpx2.RequestError as error:
            hung_up = isinstance(error, (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError))
            said = f"no answer from {self.url}: {type(error).__name__}: {error}"
            raise (_HungUp if hung_up else ServerLost)(said) from error
        except RuntimeError as error:  # as the client says it, which has no error of its own for this
            if not client.is_closed:
                raise
            raise ServerLost(f"{self.url} is asked no more: its generator was closed") from error
        return self._answer(path, response)

    def _answer(self, path: str, response: httpx2.Response) -> Any:
        if response.is_success:
            try:
                return response.json()
            except ValueError as error:
                raise ServerLost(f"{self.url}{path} answered no JSON") from error
        said = f"{self.url}{path} answered {response.status_code}: {response.text[:300]}"
        if 400 <= response.status_code < 500:
            raise ServerRefused(response.status_code, said)
        raise _Failed(said)
