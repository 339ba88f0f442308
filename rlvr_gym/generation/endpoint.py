"""Sampling from a model behind an OpenAI-compatible chat-completions endpoint: a provider, vLLM, SGLang, llama.cpp.

Every sample is a request of its own, never `n` of one request: servers cap `n`, a lost reply would lose all of
its samples, usage counts them together, and no sample could be kept before the slowest is done. Each request names
a seed of its own, so that a server which honours seeds gives different samples, and the same ones again.
"""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from pydantic import BaseModel, Field, ValidationError

from rlvr_gym.errors import ConfigError
from rlvr_gym.files import JsonObject
from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.calls.openai import PROBE, OpenAICall, calls_of, messages_of
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.tools.calls import ToolSpec
from rlvr_gym.verdicts import Completion, FinishReason, Usage

_LONGEST_WAIT_SECONDS = 120.0
_TRANSIENT = {408, 409, 425, 429}
"""Statuses that another try may cure, besides all from 500 up."""
_HOPELESS = {401, 402, 404, 405}
"""Statuses that no request will be spared: no key, no money, no such model or address."""


class EndpointGenerator:
    """A `Generator` that asks a server; completions are text with token counts, and cannot be trained on.

    Too many requests (429), server errors (5xx), dropped connections and replies that are no chat completion are
    tried again, after a wait that doubles each time or that the server asks for. A reply that does not come in
    time is not: long completions are the late ones, and asking again until a short one comes would prefer those.
    A request that fails for good gives a completion that `failed`. A server that refuses the key, or has no such
    model, raises ConfigError. Tools are shown by the server, if it takes any. `close()` drops the connections, as
    happens once nobody holds the generator any more.

    Args:
        url: where `/chat/completions` is found, such as http://localhost:8000/v1.
        model: the model's name there.
        api_key: sent as a bearer token; None sends none.
        concurrency: how many requests are under way at once, whoever asks.
        timeout_seconds: how long one request may take as a whole.
        tries: how often a request is made at most.
        backoff_seconds: the wait after the first try.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        api_key: str | None = None,
        concurrency: int = 32,
        timeout_seconds: float = 600.0,
        tries: int = 8,
        backoff_seconds: float = 0.5,
    ) -> None:
        if concurrency < 1 or tries < 1 or not timeout_seconds > 0 or not backoff_seconds > 0:
            raise ConfigError(
                "concurrency and tries must be at least 1 and times positive, not "
                f"{concurrency}, {tries}, {timeout_seconds} and {backoff_seconds}"
            )
        self.url, self.model, self.concurrency = _base_url(url), model, concurrency
        self.timeout_seconds, self.tries, self.backoff_seconds = timeout_seconds, tries, backoff_seconds
        self._api_key = api_key
        self._client = httpx2.Client(
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx2.Timeout(timeout_seconds, connect=min(30.0, timeout_seconds)),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=concurrency),
        )
        self.close = weakref.finalize(self, self._client.close)
        self._slots = threading.Semaphore(concurrency)
        self._jitter = random.Random()
        self._budget_field = "max_tokens"
        self._takes_tools: bool | None = None

    def check(self) -> None:
        """Raise ConfigError when nothing answers at `url`, or when the key is refused."""
        try:
            response = self._client.get(f"{self.url}/models", timeout=min(30.0, self.timeout_seconds))
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise ConfigError(
                f"no answer from {self.url}: {_named(error)}; is the server running, and is this its address "
                "(most end in /v1)?"
            ) from error
        if response.status_code in (401, 402):
            raise ConfigError(self._refusal(response.status_code, response.content))

    def generate(
        self, prompts: Sequence[GenerationRequest], n: int, sampling: SamplingParams
    ) -> Iterator[tuple[int, list[Completion]]]:
        """Sample `n` completions of each prompt, `concurrency` requests at a time."""
        if n < 1:
            raise ConfigError(f"n must be at least 1, not {n}")
        if any(prompt.begun for prompt in prompts):
            raise ConfigError("an endpoint is asked in words, and cannot go on within a turn by token ids")
        if len(prompts) == n == 1:
            yield 0, [self._complete(prompts[0], prompts[0].first_sample, sampling)]
            return
        groups: dict[int, dict[int, Completion]] = {index: {} for index in range(len(prompts))}
        with ThreadPoolExecutor(self.concurrency) as threads:
            asked = {
                threads.submit(self._complete, prompt, prompt.first_sample + sample, sampling): (
                    index,
                    sample,
                )
                for index, prompt in enumerate(prompts)
                for sample in range(n)
            }
            try:
                for future in as_completed(asked):
                    index, sample = asked[future]
                    groups[index][sample] = future.result()
                    if len(groups[index]) == n:
                        group = groups.pop(index)
                        yield index, [group[sample] for sample in range(n)]
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def takes_tools(self) -> bool:
        """Return whether the server takes tools, as one request finds out.

        Raises ConfigError where it gives no answer.
        """
        if self._takes_tools is None:
            request = GenerationRequest(
                messages=(Message(role="user", content="Hello."),), seed=0, tools=(PROBE,), max_tokens=16
            )
            answer = self._complete(request, 0, SamplingParams())
            refused = any(f" answered {status}" in answer.fault for status in (400, 422, 500, 501))
            said = answer.fault.lower()
            if (
                answer.failed and "tool" not in said and "max_tokens" in said
            ):  # a reasoner wants more than so few
                self._takes_tools = True
                return True
            if answer.failed and not (refused and "tool" in said):
                raise ConfigError(
                    f"whether tools can be shown to '{self.model}' is not known: {answer.fault}"
                )
            self._takes_tools = not answer.failed
        return self._takes_tools

    def encode_reply(self, completion: Completion, messages: Sequence[Message]) -> tuple[int, ...]:
        """Nothing: a conversation is continued from its messages."""
        return ()

    def _complete(self, prompt: GenerationRequest, sample: int, sampling: SamplingParams) -> Completion:
        """One completion, or one that failed."""
        if prompt.max_tokens == 0:
            calls = () if prompt.tools else None
            return Completion(
                text="", finish_reason=FinishReason.LENGTH, usage=Usage(completion_tokens=0), calls=calls
            )
        seed = derive_seed(prompt.seed, sample) % 2**31
        for attempt in range(1, self.tries + 1):
            try:
                with self._slots:
                    return _stopped(self._ask(self._body(prompt, seed, sampling), prompt.tools), prompt)
            except _Lost as lost:
                return Completion(text="", finish_reason=FinishReason.ERROR, fault=str(lost))
            except _Transient as trouble:
                if attempt == self.tries:
                    tries = "1 try" if attempt == 1 else f"{attempt} tries"
                    fault = f"{trouble} ({tries})"
                    return Completion(text="", finish_reason=FinishReason.ERROR, fault=fault)
                time.sleep(self._wait(attempt, trouble.retry_after_seconds))
        raise AssertionError("the last try returns")

    def _wait(self, attempt: int, asked: float | None) -> float:
        """Seconds to wait after the `attempt`-th try; at random in part, so that many do not return at once."""
        wait = self.backoff_seconds * 2 ** (attempt - 1) * self._jitter.uniform(0.5, 1.0)
        return min(max(wait, asked or 0.0), _LONGEST_WAIT_SECONDS)

    def _body(self, prompt: GenerationRequest, seed: int, sampling: SamplingParams) -> JsonObject:
        body: JsonObject = {
            "model": self.model,
            "messages": messages_of(prompt.messages),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            self._budget_field: min(sampling.max_tokens, prompt.max_tokens or sampling.max_tokens),
            "seed": seed,
        }
        if prompt.tools:
            body["tools"] = [tool.schema for tool in prompt.tools]
        # Not part of OpenAI's own interface, which refuses it; other servers know it.
        return body | ({"top_k": sampling.top_k} if sampling.top_k else {})

    def _ask(self, body: JsonObject, tools: Sequence[ToolSpec]) -> Completion:
        """One request. Raises `_Transient` or `_Lost`, and ConfigError for what no other request will survive."""
        status, headers, content = self._post(body)
        if status == 200:
            return _read(content, tools)
        said = self._said(content)
        if status == 400 and "max_completion_tokens" in said and "max_tokens" in body:
            self._budget_field = "max_completion_tokens"
            raise _Transient(f"400: {said}", retry_after_seconds=0.0)
        if status in _TRANSIENT or status >= 500:
            raise _Transient(f"{self.url} answered {status}: {said}", _retry_after(headers))
        if status in _HOPELESS:
            raise ConfigError(self._refusal(status, content))
        raise _Lost(f"{self.url} answered {status}: {said}")

    def _post(self, body: JsonObject) -> tuple[int, httpx2.Headers, bytes]:
        deadline = time.monotonic() + self.timeout_seconds
        late = f"{self.url} had not answered after {self.timeout_seconds:g} s"
        content = bytearray()
        try:
            with self._client.stream("POST", f"{self.url}/chat/completions", json=body) as response:
                # Read piece by piece: the client's own limit is on each piece.
                for piece in response.iter_bytes():
                    content += piece
                    if time.monotonic() > deadline:
                        raise _Lost(late)
                return response.status_code, response.headers, bytes(content)
        except httpx2.ReadTimeout as error:
            raise _Lost(late) from error
        except httpx2.RequestError as error:
            raise _Transient(f"no answer from {self.url}: {_named(error)}") from error

    def _refusal(self, status: int, content: bytes) -> str:
        key = "with the key that was given" if self._api_key else "and no key was given"
        cause = key if status in (401, 402) else f"to model '{self.model}' (most addresses end in /v1)"
        return f"{self.url} answered {status} {cause}: {self._said(content)}"

    def _said(self, content: bytes) -> str:
        """The server's own words on what went wrong, without the key, which some repeat."""
        text = content.decode(errors="replace")
        try:
            text = _Refusal.model_validate_json(content).error.message
        except ValidationError:
            text = " ".join(text.split())
        text = text.replace(self._api_key, "***") if self._api_key else text
        return text[:300] or "nothing more"


