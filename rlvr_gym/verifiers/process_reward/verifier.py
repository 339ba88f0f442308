"""A trained process reward model as a verifier: each step's probability of being right."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, final

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.process_reward.aggregates import Aggregate, aggregated, refuse_another_way
from rlvr_gym.verifiers.steps import (
    MAX_CHARACTERS,
    Separator,
    refuse_impossible,
    split_steps,
    step_parts,
    without_steps,
)

if TYPE_CHECKING:
    from rlvr_gym.generation.step_scores import StepScorer

STEP_HEAD = "step_head.safetensors"
"""The file of the head, beside a model's weights."""
_NEARLY_ONE = math.nextafter(1.0, 0.0)
_PATIENCE_SECONDS = 600.0


@final
class ProcessRewardModel(Verifier):
    """The steps of a completion, scored by a model that was trained on labels of steps (`rlvr train prm`).

    A step's score is the probability that it is right, as the model has it from the prompt and the completion up to
    the end of that step: what is said later changes nothing. The completion's score is the `aggregate` of these. As of
    every verifier that scores, outcomes are `incorrect` with that much credit and never `correct`.

    `verdict.parts` has a verdict for each step, with its `span`, by which a trainer with `reward.steps` pays each step
    at its last token. There, a step that says again what an earlier one said is worth nothing, since repeating a right
    step would earn its reward again. A completion without steps, with more than `most` or longer than the model reads
    is `malformed`, and one step that is worth nothing. The final answer is not compared with anything.

    Args:
        folder: a model folder with its head, as training writes it; read when the first completion comes.
        aggregate: `product`, which is biased to answers of few steps, `minimum`, or `last`.
        by: what a step is: a line, a paragraph, or what stands in `<step>...</step>`; None is what it was in training.
        most: how many steps a completion may have.
        device: where the model computes; `auto` takes a GPU if there is one.
    """

    open_ended = True

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        aggregate: Aggregate = "product",
        by: Separator | None = None,
        most: int = 64,
        device: str = "auto",
    ) -> None:
        refuse_another_way(aggregate)
        refuse_impossible(by or "line", most)
        self.folder, self.device, self.most = Path(folder), device, most
        self.aggregate: Aggregate = aggregate
        self.by: Separator | None = by
        self._lock = threading.Lock()
        self._scorer: StepScorer | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """The part that travels to another process, which reads the folder itself."""
        return _made, (self.folder, self.aggregate, self.by, self.most, self.device)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the head's file, which another training writes anew.

        Raises ConfigError where there is none.
        """
        try:
            return hashlib.sha256((self.folder / STEP_HEAD).read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(
                f"{self.folder} is no folder of a process reward model ({STEP_HEAD}: {error.strerror}); "
                "rlvr train prm writes one"
            ) from error

    @property
    def timeout_seconds(self) -> float:
        """Time to load the model, and to wait for the verdicts that other threads ask for."""
        return _PATIENCE_SECONDS

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Score every step, and the completion by all of them together."""
        text = completion.text
        if len(text) > MAX_CHARACTERS:
            return without_steps(f"longer than {MAX_CHARACTERS:,} characters", text)
        with self._lock:
            scorer = self._loaded()
            steps = list(split_steps(text, self.by or scorer.steps))
            if not steps or len(steps) > self.most:
                why = (
                    f"{len(steps)} steps, and {self.most} are the most" if steps else "there is no step in it"
                )
                return without_steps(why, text)
            messages = (*task.prompt, Message(role="assistant", content=text))
            try:
                if problem := scorer.too_long(messages, [step.end for step in steps]):
                    return without_steps(problem, text)
                probabilities = scorer.of(messages, [step.end for step in steps])
            except ConfigError as error:
                raise VerifierFault(f"the process reward model cannot read it: {error}") from error
        parts = step_parts(steps, [_scored(one) for one in probabilities])
        score = min(aggregated(probabilities, self.aggregate), _NEARLY_ONE)
        told = " ".join(f"{one:.3f}" for one in probabilities)
        return Verdict.wrong(
            f"{self.aggregate} of {told}: likely right or not, which proves nothing", score=score
        ).model_copy(update={"parts": parts})

    def _loaded(self) -> StepScorer:
        if self._scorer is None:
            try:
                from rlvr_gym.generation.step_scores import StepScorer

                self._scorer = StepScorer.load(self.folder, device=self.device)
            except ModuleNotFoundError as error:
                raise VerifierFault(
                    f"a process reward model needs torch and transformers: {error}"
                ) from error
            except ConfigError as error:
                raise VerifierFault(f"the process reward model cannot be used: {error}") from error
        return self._scorer


def _scored(probability: float) -> Verdict:
    return Verdict.wrong(f"right with probability {probability:.3f}", score=min(probability, _NEARLY_ONE))


def _made(folder: Path, how: Aggregate, by: Separator | None, most: int, device: str) -> ProcessRewardModel:
    return ProcessRewardModel(folder, aggregate=how, by=by, most=most, device=device)
