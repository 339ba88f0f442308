"""The environment `jsonl` under the name that programs import it by; it lives in `rlvr_envs.files`."""

from rlvr_envs.files.jsonl import CARD, PerTask, jsonl, to_task

__all__ = ["CARD", "PerTask", "jsonl", "to_task"]
