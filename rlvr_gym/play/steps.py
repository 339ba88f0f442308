"""Steps among sampled tokens: where they end, and how often what is sampled from there on comes out right."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import ConfigError, TrainingError
from rlvr_gym.files import JsonObject
from rlvr_gym.generation.base import Generator, SamplingParams
from rlvr_gym.play import Seat, play, rollout
from rlvr_gym.play.forks import Decode, Fork
from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Task
from rlvr_gym.verifiers.answers import opened_thinking
from rlvr_gym.verifiers.steps import Separator, Step, refuse_impossible, split_steps


def token_ends(rollout: Rollout, ends: Sequence[int], decode: Decode) -> list[int]:
    """For each end in the last turn's text, the token that completes the text up to there.

    A step that only white space follows ends with the turn, the end-of-sequence token included. The ids are
    decoded and never encoded again, so that what is trained on stays as it was sampled.
    """
    length = sum(1 for _ in takewhile(bool, reversed(rollout.action_mask)))
    first = len(rollout.token_ids) - length
    turn, text = rollout.token_ids[first:], rollout.text
    # A thinking that the prompt opened stands before what was sampled.
    opened = text.removesuffix(decode(turn))
    opened = opened if opened_thinking(opened) else ""

    def complete(end: int) -> Callable[[int], bool]:
        return lambda count: (opened + decode(turn[:count]))[:end] == text[:end]

    found: list[int] = []
    for end in ends:
        if not text[end:].strip():
            found.append(len(rollout.token_ids) - 1)
            continue
        count = bisect_left(range(1, length + 1), True, key=complete(end)) + 1
        if count > length:
            raise TrainingError(
                f"task {rollout.task.id}: the sampled tokens do not decode to the text that was judged, so its steps "
                "have no place among them: reward.steps=off trains without them"
            )
        found.append(first + count - 1)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Completing:
    """The way in which steps are labelled: by sampling the rest of a solution from the end of each.

    `by` and `most` say what a step is and how many a solution may have, `solutions` how many are sampled of a task, and
    `completions` how many times each is completed from the end of a step.
    """

    by: Separator = "line"
    most: int = 64
    solutions: int = 4
    completions: int = 8

    def __post_init__(self) -> None:
        refuse_impossible(self.by, self.most)
        for name, value in (("solutions", self.solutions), ("completions", self.completions)):
            if value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledSteps:
    """A sampled solution, with the label of each of its steps; None where nothing is known."""

    rollout: Rollout
    steps: tuple[Step, ...]
    labels: tuple[float | None, ...]

    @property
    def row(self) -> JsonObject:
        """A line of the file that a process reward model learns from."""
        return {
            "task": self.rollout.task.id,
            "solution": self.rollout.sample,
            "prompt": [message.model_dump() for message in self.rollout.task.prompt],
            "completion": self.rollout.text,
            "spans": [[step.start, step.end] for step in self.steps],
            "labels": list(self.labels),
            "correct": self.rollout.verdict.correct,
        }


def label_steps(
    env: Environment,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    how: Completing,
    decode: Decode,
    seed: int = 0,
) -> list[LabelledSteps]:
    """Sample solutions of tasks, and label each of their steps by how often it can be completed (arXiv 2312.08935).

    A step's label is the share of right ones among `how.completions` that go on from the ids that were sampled up to
    its end; those that could not be judged do not count. A last step that nothing follows is labelled by its own
    solution: 1 where that is right, else 0. One that the token budget cut off has no label. Solutions without steps,
    with more than `how.most`, or that could not be judged, are left out. All randomness depends on `seed`, the task's
    id and the numbers of solution, step and completion. Raises ConfigError for an environment of several turns.
    """
    if env.max_turns > 1 or env.tools:
        raise ConfigError(
            f"{env.tasks.label} has turns that the environment answers: steps are labelled of one turn without tools"
        )
    groups = rollout(
        env, generator, tasks, sampling, group_size=how.solutions, seed=derive_seed(seed, "solutions")
    )
    found = [
        (one, tuple(split_steps(one.text, how.by))) for group in groups for one in group if one.verdict.scored
    ]
    usable = [(one, steps) for one, steps in found if one.length and 0 < len(steps) <= how.most]
    seats = [seat for one, steps in usable for seat in _seats(one, steps, how, decode)]
    right: dict[tuple[str, int], bool] = {}
    for over in play(env, generator, seats, sampling, seed=derive_seed(seed, "completions"), decode=decode):
        right |= {(one.task.id, one.sample): one.verdict.correct for one in over if one.verdict.scored}
    return [
        LabelledSteps(
            rollout=one,
            steps=steps,
            labels=tuple(_label(one, steps, number, right, how) for number in range(len(steps))),
        )
        for one, steps in usable
    ]


def _seats(solution: Rollout, steps: Sequence[Step], how: Completing, decode: Decode) -> Iterator[Seat]:
    """The completions of a solution from the end of every step but a last one that nothing follows."""
    begin = solution.turns[0].begin
    for number, end in enumerate(token_ends(solution, [step.end for step in steps], decode)):
        if end < len(solution.token_ids) - 1:
            fork = Fork(rollout=solution, turn=0, token=end + 1 - begin)
            for sample in _samples(solution, number, how):
                yield Seat(task=solution.task, sample=sample, fork=fork)


def _samples(solution: Rollout, step: int, how: Completing) -> range:
    """The numbers of the samples that complete a step, which no other step of the task shares."""
    first = (solution.sample * how.most + step) * how.completions
    return range(first, first + how.completions)


def _label(
    solution: Rollout,
    steps: Sequence[Step],
    number: int,
    right: Mapping[tuple[str, int], bool],
    how: Completing,
) -> float | None:
    last = number == len(steps) - 1
    if last and solution.truncated:
        return None
    if last and not solution.text[steps[number].end :].strip():
        return float(solution.verdict.correct)
    samples = [(solution.task.id, sample) for sample in _samples(solution, number, how)]
    known = [right[sample] for sample in samples if sample in right]
    return sum(known) / len(known) if known else None
