"""The contracts as checks that anyone can run on an implementation of their own.

Each is a plain function that raises AssertionError with a sentence saying what the contract asks and what was
found instead. In a test suite: `check_environment(rlvr_gym.make("mine"))`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from rlvr_gym.environments.base import Environment, Info
from rlvr_gym.errors import DataError
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Outcome, Verdict
from rlvr_gym.verifiers.answers import AnswerContract, Marker
from rlvr_gym.verifiers.base import FunctionVerifier, Verifier

BLANKS = ("", " ", "\n\n\t ", "<think></think>", "\u200b")
"""Completions that say nothing."""

HOSTILE = (
    "9**9**9",
    "9^{9^{9^{9}}}",
    "10^{10^{10}}",
    "99999999!",
    "1e999999999",
    "nan",
    "-inf",
    "\x00\x1b[31m\u202e\ufeff",
    "\ud800",
    "__import__('os').system('true')",
    "9" * 100_000,
    "[" * 100_000,
    "{" * 100_000,
    "(" * 100_000 + "1" + ")" * 100_000,
    "\\frac{1}{" * 20_000,
    '"' * 100_001,
    "<think>" * 20_000,
    "a" * 1_000_000,
)
"""Completions that break parsers; each is also tried inside every answer marker."""


def check_verifier(verifier: Verifier, tasks: Sequence[Task], *, seconds: float = 10.0) -> None:
    """Hold a verifier to its contract on some tasks of the kind it is for.

    Its `solution`, where it knows one, earns exactly 1.0; saying nothing, or the solution inside of
    `<think>` only, is never right; verdicts are equal when asked again and from other threads; and no text
    makes it raise, leaves it without a verdict, or takes it longer than `seconds`.
    """
    assert tasks, "give at least one task to check the verifier on"
    name = type(verifier).__name__
    for task in tasks:
        solution = verifier.solution(task)
        if solution is not None:
            verdict = _verdict_of(verifier, task, solution)
            assert verdict.correct, f"{name}'s own solution of '{task.id}', {solution!r}, gets {verdict!r}"
        hidden = () if solution is None else (f"<think>{solution}</think>", f"<think>{solution}")
        for text in (*BLANKS, *hidden):
            verdict = _verdict_of(verifier, task, text)
            assert not verdict.correct, f"{name} calls {text!r} right for '{task.id}'"
    _check_hostile(verifier, tasks[0], seconds)
    _check_repeatable(verifier, tasks)


def _verdict_of(verifier: Verifier, task: Task, text: str) -> Verdict:
    verdict = verifier.verify(task, Completion(text=text))
    assert isinstance(verdict, Verdict), f"{type(verifier).__name__} returned {verdict!r}, not a Verdict"
    return verdict


def _check_hostile(verifier: Verifier, task: Task, seconds: float) -> None:
    name = type(verifier).__name__
    for text in _hostile():
        shown = text if len(text) < 60 else f"{text[:60]}... ({len(text):,} characters)"
        began = time.monotonic()
        try:
            verdict = _verdict_of(verifier, task, text)
        except Exception as error:
            raise AssertionError(f"{name} raised {error!r} on {shown!r}") from error
        took = time.monotonic() - began
        assert verdict.scored, f"{name} has no score for {shown!r}: {verdict.detail}"
        assert took <= seconds, f"{name} took {took:.1f} s over {shown!r}; the limit is {seconds:g} s"


def _hostile() -> Iterator[str]:
    for text in HOSTILE:
        for marker in Marker:
            try:
                yield AnswerContract(marker).write(text)
            except DataError:
                yield f"\\boxed{{{text}"


def _check_repeatable(verifier: Verifier, tasks: Sequence[Task]) -> None:
    asked = [
        (task, text)
        for task in tasks
        for text in (
            verifier.solution(task),
            "",
            "\\boxed{1} and \\boxed{2}",
            "<answer>1</answer>",
            "Answer: A",
        )
        if text is not None
    ]
    first = [_verdict_of(verifier, task, text) for task, text in asked]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            again = list(threads.map(lambda pair: _verdict_of(verifier, *pair), asked))
            for (task, text), was, now in zip(asked, first, again, strict=True):
                assert was == now, (
                    f"{type(verifier).__name__} said {was!r} of {text!r} for '{task.id}', "
                    f"and in another thread {now!r}"
                )


def check_environment(env: Environment, *, tasks: int = 3, seconds: float = 10.0) -> None:
    """Hold an environment, and its verifier, to their contracts on its first `tasks` tasks.

    Gymnasium's own checker finds nothing, not even a warning; equal seeds give equal episodes and equal
    `info`; solutions earn exactly 1.0 in lanes of their own; what cannot be judged is worth 0.0 with
    `scored` False; and the spec of an environment made by name survives `to_json()` and builds an equal one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Without a spec there is nothing to build other render modes from, and the checker warns of that.
        check_env(env, skip_render_check=env.spec is None)
    _check_seeds(env)
    some = env.tasks.take(tasks)
    for task in some:
        _check_solution(env, task)
        _check_unscored(env, task)
    _check_spec(env)
    check_verifier(env.verifier, some, seconds=seconds)


def _check_seeds(env: Environment) -> None:
    episodes: list[tuple[str, Info, object]] = []
    for _ in range(2):
        lane = env.clone()
        observation, info = lane.reset(seed=7)
        episodes.append((observation, info, lane.step("no answer")))
    assert episodes[0] == episodes[1], f"seed 7 gives two different episodes: {episodes[0]} and {episodes[1]}"


def _check_solution(env: Environment, task: Task) -> None:
    solution = env.solution(task)
    if solution is None:
        return
    lane = env.clone()
    lane.reset(options={"task": task})
    _, reward, terminated, _, info = lane.step(solution)
    assert terminated, f"the episode goes on after the solution of '{task.id}', {solution!r}"
    assert reward == 1.0, f"the solution of '{task.id}', {solution!r}, earns {reward}: {info['verdict']!r}"


def _check_unscored(env: Environment, task: Task) -> None:
    lane = env.clone()
    lane.verifier = FunctionVerifier(_unavailable)
    lane.reset(options={"task": task})
    for _ in range(env.max_turns):
        _, reward, terminated, truncated, info = lane.step(env.solution(task) or "no answer")
        if terminated or truncated:
            break
    else:
        raise AssertionError(f"the episode of '{task.id}' does not end after {env.max_turns} turns")
    assert not math.isnan(reward), "an unscored sample is worth NaN; expected 0.0 with info['scored'] False"
    assert (reward, info["scored"]) == (0.0, False), (
        f"an unscored sample is worth {reward} with scored {info['scored']}; expected 0.0 and False"
    )
    assert info["verdict"].outcome is Outcome.UNSCORED, f"a failing verifier gave {info['verdict']!r}"


def _unavailable(task: Task, completion: Completion) -> bool:
    raise ConnectionError("this verifier always fails")


def _check_spec(env: Environment) -> None:
    if env.spec is None:
        return
    rebuilt = gymnasium.make(EnvSpec.from_json(env.spec.to_json())).unwrapped
    assert isinstance(rebuilt, Environment), f"{env.spec.id} rebuilt from JSON is a {type(rebuilt).__name__}"
    ours, theirs = env.clone().reset(seed=3), rebuilt.reset(seed=3)
    assert ours == theirs, f"{env.spec.id} rebuilt from JSON begins with {theirs}, not {ours}"
