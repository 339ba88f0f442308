"""The report of runs that go on, served to the browsers of this machine and to nobody else. It only reads files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import final

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rlvr_gym.errors import RlvrError
from rlvr_gym.report.page import as_json, page, policy, read_runs, report_data

LOOK_SECONDS = 1.0
"""Interval between looks at the files."""
REST = 10
"""Reading takes at most one part in so many of a core: the run has the machine."""
POLL_SECONDS, HEARTBEAT_SECONDS = 0.25, 15.0
FILES = ("config.yaml", "metrics.jsonl", "samples.jsonl")
NOTHING_YET = {"runs": [], "groups": [], "comparisons": []}


@final
class Latest:
    """The latest data of the runs, as JSON values, and a number that grows whenever they change.

    `problem` says in a sentence why the last read failed; the data are then those of the read before.
    """

    def __init__(self, folders: Sequence[Path], samples: int) -> None:
        self._folders, self._samples = folders, samples
        self._seen: object = None
        self.version = 0
        self.data: dict = NOTHING_YET
        self.problem = ""

    def look(self) -> float:
        """Read the runs if their files have changed; how many seconds that took."""
        began = time.monotonic()
        seen = [_state(folder / name) for folder in self._folders for name in FILES]
        if seen == self._seen:
            return 0.0
        self._seen = seen
        try:
            self.data = report_data(read_runs(self._folders), self._samples)
            self.problem = ""
        except (RlvrError, OSError) as error:
            self.problem = " ".join(str(error).split())
        self.version = time.time_ns()  # no other server that a page asked before has used it
        return time.monotonic() - began

    async def watch(self) -> None:
        """Look again and again, in a thread, and rest in between."""
        while True:
            took = await asyncio.to_thread(self.look)
            await asyncio.sleep(max(LOOK_SECONDS, REST * took))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size


def live_app(latest: Latest, port: int, stopped: Callable[[], bool] = lambda: False) -> ASGIApp:
    """The server of the page at `port`. Streams of events end once `stopped` says so."""

    async def whole(_: Request) -> Response:
        return HTMLResponse(await asyncio.to_thread(page, latest.data, live=str(latest.version)))

    async def data(_: Request) -> Response:
        text = await asyncio.to_thread(as_json, latest.data)
        return Response(text, media_type="application/json")

    async def events(_: Request) -> Response:
        return StreamingResponse(_events(latest, stopped), media_type="text/event-stream")

    @asynccontextmanager
    async def watched(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(latest.watch())
        yield
        watching.cancel()

    routes = [Route("/", whole), Route("/data.json", data), Route("/events", events)]
    return OnlyHere(Starlette(routes=routes, lifespan=watched), port)


async def _events(latest: Latest, stopped: Callable[[], bool]) -> AsyncIterator[str]:
    """Server-sent events: the number of each change, and what could not be read."""
    told, quiet = None, 0.0
    while not stopped():
        if told != latest.version:
            told, quiet = latest.version, 0.0
            name, text = ("waiting", latest.problem) if latest.problem else ("changed", str(told))
            yield f"event: {name}\ndata: {text}\n\n"
        elif quiet > HEARTBEAT_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)
        quiet += POLL_SECONDS


@final
class OnlyHere:
    """Lets through what a browser of this machine asks of this server by its own name.

    A page of another site can make a browser ask: by a name of its own that it lets point to this machine (the host
    is another), or across origins (the browser says so). Both are refused, and so is everything but reading.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._headers = {
            "content-security-policy": policy(live=True) + "; frame-ancestors 'none'",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return None
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        app = PlainTextResponse(refusal + "\n", status_code=403) if refusal else self._app

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in self._headers.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        return await app(scope, receive, guarded)

    def _refusal(self, method: str, headers: Headers) -> str:
        """Return why a request is refused; "" for one that is not."""
        if method not in ("GET", "HEAD"):
            return f"this server is only read: it takes no {method}"
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "this server answers to 127.0.0.1 and localhost alone"
        origins = {f"http://{host}" for host in self._hosts}
        if any(origin.lower() not in origins for origin in headers.getlist("origin")):
            return "another origin may not read this"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "another site may not read this"
        return ""
