"""Real vLLM for tests: a tiny Llama whose heads are as small as vLLM takes them on a CPU, and servers of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from rlvr_gym.generation.base import GenerationRequest
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.vllm.command import ServerCommand
from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion

DIGITS = "0123456789"
CONTEXT = 256
START_CPU_SECONDS = 300.0
"""Of a server that does not answer after it, none will: a start takes 20 to 40, however busy the machine is."""
LAST_RESORT_SECONDS = 2400.0
"""A test that takes longer hangs: on a machine with much other work the slowest takes a few minutes."""
BLOCK = 32
"""Tokens that vLLM caches together: prompts below are longer, so that a stale cache would be used."""


def saved_llama(folder: Path, *, tied: bool = False) -> PreTrainedModel:
    """The model, also in that folder with a tokenizer and a generation config that would change every sample.

    `tied`: its head is its embedding.
    """
    config = LlamaConfig(
        vocab_size=14,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=tied,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LlamaForCausalLM(config).eval()
    model.generation_config = GenerationConfig(eos_token_id=[2, 13], do_sample=True, top_k=2, temperature=0.3)
    model.save_pretrained(folder)
    character_tokenizer(DIGITS, context=CONTEXT).save_pretrained(folder)
    return model


def request(text: str, seed: int) -> GenerationRequest:
    return GenerationRequest(messages=(Message(role="user", content=text),), seed=seed)


def follows(completion: Completion, models: Mapping[int, PreTrainedModel]) -> None:
    """Every token has the log-probability that the model gives it which its version of the weights is."""
    tokens = torch.tensor(completion.token_ids)
    ids = torch.tensor([[*completion.prompt_token_ids, *completion.token_ids]])
    assert sum(span.tokens for span in completion.sampled_under) == len(tokens)
    start = 0
    for span in completion.sampled_under:
        with torch.no_grad():
            logits = models[span.version](input_ids=ids).logits[0, len(completion.prompt_token_ids) - 1 : -1]
        plain = torch.log_softmax(logits, -1).gather(-1, tokens[:, None])[:, 0]
        end = start + span.tokens
        found = torch.tensor(completion.logprobs[start:end])
        torch.testing.assert_close(found, plain[start:end], atol=1e-4, rtol=0.0)
        start = end


PROMPTS = [request("1234567890" * 8, 1), request("42", 2), request("777" * 25, 3)]


class RunningServer:
    """A vLLM server that a test has started; its port stays its own until `close`, also while it does not run."""

    def __init__(self, folder: Path, log: Path, *, context: int = CONTEXT) -> None:
        self._port_held = socket.socket()
        # A server that reuses addresses listens beside a socket which does not listen; nobody else is given the port.
        self._port_held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port_held.bind(("127.0.0.1", 0))
        self.port = self._port_held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._command = ServerCommand(
            model=str(folder),
            port=self.port,
            dtype="float32",
            context=context,
            gpus=(),
            further=("--block-size", str(BLOCK)),
        )
        self.start()

    def start(self) -> None:
        settings = {"OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        # On a CPU the worker would have a process of its own, whose imports are a third of the start.
        settings["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command.arguments(),
                env={**os.environ, **settings, **self._command.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """True until it has been killed."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Until it answers. A start that fails is told by its end or by the CPU time it took, never by the clock."""
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/health", timeout=60):
                return
            assert self.running, self._log.read_text()[-4000:]
            spent = self._cpu_seconds()
            assert spent < START_CPU_SECONDS, f"no server after {spent:g} s: {self._log.read_text()[-4000:]}"
            time.sleep(0.3)

    def post(self, path: str, body: bytes = b"{}") -> None:
        """Ask it for something behind the back of whoever uses it."""
        asked = urllib.request.Request(
            self.url + path, data=body, headers={"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=600) as answer:
            answer.read()

    def kill(self) -> None:
        """End it and its engine at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._port_held.close()

    def _cpu_seconds(self) -> float:
        """CPU seconds of the server and of the engine, which is in the same session."""
        ticks = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text().rpartition(") ")[2].split()  # the name before them may hold spaces
                if int(fields[3]) == self._process.pid:
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def wait_for_all(generator: VLLMServersGenerator) -> None:
    """Until every server is sampled from again."""
    ends = time.monotonic() + LAST_RESORT_SECONDS / 2
    while generator._fleet.trouble() != "all servers answer" and time.monotonic() < ends:
        time.sleep(0.2)
    assert generator._fleet.trouble() == "all servers answer"
