"""The experiments by name, in the page's order."""

from __future__ import annotations

import importlib
from pathlib import Path

from experiments.experiment import Experiment
from experiments.records import RESULTS, Records, code_of

NAMES = (
    "dapo",
    "clip_higher",
    "steadiness",
    "prefixes",
    "trees",
    "equal_samples",
    "crossing",
    "hacking",
    "steps",
    "kl",
    "drafting",
)


def load(name: str) -> Experiment:
    """The experiment of that name."""
    return importlib.import_module(f"experiments.claims.{name}").EXPERIMENT


def records(name: str, folder: Path = RESULTS) -> Records:
    """The records of that experiment, without those that other code or other settings made."""
    return Records(load(name), code_of(importlib.import_module(f"experiments.claims.{name}")), folder)
