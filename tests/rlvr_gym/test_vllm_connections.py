"""Connections that a server ends without a word, as vLLM's does after an error and after idle seconds: without vLLM."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from rlvr_gym.generation.vllm.server import Connections, Server, ServerLost

WEIGHTS = "weights.safetensors"


class StandIn(ThreadingHTTPServer):
    """Takes weights as vLLM's server does, one update at a time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.ends_kept = False
        """End every connection after its first answer."""
        self.hangs_up_at = ""
        """Calls of paths that begin like this are read, and their connection is ended without an answer."""
        self.calls: list[str] = []
        self.open, self.tag = False, "default"

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        match path:
            case "/start_weight_update" if self.open:
                return 500, {"error": "an update is already active"}
            case "/start_weight_update":
                self.open = True
            case "/update_weights" if body["update_info"] != {"path": WEIGHTS}:
                self.open = False
                return 500, {"error": "no weights"}
            case "/finish_weight_update" if not self.open:
                return 500, {"error": "no update is active"}
            case "/finish_weight_update":
                self.open, self.tag = False, body["weight_version"]
            case _:
                pass
        return 200, {"weight_version": self.tag}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn  # pyright: ignore[reportIncompatibleVariableOverride]
    ended = False

    def handle_one_request(self) -> None:
        if self.ended:
            self.hang_up_at_next_call()
        else:
            super().handle_one_request()

    def hang_up_at_next_call(self) -> None:
        """The connection looks alive until it is used: the end of it and the call meet on their way."""
        self.connection.recv(1, socket.MSG_PEEK)
        self.hang_up()

    def hang_up(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"null")
        self.server.calls.append(self.path)
        if self.server.hangs_up_at and self.path.startswith(self.server.hangs_up_at):
            self.hang_up()
            return
        status, said = self.server.answer(self.path, body)
        self.say(status, said)

    def do_GET(self) -> None:
        self.server.calls.append(self.path)
        self.say(200, {"weight_version": self.server.tag})

    def say(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.ended = status == 500 or self.server.ends_kept

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def asked() -> Iterator[tuple[Server, StandIn]]:
    """A stand-in, and how the generator sees it."""
    connections = Connections(4)
    with StandIn() as stand_in:
        thread = threading.Thread(target=stand_in.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Server(stand_in.url, connections, timeout_seconds=10.0), stand_in
        finally:
            connections.close()
            stand_in.shutdown()
            thread.join()


def test_an_update_left_open_is_closed_though_the_server_ends_the_connection_that_it_refused_on():
    with asked() as (server, stand_in):
        stand_in.open = True
        server.load(WEIGHTS, "new")
        assert (server.weights(), stand_in.open, server.spoiled) == ("new", False, False)


def test_a_question_on_a_kept_connection_that_the_server_has_ended_is_asked_again():
    with asked() as (server, stand_in):
        stand_in.ends_kept = True
        assert [server.weights() for _ in range(3)] == ["default"] * 3


def test_a_server_that_ends_new_connections_too_is_lost():
    with asked() as (server, stand_in):
        stand_in.hangs_up_at = "/inference"
        with pytest.raises(ServerLost, match="no answer from"):
            server.sample((1,), {})
        assert stand_in.calls == ["/inference/v1/generate"] * 2


@pytest.mark.parametrize(
    "path", ["/pause?mode=keep", "/start_weight_update", "/update_weights", "/finish_weight_update"]
)
def test_no_part_of_an_update_is_sent_twice(path: str):
    with asked() as (server, stand_in):
        stand_in.hangs_up_at = path
        with pytest.raises(ServerLost, match="no answer from"):
            server.load(WEIGHTS, "new")
        stand_in.hangs_up_at = ""
        assert sum(call.startswith(path) for call in stand_in.calls) == 1
        assert server.spoiled
        server.load(WEIGHTS, "newer")
        assert server.weights() == "newer"


def test_an_update_that_failed_is_told_by_its_own_fault_also_where_what_is_under_way_cannot_be_ended():
    with asked() as (server, stand_in):
        stand_in.hangs_up_at = "/pause?mode=abort"
        with pytest.raises(ServerLost, match=r"update_weights answered 500.*no weights"):
            server.load("elsewhere.safetensors", "new")
        assert stand_in.calls[-1].startswith("/pause?mode=abort")
