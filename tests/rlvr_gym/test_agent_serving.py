"""The chat server for agents by itself, as `rlvr serve MODEL --agents` starts it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest

import rlvr_gym as rg
from rlvr_gym.play.desk import serve_session
from tests.rlvr_gym.agent_play import ask, echo, post, speak, user

pytestmark = pytest.mark.long

MAIN = "from rlvr_gym.cli.main import main; main()"


def test_a_command_serves_a_model_to_agents_until_it_is_interrupted():
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "serve", "tiny:0123456789", "--agents", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        told = dict(server.stdout.readline().strip().split("=", 1) for _ in range(2))
        assert server.stdout.readline() == "ready: Ctrl-C ends\n"
        url, key = told["OPENAI_BASE_URL"], told["OPENAI_API_KEY"]
        first = ask(url, key, user("1"), max_tokens=6)
        assert first != ask(url, key, user("1"), max_tokens=6) or first == ""
        assert post(url, key, {"messages": [user("1")], "top_p": 0.5}).status_code == 400
        assert post(url, "another", {"messages": [user("1")]}).status_code == 401
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
        assert server.stderr is not None
        assert "Traceback" not in server.stderr.read()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(rg.ConfigError, match=f"cannot serve at port {port}"):
            serve_session(speak(echo), rg.SamplingParams(), port=port, told=lambda url, key: None)
