"""JSON held to a schema, within a bounded number of steps."""

from rlvr_gym.verifiers.schema.verifier import JsonSchema

__all__ = ["JsonSchema"]
