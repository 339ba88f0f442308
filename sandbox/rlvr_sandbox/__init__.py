"""Runs programs that nobody vouches for, and says what they answered."""

from rlvr_sandbox.blocking import BlockingSandbox
from rlvr_sandbox.errors import (
    BadTests,
    BuildFailed,
    DaemonUnreachable,
    ImageMismatch,
    ImageMissing,
    SandboxClosed,
    SandboxError,
    SandboxLost,
    SandboxUnavailable,
    SelfTestFailed,
)
from rlvr_sandbox.programs import (
    AssertTests,
    CallTest,
    CallTests,
    Comparison,
    Limits,
    Program,
    StdioTest,
    StdioTests,
    Tests,
)
from rlvr_sandbox.results import CaseResult, Failure, ProgramOutcome, Result, Trust
from rlvr_sandbox.sandbox import Sandbox

__all__ = [
    "AssertTests",
    "BadTests",
    "BlockingSandbox",
    "BuildFailed",
    "CallTest",
    "CallTests",
    "CaseResult",
    "Comparison",
    "DaemonUnreachable",
    "Failure",
    "ImageMismatch",
    "ImageMissing",
    "Limits",
    "Program",
    "ProgramOutcome",
    "Result",
    "Sandbox",
    "SandboxClosed",
    "SandboxError",
    "SandboxLost",
    "SandboxUnavailable",
    "SelfTestFailed",
    "StdioTest",
    "StdioTests",
    "Tests",
    "Trust",
]
