"""One of several processes of a whole sharded run, which may be killed in an update. Run by test_sharded_runs."""

import os
import signal
import sys

import torch
from rlvr_trainers.learner.logprobs import base_model
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.errors import RlvrError


def main(recipe: str, killed: str, after: str, *settings: str) -> None:
    """Kill the ranks that `killed` names (`1`, `0,1`; `-` is none) in the first update `after` so many steps."""
    torch.set_num_threads(1)
    trainer = Trainer(load_recipe(recipe, parse_overrides(settings)), name=recipe)

    def end(*_: object) -> None:
        if str(trainer.mesh.rank) in killed.split(",") and trainer.step == int(after):
            os.kill(os.getpid(), signal.SIGKILL)

    base_model(trainer.models.policy.model).register_forward_pre_hook(end)
    try:
        result = trainer.run()
    except RlvrError as error:
        sys.exit(f"error: {error}")
    print(f"finished {result.finished} after {result.step}")


if __name__ == "__main__":
    main(*sys.argv[1:])
