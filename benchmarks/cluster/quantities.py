"""Rates, work and a cluster, which the model is given, and the figures that it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds that one device needs for one thing. A step of decoding gives each of a sampler's rows one token."""

    decode_seconds: float
    """A step of decoding, without its rows."""
    row_seconds: float
    """Added by each row to a step of decoding."""
    context_seconds: float = 0.0
    """Added by each token that a row can look back at to a step of decoding."""
    prompt_seconds: float
    """A token of a prompt, which is computed once for its group."""
    max_rows: int
    """Rows that a sampler decodes at once; others wait."""
    continuous: bool = True
    """True where rows of a later round join those that are being decoded, as in a server; False where a sampler decodes
    one round at a time, as the one in the trainer's process does."""
    verdict_seconds: float
    judges: int
    """Verdicts that are given at the same time, everywhere together."""
    learn_seconds: float
    """A token of a step (prompts once a group), scored and learned from by one learner."""
    update_seconds: float = 0.0
    """An optimizer step, beside its tokens."""
    reduce_seconds: float = 0.0
    """The sum of gradients over all learners, in an optimizer step. It is taken as independent of their number."""
    sync_seconds: float
    """From the end of an update until all samplers have the weights. It is taken as independent of their number."""
    other_seconds: float = 0.0
    """Everything else in a step: records, detectors."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The work of a step. Lengths of completions are drawn from `lengths`, with replacement."""

    prompts: int
    group_size: int
    prompt_tokens: int
    lengths: Sequence[int]
    updates: int = 1
    keep_share: float = 1.0
    """Share of groups that teach something; below 1, sampling goes on until `prompts` groups do."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Devices, and how old a sample may be. With a staleness of 0, the same ones may sample and learn in turn."""

    samplers: int
    learners: int
    staleness: int = 0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Means over the steps that were counted."""

    step_seconds: float
    sampling_share: float
    """Share of samplers' time in which they have rows to decode."""
    row_share: float
    """Rows that a sampler decodes, of `max_rows`, over all its time."""
    learning_share: float
    """Share of time in which learners learn."""
    waiting_share: float
    """Share of time in which learners wait for samples."""
    sync_share: float
    dropped_share: float
    """Share of sampled groups that were too old."""
    tokens_per_second: float
    """Completion tokens learned from, over all time."""
