"""Everything this library raises on purpose.

RlvrError
├── ConfigError          a setting, key, name or path that cannot work; raised before any work starts
├── DataError            a task source is broken: names the file and line, or the task
│   └── HubUnreached     a hub dataset is not stored here, and the hub is not reached
├── VerifierFault        a verifier or its infrastructure failed; becomes an `unscored` verdict
├── TooManyUnscored      so many samples could not be judged that results would mean nothing
└── TrainingError        a run cannot go on: NaN loss, starved batch, sampler out of step, full disk

Two are warnings. TasksLeftOut: some tasks of a set cannot be judged, and the others are used. KnownOverlap: training
and held-out tasks come from the same collection of problems.
"""


class RlvrError(Exception):
    """Base of every error this library raises on purpose."""


class ConfigError(RlvrError, ValueError):
    """The request cannot work; the message says what would."""


class DataError(RlvrError, ValueError):
    """A task source is broken; the message names the file and line, or the task."""


class HubUnreached(DataError):
    """A hub dataset is not stored here, and the hub is not reached; the message says what works instead."""


class VerifierFault(RlvrError, RuntimeError):
    """A verifier, or the infrastructure under it, failed. Never says anything about the completion."""


class TooManyUnscored(RlvrError, RuntimeError):
    """More samples stayed unscored than the run allows; the message names the commonest cause."""


class TrainingError(RlvrError, RuntimeError):
    """A training run cannot go on; the message says what to change. Checkpoints already written stay valid."""


class TasksLeftOut(UserWarning):
    """Tasks of a set cannot be judged and are left out; the message names them, and why."""


class KnownOverlap(UserWarning):
    """Training and held-out tasks come from the same collection of problems; the message names it."""
