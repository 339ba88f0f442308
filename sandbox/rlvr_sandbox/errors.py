"""Everything that can go wrong with the sandbox itself.

SandboxError
├── SandboxUnavailable      no backend can run programs here; says of each why not
│   ├── DaemonUnreachable   no Docker daemon answers, or not to us
│   ├── ImageMissing        the image has not been built
│   └── ImageMismatch       the image holds another version of the supervisor
├── SelfTestFailed         a sandbox runs programs, but not as it must: it is not to be trusted
├── SandboxLost             a sandbox ended, or stopped answering, under a program
├── SandboxClosed           work was handed to a sandbox that has been closed
├── BuildFailed             the image could not be made
└── BadTests                tests that could judge nothing: none at all, or none that calls the program

A program that crashes, loops or attacks is none of these: that is a `Result`.
"""

from __future__ import annotations


class SandboxError(Exception):
    """Any failure of the sandbox, as opposed to a failure of a program in it."""


class SandboxUnavailable(SandboxError):
    """No backend can run programs here."""


class DaemonUnreachable(SandboxUnavailable):
    """The Docker daemon does not answer, or refuses us."""


class ImageMissing(SandboxUnavailable):
    """The sandbox image is not on the Docker host."""


class ImageMismatch(SandboxUnavailable):
    """The sandbox image holds another supervisor than this package."""


class SelfTestFailed(SandboxError):
    """The sandbox let a hostile program pass, or failed an honest one."""


class SandboxLost(SandboxError):
    """A sandbox ended, or stopped answering, while a program ran in it."""


class SandboxClosed(SandboxError):
    """The sandbox has been closed."""


class BuildFailed(SandboxError):
    """The sandbox image could not be made."""


class BadTests(SandboxError, ValueError):
    """These tests can judge no program."""
