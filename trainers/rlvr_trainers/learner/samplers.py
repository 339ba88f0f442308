"""The engine that samples for a trainer, and what brings it the trained weights."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, final

import torch

from rlvr_gym.errors import ConfigError
from rlvr_gym.generation.base import TrainableGenerator
from rlvr_gym.generation.prompts import TokenGenerator
from rlvr_gym.generation.transformers.multi_token_draft import MultiTokenDraft
from rlvr_gym.generation.transformers.speculative import Draft
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.learner.weight_sync import (
    PostedWeights,
    Proof,
    SentWeights,
    SharedWeights,
    WeightSync,
    probes_of,
)
from rlvr_trainers.sampling.turnstile import Turnstile
from rlvr_trainers.settings import BufferConfig, GeneratorConfig, RolloutsConfig


class Sampling(TrainableGenerator, TokenGenerator, Protocol):
    """A generator that takes new weights and token ids."""


@final
@dataclass(frozen=True, kw_only=True)
class Sampler:
    """An engine, and its weights."""

    generator: Sampling
    weights: WeightSync
    turnstile: Turnstile | None = None
    """Through which all calls go where the engine samples while the learner works, and takes one call at a time."""


def make_sampler(
    config: GeneratorConfig,
    rollouts: RolloutsConfig,
    buffer: BufferConfig,
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    *,
    temperature: float,
) -> Sampler:
    """Start, or connect to, the engine of `config`, to sample from `policy` at `temperature`, where `rollouts` says.

    `prompts` are token ids that the weights are proven on. With a `buffer` of older samples the engine has weights of
    its own, and where those of the `policy`, which is whole yet, are going to be sharded. Raises ConfigError where the
    engine cannot be had.
    """
    ahead, mesh = buffer.max_staleness > 0, policy.mesh
    elsewhere = rollouts.ray is not None
    if config.engine == "transformers" and not elsewhere and not ahead and not mesh.sharded:
        own = policy.generator(_draft(config, policy))
        return Sampler(generator=own, weights=SharedWeights(own, policy))
    generator = _on_nodes(config, rollouts, policy) if elsewhere else _apart(config, policy)
    proof = Proof(generator, policy, probes_of(prompts), temperature=temperature)
    if ahead and generator.concurrency == 1:
        turnstile = Turnstile(generator, keeps_all=buffer.replay is not None)
        posted = PostedWeights(generator, policy, proof, turnstile.post)
        return Sampler(generator=generator, weights=posted, turnstile=turnstile)
    if buffer.replay is not None:
        raise ConfigError(
            f"buffer.replay: generator.engine={config.engine} samples across updates of its weights, which is not "
            "replayed; transformers and vllm are"
        )
    sent = SentWeights(generator, policy, proof, shared=config.engine == "vllm_servers", mesh=mesh)
    return Sampler(generator=generator, weights=sent)


def _apart(config: GeneratorConfig, policy: Policy) -> Sampling:
    """An engine with weights of its own."""
    match config.engine:
        case "transformers":
            return policy.generator_apart(_draft(config, policy))
        case "vllm":
            return _vllm(policy)
        case "vllm_servers":
            return _servers(config, policy)


def _on_nodes(config: GeneratorConfig, rollouts: RolloutsConfig, policy: Policy) -> Sampling:
    """The engine on the nodes of a Ray cluster."""
    from rlvr_gym.generation.ray.actor import VLLMOf
    from rlvr_gym.generation.ray.generator import RayGenerator

    path, dtype = policy.config.path, policy.config.dtype
    path = str(Path(path).absolute()) if Path(path).is_dir() else path
    vllm = config.engine == "vllm"
    if vllm and path.startswith("tiny"):
        raise ConfigError(
            f"model.path={path} is in no folder that vLLM could read on the nodes: save it to one that all of them see"
        )
    return RayGenerator(
        policy.merged(),
        policy.tokenizer,
        address=rollouts.ray or "auto",
        dtype=getattr(torch, dtype),
        make=VLLMOf(path=path, dtype=dtype) if vllm else None,
        requests=rollouts.requests,
        patience_seconds=rollouts.patience_seconds,
    )


def _draft(config: GeneratorConfig, policy: Policy) -> Draft | MultiTokenDraft | None:
    return None if config.draft is None else policy.draft(config.draft, config.draft_tokens)


def _vllm(policy: Policy) -> Sampling:
    from rlvr_gym.generation.vllm.engine import VLLMGenerator

    path = policy.config.path
    if Path(path).is_dir() or not path.startswith("tiny"):
        return VLLMGenerator(path, dtype=policy.config.dtype)
    folder = tempfile.TemporaryDirectory(prefix="rlvr-sampler-")  # of a model that is in no folder
    policy.save_merged(Path(folder.name))
    generator = VLLMGenerator(folder.name, dtype=policy.config.dtype)
    weakref.finalize(generator, folder.cleanup)
    return generator


def _servers(config: GeneratorConfig, policy: Policy) -> Sampling:
    from rlvr_gym.generation.vllm.servers import VLLMServersGenerator

    return VLLMServersGenerator(config.urls, policy.config.path, weights_folder=config.weights_folder)
