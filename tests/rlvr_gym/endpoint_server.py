"""A chat-completions server in this process that answers as it is told, also badly."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class Mishap(Enum):
    TOO_MANY = "429 with the wait that the server asks for"
    BROKEN = "500"
    TORN = "a body shorter than its Content-Length, and the connection closed"
    HALF_JSON = "200 with half a JSON object"
    UNFINISHED = "200 without a finish reason"
    ERROR_IN_OK = "200 with an error in the body"
    CLOSED = "the connection closed without a word"
    LATE = "a correct reply, later than anyone waits"
    DRIP = "a correct reply, a byte at a time"


class EndpointServer:
    """Answers with `say(body)`, unless `mishap(body, attempt)` names something else; both run in its threads.

    `say` gives a text, or a dict of fields to replace in the reply, `status` among them. Attempts are counted from
    0 per prompt and seed. `bodies` are all requests so far, `most` how many were under way at once.
    """

    def __init__(
        self,
        say: Callable[[Body], str | dict[str, Any]],
        mishap: Callable[[Body, int], Mishap | None] = lambda body, attempt: None,
        *,
        seconds: float = 0.0,
    ) -> None:
        self.say, self.mishap, self.seconds = say, mishap, seconds
        self.bodies: list[Body] = []
        self.keys: set[str | None] = set()
        self.attempts: Counter[str] = Counter()
        self.running = self.most = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        outer = self

        class Handler(_Handler):
            server_state = outer

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda request, client_address: None
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> "EndpointServer":
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: EndpointServer

    def do_GET(self) -> None:
        self._send(200, json.dumps({"data": [{"id": "parrot"}]}).encode())

    def do_POST(self) -> None:
        state = self.server_state
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = json.dumps([body["messages"], body.get("seed")])
        with state.lock:
            state.bodies.append(body)
            state.keys.add(self.headers["Authorization"])
            attempt = state.attempts[key]
            state.attempts[key] += 1
            state.running += 1
            state.most = max(state.most, state.running)
        try:
            time.sleep(state.seconds)
            self._answer(body, state.mishap(body, attempt))
        finally:
            with state.lock:
                state.running -= 1

    def _answer(self, body: Body, mishap: Mishap | None) -> None:
        status, content = _reply(self.server_state.say(body))
        match mishap:
            case None:
                self._send(status, content)
            case Mishap.TOO_MANY:
                self._send(429, b'{"error": {"message": "slow down"}}', ("Retry-After", "0.2"))
            case Mishap.BROKEN:
                self._send(500, b"<html>out of order</html>")
            case Mishap.TORN:
                self._send(200, content[: len(content) // 2], length=len(content))
                self.close_connection = True
            case Mishap.HALF_JSON:
                self._send(200, content[: len(content) // 2])
            case Mishap.UNFINISHED:
                self._send(200, _reply({"finish_reason": None})[1])
            case Mishap.ERROR_IN_OK:
                self._send(200, b'{"error": {"message": "upstream is gone"}}')
            case Mishap.CLOSED:
                self.close_connection = True
            case Mishap.LATE:
                self.server_state.stopping.wait(60)
                self.close_connection = True
            case Mishap.DRIP:
                self._start(200, len(content))
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    self.server_state.stopping.wait(0.02)

    def _send(
        self, status: int, content: bytes, *headers: tuple[str, str], length: int | None = None
    ) -> None:
        self._start(status, len(content) if length is None else length, *headers)
        self.wfile.write(content)

    def _start(self, status: int, length: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(length)), *headers):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _reply(said: str | dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of a reply: a chat completion, or an error where the status is one."""
    fields: dict[str, Any] = {"content": said} if isinstance(said, str) else said
    status = fields.get("status", 200)
    if status != 200:
        return status, json.dumps({"error": {"message": fields.get("message", "no")}}).encode()
    content = fields.get("content", "")
    reply: dict[str, Any] = {
        "id": "1",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **fields.get("message_fields", {})},
                "finish_reason": fields.get("finish_reason", "stop"),
            }
        ],
        "usage": fields.get("usage", {"prompt_tokens": 7, "completion_tokens": len((content or "").split())}),
    }
    return 200, json.dumps(reply).encode()
