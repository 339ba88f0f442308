"""The engine that `rlvr eval` samples with: generator.engine and what goes with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from rlvr_sandbox.installing import pip_install

from rlvr_gym.config import Config
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import ModelName

if TYPE_CHECKING:
    from rlvr_gym.generation.prompts import TokenGenerator
    from rlvr_gym.generation.transformers import TransformersGenerator


class GeneratorSettings(Config):
    """The engine that samples.

    `engine` is transformers or vllm (in this process), vllm_servers (those of `urls`) or endpoint (the server of
    --endpoint). `context` limits how many tokens prompt and completion have together with vllm. `draft` is a smaller
    model with the same tokenizer, a folder or a hub id, that drafts `draft_tokens` at a time for engine transformers:
    samples follow the same distribution, and are others. `mtp` is the module that recipe `mtp` keeps beside the model.
    """

    engine: Literal["transformers", "vllm", "vllm_servers", "endpoint"] = "transformers"
    urls: tuple[str, ...] = ()
    context: int | None = None
    draft: str | None = None
    draft_tokens: int = Field(default=4, ge=1)


def engine_problems(settings: GeneratorSettings, endpoint: str | None, api_key_env: str | None) -> list[str]:
    """Say which of these settings do not go together."""
    problems: list[str] = []
    engine = settings.engine
    if endpoint is not None and engine != "endpoint" and "engine" in settings.model_fields_set:
        problems.append(
            f"generator.engine={engine} asks no endpoint: leave --endpoint or generator.engine out"
        )
    if engine == "endpoint" and endpoint is None:
        problems.append("generator.engine=endpoint needs --endpoint URL")
    if endpoint is None and engine != "endpoint" and api_key_env is not None:
        problems.append("--api-key-env is for an endpoint: give --endpoint URL, or leave it out")
    if bool(settings.urls) != (engine == "vllm_servers"):
        problems.append(
            "generator.engine=vllm_servers needs generator.urls=[http://localhost:8000,...], and no other engine does"
        )
    if settings.context is not None and engine != "vllm":
        problems.append(f"generator.context is for generator.engine=vllm, not for {engine}")
    if settings.draft is not None and engine != "transformers":
        problems.append(f"generator.draft is for generator.engine=transformers, not for {engine}")
    return problems


def load_transformers(
    path: str, dtype: str, max_batch_rows: int, settings: GeneratorSettings | None = None
) -> tuple[TransformersGenerator, ModelName]:
    """Our own decoder around a model of transformers in this process, with the draft that `settings` name."""
    # Threads of torch that spin while they wait slow everything else down on a machine that is shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch
    from transformers.utils import logging

    from rlvr_gym.generation.loading import load_model, weights_hash
    from rlvr_gym.generation.transformers import TransformersGenerator
    from rlvr_gym.generation.transformers.multi_token_draft import MTP, MultiTokenDraft
    from rlvr_gym.generation.transformers.speculative import Draft

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, tokenizer = load_model(path, dtype)
    name = ModelName(name=path, weights=weights_hash(model))
    device: Any = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    draft = None
    if settings is not None and settings.draft == MTP:
        draft = MultiTokenDraft.load(model, path)
    elif settings is not None and settings.draft is not None:
        drafting, drafts = load_model(settings.draft, dtype)
        draft = Draft(model=drafting.to(device), tokenizer=drafts, tokens=settings.draft_tokens)
    return TransformersGenerator(model, tokenizer, max_batch_rows=max_batch_rows, draft=draft), name


def load_vllm(
    path: str, dtype: str, settings: GeneratorSettings, max_batch_rows: int
) -> tuple[TokenGenerator, ModelName]:
    """vLLM in this process."""
    from rlvr_gym.generation.vllm.engine import VLLMGenerator

    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    named = _named(path, dtype)
    generator = VLLMGenerator(path, dtype=dtype, context=settings.context, max_batch_rows=max_batch_rows)
    return generator, named


def connect_servers(
    path: str, urls: Sequence[str], concurrency: int, timeout_seconds: float
) -> tuple[TokenGenerator, ModelName]:
    """vLLM servers that somebody has started, with the weights that they were started with."""
    try:
        from rlvr_gym.generation.vllm.servers import VLLMServersGenerator
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "httpx2":
            raise
        raise ConfigError(f"vLLM servers need httpx2: {pip_install('endpoint')}") from error
    generator = VLLMServersGenerator(urls, path, concurrency=concurrency, timeout_seconds=timeout_seconds)
    if generator.weights_version is None:
        raise ConfigError(
            f"the servers {', '.join(urls)} have the weights of a training run, not those of '{path}': start them anew"
        )
    return generator, _named(path, "auto")


def _named(path: str, dtype: str) -> ModelName:
    from rlvr_gym.generation.loading import load_model, weights_hash

    model, _ = load_model(path, dtype)
    return ModelName(name=path, weights=weights_hash(model))
