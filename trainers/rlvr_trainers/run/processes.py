"""Several processes of this machine for one run, started as torchrun would."""

from __future__ import annotations

import logging
import os
import sys
from uuid import uuid4

from rlvr_gym.cli.exits import Exit
from rlvr_gym.errors import ConfigError

OURS = "RLVR_PROCESSES"
"""Set for processes that `--processes` started."""

TORCHRUN = (
    "note: when it is stopped, torchrun ends with a traceback of its own behind the run's last words, and kills a run "
    "that takes longer than 30 s to write its checkpoint; `rlvr train --processes N` does neither"
)

STOP_SECONDS = 3600
"""Longest time that stopped processes may take to finish their update and write a checkpoint."""


def run_processes(count: int, arguments: list[str]) -> int:
    """Run `rlvr ARGUMENTS` in `count` processes as torchrun would; the exit status.

    A stop is passed on to them, and the last word is theirs: torchrun itself ends with a traceback.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if "WORLD_SIZE" in os.environ:
        raise ConfigError(
            "--processes starts the processes of a run, and torchrun has done so: leave one of them out"
        )
    os.environ[OURS] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    launch = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        run_id=uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        shutdown_timeout=STOP_SECONDS,
    )
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    command = ("-c", "from rlvr_gym.cli.main import main; main()", *arguments)
    try:
        elastic_launch(launch, sys.executable)(*command)
    except SignalException:
        return Exit.INTERRUPTED
    except ChildFailedError as failure:
        status = failure.get_first_failure()[1].exitcode
        return status if status > 0 else 1
    return 0