class _Transient(Exception):
    """A failure that another try may cure."""

    def __init__(self, cause: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(cause)
        self.retry_after_seconds = retry_after_seconds


class _Lost(Exception):
    """A failure that another try would not cure."""


class _Error(BaseModel):
    message: str


class _Refusal(BaseModel):
    error: _Error


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[OpenAICall] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Reply(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None


def _read(content: bytes, tools: Sequence[ToolSpec]) -> Completion:
    """The completion in a reply. A reply without a finish reason was cut off, whatever its status says."""
    try:
        reply = _Reply.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the whole"
        raise _Transient(f"the reply is no chat completion: {place}: {problem['msg']}") from error
    choice, usage = reply.choices[0], reply.usage or _Usage()
    if choice.finish_reason == "content_filter":
        raise _Lost("the server withheld the completion: content_filter")
    text = choice.message.content or ""
    calls, in_text = calls_of(choice.message.tool_calls or (), text, tools) if tools else (None, True)
    return Completion(
        text=text,
        calls=calls,
        calls_in_text=in_text,
        finish_reason=FinishReason.LENGTH if choice.finish_reason == "length" else FinishReason.STOP,
        usage=Usage(prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens),
    )


def _stopped(said: Completion, prompt: GenerationRequest) -> Completion:
    """The completion up to its first stop string: a server that was sent these would not say whether it met one."""
    text = prompt.up_to_stop(said.text)
    return said if text == said.text else replace(said, text=text, finish_reason=FinishReason.STOP)


def _retry_after(headers: httpx2.Headers) -> float | None:
    """The wait that the server asks for: seconds, or a date."""
    asked = headers.get("retry-after", "")
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _base_url(url: str) -> str:
    base = url.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    try:
        parsed = httpx2.URL(base)
    except httpx2.InvalidURL as error:
        raise ConfigError(f"'{url}' is no address: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigError(f"an endpoint looks like http://localhost:8000/v1, not '{url}'")
    if parsed.userinfo:
        raise ConfigError(
            "leave user and password out of the endpoint's address: keys come from the environment"
        )
    return base


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
