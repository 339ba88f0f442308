"""A trained reward model as a verifier: a score that says what is preferred, and nothing about what is right."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.base import Verifier

if TYPE_CHECKING:
    from rlvr_gym.generation.rewards import Rewards, Said

HEAD = "reward_head.safetensors"
"""The file of the head, beside a model's weights."""
_NEARLY_ONE = math.nextafter(1.0, 0.0)
_PATIENCE_SECONDS = 600.0


@final
class RewardModel(Verifier):
    """The reward of a model that was trained on preferences (`rlvr train reward_model`), as a score.

    The score is sigmoid(reward): the probability, by the Bradley-Terry model, that the completion is preferred to one
    with a reward of 0. Rewards have no zero of their own, so scores compare completions of one task and mean nothing
    by themselves. A verdict is `incorrect` with that much credit, as that of every verifier that scores: none is ever
    `correct`, however high the reward is. `verdict.detail` has the reward.

    The weakest kind of verifier beside a model as judge: a policy that is trained on it finds what the model likes and
    people do not (length, flattery, confident tone, texts unlike any that it was trained on). Hold out another judge.

    Args:
        folder: a model folder with its reward head, as training writes it; read when the first completion comes.
        device: where the model computes; `auto` takes a GPU if there is one.
    """

    open_ended = True

    def __init__(self, folder: str | os.PathLike[str], *, device: str = "auto") -> None:
        self.folder, self.device = Path(folder), device
        self._lock = threading.Lock()
        self._rewards: Rewards | None = None

    def __getstate__(self) -> tuple[Path, str]:
        """The part that travels to another process, which reads the folder itself."""
        return self.folder, self.device

    def __setstate__(self, state: tuple[Path, str]) -> None:
        self.__init__(state[0], device=state[1])

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the head's file, which another training writes anew.

        Raises ConfigError where there is none.
        """
        try:
            return hashlib.sha256((self.folder / HEAD).read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(
                f"{self.folder} is no folder of a reward model ({HEAD}: {error.strerror}); rlvr train reward_model "
                "writes one"
            ) from error

    @property
    def timeout_seconds(self) -> float:
        """Time to load the model, and to wait for the verdicts that other threads ask for."""
        return _PATIENCE_SECONDS

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Score a completion by itself, so that its verdict depends on no other."""
        if not completion.text.strip():
            return Verdict.malformed("there is nothing in it to judge")
        said = _said(task, completion)
        try:
            with self._lock:
                if problem := self._loaded().too_long(said):
                    return Verdict.malformed(problem)
                (reward,) = self._loaded().of([said], batch_size=1)
        except ConfigError as error:
            raise VerifierFault(f"the reward model cannot read it: {error}") from error
        score = min(_sigmoid(reward), _NEARLY_ONE)
        return Verdict.wrong(
            f"reward {reward:.6g}: preferred or not, which is not right or wrong", score=score
        )

    def rewards(self, pairs: Sequence[tuple[Task, Completion]], *, batch_size: int = 16) -> list[float]:
        """Rewards of completions, several in a pass: equal to those of single ones but for rounding.

        Raises VerifierFault where the model cannot be used, ConfigError for a completion that it cannot read.
        """
        return self._rewards_of([_said(task, completion) for task, completion in pairs], batch_size)

    def rewards_of(self, conversations: Sequence[Sequence[Message]], *, batch_size: int = 16) -> list[float]:
        """Rewards of whole conversations, each of which ends with a turn of the assistant. Raises as `rewards` does."""
        return self._rewards_of([(messages, True) for messages in conversations], batch_size)

    def _rewards_of(self, said: Sequence[Said], batch_size: int) -> list[float]:
        with self._lock:
            return self._loaded().of(said, batch_size=batch_size)

    def _loaded(self) -> Rewards:
        if self._rewards is None:
            try:
                from rlvr_gym.generation.rewards import Rewards

                self._rewards = Rewards.load(self.folder, device=self.device)
            except ModuleNotFoundError as error:
                raise VerifierFault(f"a reward model needs torch and transformers: {error}") from error
            except ConfigError as error:
                raise VerifierFault(f"the reward model cannot be used: {error}") from error
        return self._rewards


def _said(task: Task, completion: Completion) -> Said:
    """The conversation that a completion ends, and whether it ended by itself."""
    turn = Message(role="assistant", content=completion.text)
    return (*task.prompt, turn), not completion.truncated


def _sigmoid(value: float) -> float:
    """1 / (1 + exp(-value)), without overflow."""
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
