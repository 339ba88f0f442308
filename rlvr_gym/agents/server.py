"""The chat server that agents ask: a session for each episode, on this machine alone."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

from rlvr_sandbox.installing import pip_install

from rlvr_gym.agents.session import Session
from rlvr_gym.agents.wire import Answered, ChatRequest, Refused, read_request
from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.files import JsonObject
from rlvr_gym.generation.base import SamplingParams

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

try:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route
except ModuleNotFoundError as error:
    raise ConfigError(
        f"agents are served by {(error.name or '').partition('.')[0]}, which is not installed: {pip_install('agents')}"
    ) from error

HOST = "127.0.0.1"
_LARGEST_BODY = 32 << 20
_START_SECONDS = 30.0
_MODEL: JsonObject = {"id": "policy", "object": "model", "created": 0, "owned_by": "rlvr-gym"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request that came in."""

    session: Session
    request: ChatRequest
    exchange: Waiting


@final
class Waiting:
    """An `Exchange`: a request whose client waits, in the server's event loop, for what another thread answers."""

    def __init__(self, session: Session) -> None:
        self.delivered = self.begun = False
        self.waited_in_vain: float | None = None
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Answered | Refused] = self._loop.create_future()
        self._own, self._asked, self._settled = session.own, time.monotonic(), threading.Lock()
        self._own.ask()

    def answer(self, answer: Answered | Refused) -> None:
        """Have this sent."""
        self._go_on()
        with suppress(RuntimeError):  # the server has ended, and its loop with it
            self._loop.call_soon_threadsafe(self._answer, answer)

    def lost(self) -> None:
        """Note that the client is gone."""
        self.waited_in_vain = time.monotonic() - self._asked
        self._go_on()

    def _answer(self, answer: Answered | Refused) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)

    def _go_on(self) -> None:
        if self._settled.acquire(blocking=False):
            self._own.go_on()


@final
class ChatServer:
    """Serves sessions; every request that can be read goes to `news` as `Asked`.

    Raises ConfigError for a port that is taken.
    """

    def __init__(self, sampling: SamplingParams, news: Callable[[Asked], object], *, port: int = 0) -> None:
        self._sampling, self._news = sampling, news
        self._sessions: dict[str, Session] = {}
        try:
            self._listener = socket.create_server((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"cannot serve at port {port}: {error.strerror}; port 0 takes any free one"
            ) from error
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        routes = [
            Route("/{session}/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/{session}/v1/models", self._models),
            Route("/{path:path}", _nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]
        config = uvicorn.Config(
            Starlette(routes=routes), log_config=None, ws="none", lifespan="off", server_header=False, access_log=False,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._serve, name="rlvr-agent-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise VerifierFault("the chat server for agents did not start")
            time.sleep(0.002)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._listener.close()

    @property
    def alive(self) -> bool:
        """True while it serves."""
        return self._thread.is_alive()

    def add(self, session: Session) -> str:
        """Serve a session; returns the base URL for its agent."""
        self._sessions[session.id] = session
        return f"{self.url}/{session.id}/v1"

    def forget(self, session: Session) -> None:
        """Serve it no longer: its calls are told that it is over, as those of a session that never was."""
        self._sessions.pop(session.id, None)

    def _serve(self) -> None:
        self._server.run(sockets=[self._listener])

    async def _chat(self, request: Request) -> Response:
        session = None
        try:
            session = self._session(request)
            body = await _body(request)
            retry = request.headers.get("x-stainless-retry-count", "0") not in ("", "0")
            asked = read_request(body, retry=retry, sampling=self._sampling)
        except Refused as refused:
            return _refusal(refused)
        except ClientDisconnect:
            return Response()  # nobody is there to read it
        except Exception as error:  # noqa: BLE001 - whatever we stumble over is no fault of the agent's
            fault = f"the chat server failed: {type(error).__name__}: {error}"
            if session is not None:
                session.fault = fault
            return _refusal(Refused(fault, status=500, code="server_error"))
        waiting = Waiting(session)
        self._news(Asked(session=session, request=asked, exchange=waiting))
        return _ChatResponse(waiting, asked)

    async def _models(self, request: Request) -> Response:
        try:
            self._session(request)
        except Refused as refused:
            return _refusal(refused)
        return JSONResponse({"object": "list", "data": [_MODEL]})

    def _session(self, request: Request) -> Session:
        """The session that a request belongs to. Raises Refused where it has not its key, and where it is over."""
        session = self._sessions.get(request.path_params["session"])
        if session is None or session.sealed:
            raise Refused("the session is over: the agent's episode has ended", status=409, code="conflict")
        given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(given.encode(), session.key.encode()):
            raise Refused("the key is not that of this session", status=401, code="invalid_api_key")
        return session


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LARGEST_BODY:
            raise Refused(f"a request has at most {_LARGEST_BODY >> 20} MiB", status=413)
    return bytes(body)


async def _nothing_here(request: Request) -> Response:
    told = "here are POST chat/completions and GET models, below the base URL of a session"
    return _refusal(
        Refused(f"no {request.method} {request.url.path[:200]}: {told}", status=404, code="not_found")
    )


def _refusal(refused: Refused) -> JSONResponse:
    # Clients would try again after some statuses, and be refused again.
    return JSONResponse(refused.body, status_code=refused.status, headers={"x-should-retry": "false"})


@final
class _ChatResponse(Response):
    """The answer to one request, once it is there; or nothing, where its client does not wait for it."""

    def __init__(self, waiting: Waiting, request: ChatRequest) -> None:
        super().__init__()
        self._waiting, self._request = waiting, request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        waiting = self._waiting
        try:
            await asyncio.wait({gone, waiting.answered}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                waiting.lost()
                return
            answer = waiting.answered.result()
            if isinstance(answer, Refused):
                await _refusal(answer)(scope, receive, send)
            elif self._request.stream:
                await self._stream(answer, send, gone)
            else:
                await self._whole(answer, scope, receive, send)
            if gone.done() and not waiting.delivered:
                waiting.lost()
        finally:
            gone.cancel()

    async def _whole(self, answer: Answered, scope: Scope, receive: Receive, send: Send) -> None:
        self._waiting.begun = True
        await JSONResponse(answer.body)(scope, receive, send)
        self._waiting.delivered = True

    async def _stream(self, answer: Answered, send: Send, gone: asyncio.Future[None]) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in answer.chunks(usage=self._request.usage_in_stream):
            if gone.done():
                return
            self._waiting.begun = True
            await _send(send, f"data: {json.dumps(chunk)}\n\n")
            await asyncio.sleep(0)  # a client that is gone is noticed between two pieces
        await _send(send, "data: [DONE]\n\n", last=True)
        self._waiting.delivered = True


async def _send(send: Send, text: str, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": not last})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
