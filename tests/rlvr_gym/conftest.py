from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlvr_gym.generation.vllm.engine import VLLMGenerator
    from tests.rlvr_gym.vllm_engines import RunningServer


@pytest.fixture(scope="session")
def needs_vllm():
    """Asks for vLLM, which has an environment of its own."""
    if find_spec("vllm") is not None:
        return
    missing = "vLLM is not installed here: `make test-vllm` tests it in an environment of its own, .venv-vllm"
    if "vllm" in os.environ.get("RLVR_TESTED_ENGINES", "").split(","):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def vllm_llama(needs_vllm: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PreTrainedModel]:
    """A tiny Llama's folder, and the same model."""
    from tests.rlvr_gym.vllm_engines import saved_llama

    folder = tmp_path_factory.mktemp("vllm") / "tiny-llama"
    return folder, saved_llama(folder)


@pytest.fixture(scope="session")
def vllm_engine(vllm_llama: tuple[Path, PreTrainedModel]) -> VLLMGenerator:
    """vLLM in this process, once for all tests."""
    from tests.rlvr_gym.vllm_engines import BLOCK

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's deprecations
        from rlvr_gym.generation.vllm.engine import VLLMGenerator

        return VLLMGenerator(
            vllm_llama[0], max_batch_rows=64, max_batch_tokens=2048, options={"block_size": BLOCK}
        )


@pytest.fixture(scope="session")
def vllm_servers_started(
    vllm_llama: tuple[Path, PreTrainedModel], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RunningServer]]:
    """Two vLLM servers of the same model, once for all tests."""
    from tests.rlvr_gym.vllm_engines import RunningServer

    logs = tmp_path_factory.mktemp("servers")
    servers = [RunningServer(vllm_llama[0], logs / f"{name}.log") for name in ("first", "second")]
    try:
        yield servers
    finally:
        for server in servers:
            server.close()


@pytest.fixture
def vllm_servers(vllm_servers_started: list[RunningServer]) -> list[RunningServer]:
    """The two servers, both running; with whatever weights an earlier test has left in them."""
    for server in vllm_servers_started:
        if not server.running:
            server.start()
    for server in vllm_servers_started:
        server.wait()
    return vllm_servers_started
