"""Slow work in processes that can be killed."""

from rlvr_gym.verifiers.workers.pool import Overrun, WorkerPool

__all__ = ["Overrun", "WorkerPool"]
