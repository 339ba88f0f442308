"""Sampling speed of each engine on one model, in one run: tokens per CPU second.

    python benchmarks/engines.py [--model FOLDER] [--prompts 8] [--n 8] [--tokens 64]

To be run where vLLM is installed (`make test-vllm` sets up .venv-vllm). Each engine runs in a process of its own, in
turn, `rounds` times, and one vLLM server is started for all of them: `n` completions of `tokens` tokens for each
prompt, at temperature 1 with nothing cut off and no token that ends a turn before, after one short call to warm up.
CPU seconds are those of the process that samples; for the server those of its processes, without ours that asks it.
`sync` is the wall time of one update of all weights, the best of its kind. Without --model, a tiny Llama is made.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_gym.generation.base import GenerationRequest, SamplingParams
from rlvr_gym.generation.loading import load_model
from rlvr_gym.generation.tiny import character_tokenizer
from rlvr_gym.generation.vllm.command import ServerCommand

_CONTEXT = 512
_PROMPT_TOKENS = 40


def main() -> None:
    options = _options()
    if options.side:
        print(json.dumps(_measure(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options.model = options.model or _tiny_llama(Path(folder) / "tiny-llama")
        figures: dict[str, list[dict[str, float]]] = {side: [] for side in _ENGINES}
        options.port = _free_port()
        with _server(options.model, options.port, Path(folder) / "server.log") as options.session:
            for _ in range(options.rounds):
                for side in _ENGINES:
                    figures[side].append(_run(side, options))
    print(f"{options.prompts} prompts x {options.n}, {options.tokens} tokens, float32, 1 thread")
    for side, runs in figures.items():
        speed = statistics.median(run["tokens_per_cpu_second"] for run in runs)
        sync = min(run["sync_seconds"] for run in runs)
        start = min(run["start_seconds"] for run in runs)
        print(f"{side:13} {speed:9,.0f} tokens/CPU s   sync {1e3 * sync:6,.0f} ms   start {start:5.1f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    for name in ("session", "port"):
        parser.add_argument(f"--{name}", type=int, help=argparse.SUPPRESS)
    for name, default in [("prompts", 8), ("n", 8), ("tokens", 64), ("repeats", 3), ("rounds", 2)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(side: str, options: argparse.Namespace) -> dict[str, float]:
    passed = [f"--{name}={value}" for name, value in vars(options).items() if name != "side"]
    done = subprocess.run(
        [sys.executable, __file__, f"--side={side}", *passed],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=_one_thread(),
    )
    return json.loads(done.stdout.splitlines()[-1])


def _measure(options: argparse.Namespace) -> dict[str, float]:
    began = time.perf_counter()
    generator, cpu_seconds = _ENGINES[options.side](options)
    generator.end_ids = frozenset()
    start = time.perf_counter() - began
    prompts = [
        GenerationRequest(
            messages=(), seed=i, token_ids=tuple(4 + (i * 7 + j * 3) % 10 for j in range(_PROMPT_TOKENS))
        )
        for i in range(options.prompts)
    ]

    def call(repeat: int, tokens: int) -> int:
        groups = generator.generate(
            [
                GenerationRequest(messages=(), seed=repeat * 1000 + p.seed, token_ids=p.token_ids)
                for p in prompts
            ],
            options.n,
            SamplingParams(max_tokens=tokens),
        )
        return sum(len(completion.token_ids) for _, group in groups for completion in group)

    call(0, 4)
    before = cpu_seconds()
    tokens = sum(call(repeat, options.tokens) for repeat in range(1, options.repeats + 1))
    spent = cpu_seconds() - before
    model, _ = load_model(options.model, "float32")
    syncs = []
    for version in range(1, 4):
        began = time.perf_counter()
        generator.update_weights(model.named_parameters(), version)
        syncs.append(time.perf_counter() - began)
    return {"tokens_per_cpu_second": tokens / spent, "sync_seconds": min(syncs), "start_seconds": start}


def _transformers(options: argparse.Namespace) -> tuple[Any, Callable[[], float]]:
    from rlvr_gym.generation.transformers import TransformersGenerator

    return TransformersGenerator(*load_model(options.model, "float32")), time.process_time


def _vllm(options: argparse.Namespace) -> tuple[Any, Callable[[], float]]:
    from rlvr_gym.generation.vllm.engine import VLLMGenerator

    return VLLMGenerator(options.model, dtype="float32", context=_CONTEXT), time.process_time


def _servers(options: argparse.Namespace) -> tuple[Any, Callable[[], float]]:
    from rlvr_gym.generation.vllm.servers import VLLMServersGenerator

    generator = VLLMServersGenerator([f"http://127.0.0.1:{options.port}"], options.model)
    model, _ = load_model(options.model, "float32")
    generator.update_weights(model.named_parameters(), 0)  # the server has those of an earlier round
    return generator, lambda: _cpu_seconds_of(options.session)


@contextmanager
def _server(model: str, port: int, log: Path) -> Iterator[int]:
    """A vLLM server; gives the session that its processes are in."""
    command = ServerCommand(model=model, port=port, dtype="float32", context=_CONTEXT, gpus=())
    with log.open("wb") as written:
        server = subprocess.Popen(
            command.arguments(),
            env={**_one_thread(), **command.environment},
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                break
            if server.poll() is not None:
                sys.exit(f"the server did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.5)
        yield server.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _cpu_seconds_of(session: int) -> float:
    """CPU seconds of all processes of a session."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(") ")[2].split()  # the name before them may hold spaces
            ticks += (int(fields[11]) + int(fields[12])) * (int(fields[3]) == session)
    return ticks / os.sysconf("SC_CLK_TCK")


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "VLLM_LOGGING_LEVEL": "ERROR"}


def _tiny_llama(folder: Path) -> str:
    tokenizer = character_tokenizer("0123456789", context=_CONTEXT)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=_CONTEXT,
        eos_token_id=2,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


_ENGINES: dict[str, Callable[[argparse.Namespace], tuple[Any, Callable[[], float]]]] = {
    "transformers": _transformers,
    "vllm": _vllm,
    "vllm_servers": _servers,
}

if __name__ == "__main__":
    main()
