"""The start of servers, and messages when none answers: without vLLM."""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rlvr_gym.cli.commands.serve import refuse_taken_ports, server_commands
from rlvr_gym.cli.main import main
from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.generation.vllm.command import ServerCommand
from rlvr_gym.generation.vllm.model import ServedModel
from rlvr_gym.generation.vllm.server import Connections, Server, ServerLost
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from rlvr_gym.generation.vllm.weights_file import WeightsFile
from tests.rlvr_gym.vllm_engines import saved_llama


def test_the_command_opens_the_routes_that_are_needed_and_reports_processed_log_probabilities():
    assert str(ServerCommand(model="org/model", port=8001, gpus=(1,))) == (
        "VLLM_SERVER_DEV_MODE=1 CUDA_VISIBLE_DEVICES=1 python -m vllm.entrypoints.openai.api_server "
        "--model org/model --host 127.0.0.1 --port 8001 --dtype auto --logprobs-mode processed_logprobs "
        "--generation-config vllm "
        "--worker-extension-cls rlvr_gym.generation.vllm.transfer.WorkerExtension "
        """--weight-transfer-config '{"backend": "rlvr_whole"}' --enable-scale-out"""
    )


def test_on_a_cpu_no_prompt_is_computed_in_pieces():
    arguments = ServerCommand(model="m", gpus=(), context=256).arguments()
    given = dict(itertools.pairwise(arguments))
    assert int(given["--max-num-batched-tokens"]) == int(given["--max-num-seqs"]) * 256


def test_where_no_server_answers_the_error_says_how_to_start_one(tmp_path: Path):
    folder = tmp_path / "tiny-llama"
    saved_llama(folder)
    with pytest.raises(ConfigError) as refused:
        VLLMServersGenerator(["http://127.0.0.1:9/v1"], folder)
    assert "no answer from http://127.0.0.1:9: ConnectError" in str(refused.value)
    assert str(ServerCommand(model=str(folder), port=9)) in str(refused.value)


def test_a_server_is_asked_no_more_once_its_generator_was_closed():
    """By whichever thread: the one that looks after the servers is then in the midst of it."""
    connections = Connections(1)
    connections.close()
    server = Server("http://127.0.0.1:9", connections, timeout_seconds=1.0)
    for call in (server.model, server.resume):
        with pytest.raises(ServerLost, match="is asked no more: its generator was closed"):
            call()


def test_a_model_that_vllm_cannot_compute_on_a_cpu_is_refused_with_another_engine(tmp_path: Path):
    saved_llama(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "head_dim": 16}))
    with pytest.raises(
        ConfigError, match=r"heads have 16 dimensions.* 32 or more.* generator\.engine=transformers"
    ):
        ServedModel(tmp_path).refuse_small_heads()


def test_a_model_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"no model '/nowhere/model' for vLLM"):
        ServedModel("/nowhere/model")


def test_the_shapes_to_be_sent_are_those_of_the_model_itself(tmp_path: Path):
    model = saved_llama(tmp_path)
    state = torch.random.get_rng_state()
    shapes = ServedModel(tmp_path).shapes()
    assert shapes == {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_on_their_way_are_removed_once_their_process_is_dead(tmp_path: Path):
    first = WeightsFile.written({"a": torch.arange(6.0).view(2, 3).T}, tmp_path)
    host = first.path.name.rsplit("-", 2)[0]
    dead = tmp_path / f"{host}-{2**22 + 1}-abc.safetensors"
    dead.write_bytes(b"")
    second = WeightsFile.written({"a": torch.zeros(1)}, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([first.path, second.path])
    assert first.tag != second.tag


def test_weights_that_cannot_be_written_are_a_clear_error(tmp_path: Path):
    with pytest.raises(TrainingError, match="name another weights_folder"):
        WeightsFile.written({"a": torch.zeros(1)}, tmp_path / "nowhere")


def test_serve_starts_one_server_for_each_gpu_at_ports_that_follow():
    commands = server_commands(ServerCommand(model="m", port=9000), 4, 2)
    assert [(command.port, command.gpus) for command in commands] == [(9000, (0, 1)), (9001, (2, 3))]
    assert "--tensor-parallel-size" in commands[0].arguments()
    (on_a_cpu,) = server_commands(ServerCommand(model="m", dtype="float32", context=256), 0, 1)
    assert on_a_cpu.gpus == ()
    assert "CUDA_VISIBLE_DEVICES" not in on_a_cpu.environment


@pytest.mark.parametrize(
    ("gpus", "gpus_per_server", "context", "said"),
    [(3, 2, None, "3 GPUs cannot be shared out to servers of 2"), (0, 1, None, "give --context")],
)
def test_serve_refuses_what_cannot_be_started(
    gpus: int, gpus_per_server: int, context: int | None, said: str
):
    with pytest.raises(ConfigError, match=said):
        server_commands(ServerCommand(model="m", context=context), gpus, gpus_per_server)


def test_serve_refuses_a_port_where_another_server_listens():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 .*give another --port"):
            refuse_taken_ports([ServerCommand(model="m", port=port, gpus=())])
    refuse_taken_ports([ServerCommand(model="m", port=port, gpus=())])


STAND_IN = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Healthy).serve_forever()
"""


def test_servers_end_with_the_command_that_started_them(tmp_path: Path):
    """Also where it is ended from outside, by SIGTERM. The server is a stand-in for vLLM's, which takes a minute."""
    package = tmp_path / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    (package / "api_server.py").write_text(STAND_IN)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    program = [sys.executable, "-c", "from rlvr_gym.cli.main import main; main()"]
    serving = subprocess.Popen(
        [*program, "serve", "m", "--gpus", "0", "--context", "64", "--port", f"{port}"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert serving.stdout is not None
    with serving, serving.stdout as said:
        ready = f"ready: generator.engine=vllm_servers generator.urls=[http://127.0.0.1:{port}]\n"
        assert ready in iter(said.readline, "")
        serving.terminate()
        assert serving.wait() == 130
    refuse_taken_ports([ServerCommand(model="m", port=port, gpus=())])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generator.engine=vlm"], "generator.engine"),
        (["generator.engine=vllm_servers"], "needs generator.urls"),
        (["generator.urls=[http://localhost:8000]"], "needs generator.urls"),
        (["generator.engine=endpoint"], "needs --endpoint URL"),
        (["generator.engine=vllm", "--endpoint", "http://localhost:8000/v1"], "asks no endpoint"),
        (["generator.context=100"], "is for generator.engine=vllm"),
        (["--api-key-env", "KEY"], "--api-key-env is for an endpoint"),
    ],
)
def test_an_evaluation_refuses_engines_and_options_that_do_not_go_together(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(["eval", "arithmetic", "model.path=tiny", "--limit", "2", *arguments])
    assert ended.value.code == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_an_evaluation_on_servers_says_how_to_start_one_where_none_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    saved_llama(tmp_path / "tiny-llama")
    monkeypatch.chdir(tmp_path)
    engine = ["generator.engine=vllm_servers", "generator.urls=[http://127.0.0.1:9]"]
    with pytest.raises(SystemExit):
        main(["eval", "arithmetic", "model.path=tiny-llama", "--limit", "2", *engine])
    assert "python -m vllm.entrypoints.openai.api_server --model tiny-llama" in capsys.readouterr().err
