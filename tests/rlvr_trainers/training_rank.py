"""One of several processes of a whole training run. Run by test_ranks."""

import sys
from typing import Any

import torch
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.trainer import Trainer

from rlvr_gym.config import parse_overrides
from rlvr_gym.errors import RlvrError, TrainingError


def main(recipe: str, fault: str, *settings: str) -> None:
    torch.set_num_threads(1)
    trainer = Trainer(load_recipe(recipe, parse_overrides(settings)), name=recipe)

    def break_down(*_: object) -> None:
        """On the second rank, from the second step on."""
        if trainer.mesh.rank == 1 and trainer.step >= 1 and fault != "none":
            raise TrainingError("reported") if fault == "reported" else RuntimeError("unforeseen")

    generator: Any = trainer.generator
    generator.model.register_forward_pre_hook(break_down)
    try:
        result = trainer.run()
    except RlvrError as error:
        sys.exit(f"error: {error}")
    print(f"finished {result.finished} after {result.step}")


if __name__ == "__main__":
    main(*sys.argv[1:])
