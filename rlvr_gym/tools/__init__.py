"""Tools: typed Python functions that a policy calls by name, in the middle of an episode."""

from rlvr_gym.tools.calls import CallOutcome, CallRecord, MalformedCall, ToolCall, ToolSpec
from rlvr_gym.tools.function import State, Tool, tool

__all__ = ["CallOutcome", "CallRecord", "MalformedCall", "State", "Tool", "ToolCall", "ToolSpec", "tool"]
