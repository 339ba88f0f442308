"""Settings of an environment, and of a trained model: how it was prompted and sampled."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator

from rlvr_gym import registry
from rlvr_gym.config import Config, Settings, read_yaml, validate
from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.pass_rates import by_pass_rate
from rlvr_gym.files import write_atomically
from rlvr_gym.generation.base import SamplingParams

TRAINED = "rlvr.json"


class EnvConfig(BaseModel):
    """An environment by name; every other key is an option of that environment (`env.digits=3`).

    `pass_rate` keeps the tasks that a model was right at between two rates of the time, both included, by the word of
    `pass_rates`, a file that `rlvr eval --curriculum` wrote.
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    id: str
    """The environment's name or id; `rlvr envs` lists them."""
    pass_rate: tuple[float, float] | None = None
    pass_rates: Path | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> EnvConfig:
        if (self.pass_rate is None) != (self.pass_rates is None):
            raise ValueError(
                "pass_rate=[LOW,HIGH] and pass_rates=FILE belong together: `rlvr eval ENV --curriculum` writes the file"
            )
        return self

    @property
    def options(self) -> Settings:
        """The environment's own options."""
        return dict(self.model_extra or {})

    def make(self) -> Environment:
        """Build the environment. Raises ConfigError for an unknown name or option."""
        env = registry.make(self.id, **self.options)
        if self.pass_rate is not None and self.pass_rates is not None:
            env.tasks = by_pass_rate(env.tasks, self.pass_rates, self.pass_rate)
            env.selection = self.model_dump(mode="json", include={"pass_rate", "pass_rates"})
        return env

    def elsewhere(self) -> Settings:
        """These settings without the choice of tasks by pass rate, which is of one split alone."""
        return self.model_dump(exclude={"pass_rate", "pass_rates"})


class TrainedModel(Config):
    """The record of how a trained model was prompted and sampled, kept beside its weights for evaluations.

    `env` is the held-out environment of its training, or the training environment if none was held out; `tasks` is the
    number of tasks that an evaluation takes if they are endless.
    """

    env: EnvConfig
    sampling: SamplingParams
    tasks: int

    def write(self, folder: Path) -> None:
        """Keep this in a model's folder."""
        write_atomically(folder / TRAINED, self.model_dump_json(indent=2) + "\n")


def trained_model(path: str) -> tuple[str, TrainedModel | None]:
    """The folder of the model that `path` names, and how it was trained; None where that is not known.

    The folder of a training run stands for its finished model, before its end for its latest checkpoint.
    """
    folder = Path(path).expanduser()
    if not (folder / TRAINED).is_file():
        steps = [step for step in (folder / "checkpoints").glob("step-*") if step.name[5:].isdecimal()]
        latest = sorted(steps, key=lambda step: int(step.name[5:]))[-1:]
        inside = [one for one in (folder / "model", *latest) if (one / TRAINED).is_file()]
        if not inside:
            return path, None
        folder = inside[0]
    return str(folder), validate(TrainedModel, read_yaml(folder / TRAINED))
