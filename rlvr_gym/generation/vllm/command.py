"""The command that starts a server as `VLLMServersGenerator` needs it: in the docs, in its errors, in `rlvr serve`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rlvr_gym.generation.vllm.names import BACKEND, EXTENSION

_ROWS_ON_A_CPU = 64
_CACHE_BYTES_ON_A_CPU = 2**30


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerCommand:
    """The command that starts one server.

    `gpus` are the GPUs it computes on, by number; without any it computes on the CPU. `context` is the largest number
    of tokens of prompt and completion together, None for the model's own limit.
    """

    model: str
    port: int = 8000
    host: str = "127.0.0.1"
    dtype: str = "auto"
    context: int | None = None
    gpus: Sequence[int] = (0,)
    further: Sequence[str] = ()

    @property
    def environment(self) -> dict[str, str]:
        """Variables to set: without the first, the server has no routes for weights."""
        visible = {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus))} if self.gpus else {}
        return {"VLLM_SERVER_DEV_MODE": "1", **visible}

    def arguments(self, python: str = sys.executable) -> list[str]:
        """The program and its arguments."""
        given = {
            "model": self.model,
            "host": self.host,
            "port": self.port,
            "dtype": self.dtype,
            "logprobs-mode": "processed_logprobs",
            "generation-config": "vllm",
            "worker-extension-cls": EXTENSION,
            "weight-transfer-config": json.dumps({"backend": BACKEND}),
        }
        if self.context is not None:
            given["max-model-len"] = self.context
        if len(self.gpus) > 1:
            given["tensor-parallel-size"] = len(self.gpus)
        # On a CPU a prompt must not be computed in pieces (its request has a seed), and vLLM takes all memory.
        if not self.gpus and self.context is not None:
            given |= {
                "max-num-seqs": _ROWS_ON_A_CPU,
                "max-num-batched-tokens": _ROWS_ON_A_CPU * self.context,
                "kv-cache-memory-bytes": _CACHE_BYTES_ON_A_CPU,
            }
        options = [part for name, value in given.items() for part in (f"--{name}", str(value))]
        flags = ["--enable-scale-out", *([] if self.gpus else ["--enforce-eager"])]
        return [python, "-m", "vllm.entrypoints.openai.api_server", *options, *flags, *self.further]

    def __str__(self) -> str:
        """The command as a shell takes it."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(self.arguments("python"))])
