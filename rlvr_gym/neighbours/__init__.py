"""Environments that other systems made, played here: `from_verifiers` and `from_openenv`.

Rows of verl and TRL need nothing of this: the environment `jsonl` reads their files as they are.
"""

from rlvr_gym.neighbours.openenv import from_openenv
from rlvr_gym.neighbours.verifiers import from_verifiers

__all__ = ["from_openenv", "from_verifiers"]
