"""The model that `rlvr eval` samples from: loaded here, or asked where it is served."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.commands.eval.planning import Run
from rlvr_gym.cli.display.live import waiting
from rlvr_gym.cli.engines import connect_servers, load_transformers, load_vllm
from rlvr_gym.cli.loudness import progress_console
from rlvr_gym.cli.settings import EvalSettings, ModelSettings, refuse
from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation import ModelName
from rlvr_gym.generation.base import Generator

if TYPE_CHECKING:
    from rlvr_gym.generation.prompts import TokenGenerator

LOOKED_AT = 256
"""Number of prompts measured before any is sampled; the generator refuses a longer one when it comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """The way a server is asked: where (None: no endpoint), with which key, how many at once, and for how long."""

    endpoint: str | None
    api_key_env: str | None
    concurrency: int
    timeout_seconds: float


def open_model(
    settings: EvalSettings, requests: Requests, runs: Sequence[Run]
) -> tuple[Generator, ModelName]:
    """The generator, and its model's name. Raises ConfigError where prompts leave no room for completions."""
    if requests.endpoint is not None:
        return _connect(requests.endpoint, settings.model, requests)
    with waiting(f"loading {settings.model.path}", progress_console()):
        generator, name = _load(settings, requests)
    refuse([problem for run in runs for problem in _without_room(run, generator)])
    return generator, name


def _connect(url: str, settings: ModelSettings, requests: Requests) -> tuple[Generator, ModelName]:
    try:
        from rlvr_gym.generation.endpoint import EndpointGenerator
    except ModuleNotFoundError as error:
        raise ConfigError(f"an endpoint needs httpx2: {pip_install('endpoint')}") from error
    if "dtype" in settings.model_fields_set:
        raise ConfigError("the number format is the server's affair: leave model.dtype out")
    key = None
    if requests.api_key_env is not None:
        key = os.environ.get(requests.api_key_env)
        if not key:
            raise ConfigError(
                f"--api-key-env names {requests.api_key_env}, and there is nothing in that variable"
            )
    generator = EndpointGenerator(
        url,
        settings.path,
        api_key=key,
        concurrency=requests.concurrency,
        timeout_seconds=requests.timeout_seconds,
    )
    generator.check()
    return generator, ModelName(name=settings.path, endpoint=generator.url)


def _load(settings: EvalSettings, requests: Requests) -> tuple[TokenGenerator, ModelName]:
    """An engine that takes token ids, its model, and that model's name."""
    model, generator, rows = settings.model, settings.generator, requests.concurrency
    match generator.engine:
        case "vllm":
            return load_vllm(model.path, model.dtype, generator, rows)
        case "vllm_servers":
            if "dtype" in model.model_fields_set:
                raise ConfigError("the number format is the servers' affair: leave model.dtype out")
            return connect_servers(model.path, generator.urls, rows, requests.timeout_seconds)
        case _:
            return load_transformers(model.path, model.dtype, rows, generator)


def _without_room(run: Run, generator: TokenGenerator) -> list[str]:
    """Say where prompts and sampling.max_tokens together exceed the model's context."""
    from rlvr_gym.environments.prompting import prompt_ids

    if generator.context is None:
        return []
    looked_at = run.plan.tasks[:LOOKED_AT]
    longest = max(len(prompt_ids(run.env, generator.tokenizer, task)) for task in looked_at)
    room, asked = generator.context - longest, run.plan.sampling.max_tokens
    if asked <= room:
        return []
    remedy = (
        f"give sampling.max_tokens={room} or less" if room > 0 else "take another model, or shorter prompts"
    )
    return [
        f"{run.name}: a prompt has {longest} tokens, and with sampling.max_tokens={asked} that exceeds the model's "
        f"context of {generator.context}: {remedy}"
    ]
