"""reasoning-gym: a hundred procedural generators of reasoning problems, with checks that pay nothing for parts."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import random
from functools import cache
from typing import Any, final

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

import rlvr_gym as rg
from rlvr_gym.verifiers import AnswerContract
from rlvr_gym.verifiers.workers import WorkerPool

CARD = rg.EnvironmentCard(
    summary="Solve a puzzle, a calculation, or another procedural problem of reasoning.",
    detail="103 generators; dataset= names one, several with commas between them, or all of them, of which each task "
    "draws one. config= sets a generator's own options. Splits share no question.",
    source="Generated from the seed by the package reasoning-gym (the extra `reasoning`); arXiv 2505.24760",
    licence="Apache-2.0",
    answer="Between <answer> and </answer>, read whole: by value where numbers or JSON are asked for, by the puzzle's "
    "rules where several answers are right, else as text. The package's own partial pay for parts, near misses and "
    "longer texts is not given, and no answer is evaluated.",
    sampling=rg.SamplingParams(temperature=0.6, top_p=0.95, max_tokens=4096),
)
FORMAT = "Reason step by step, and put your final answer, and nothing else, between <answer> and </answer>."
_DRAWS = 50
"""Problems that a generator may draw without one that can be judged: some have an empty answer."""


class Problem(BaseModel):
    """The reference of a task: whose problem it is, a right answer, and what else its check needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    gold: str
    facts: dict[str, JsonValue]

    def fault(self, said: str) -> str | None:
        """Return what is wrong with an answer, or None."""
        return _kinds().KINDS[self.dataset].fault(self.gold, self.facts, said)


@rg.register("rlvr/ReasoningGym-v0", card=CARD)
def reasoning_gym(
    split: str = "train", seed: int = 0, dataset: str = "all", config: dict[str, Any] | None = None
) -> rg.Environment:
    """`dataset` is a generator's name, several with commas between them, or `all`; `config` sets options of one."""
    if importlib.util.find_spec("reasoning_gym") is None:
        from rlvr_sandbox.installing import pip_install

        raise rg.ConfigError(f"this environment needs reasoning-gym: {pip_install('reasoning')}")
    names = sorted(_kinds().KINDS) if dataset == "all" else [name.strip() for name in dataset.split(",")]
    for name in names:
        _known(name)
    if config and len(names) > 1:
        raise rg.ConfigError("config sets the options of one generator: name one with dataset=")
    tasks = rg.TaskSet.procedural(
        "reasoninggym", problem, split=split, seed=seed, datasets=list(names), config=config or {}
    )
    return rg.Environment(tasks, Reasoning())


def _known(name: str) -> None:
    if name in _kinds().REFUSED:
        raise rg.ConfigError(f"the generator '{name}' is not used: {_kinds().REFUSED[name]}")
    if name not in _kinds().KINDS:
        close = difflib.get_close_matches(name, _kinds().KINDS, n=1)
        meant = f"did you mean '{close[0]}'?" if close else ""
        raise rg.ConfigError(
            f"no generator '{name}'; {meant} possible: all, {', '.join(sorted(_kinds().KINDS))}"
        )


def problem(rng: random.Random, datasets: list[str], config: dict[str, Any]) -> rg.Task:
    """Draw a problem whose own answer is right by our check."""
    name = rng.choice(datasets)
    for _ in range(_DRAWS):
        asked = {"dataset": name, "seed": rng.getrandbits(31), "config": config}
        try:
            entry: Any = _workers().call(asked, timeout_seconds=120)
        except rg.VerifierFault as error:
            raise rg.DataError(f"'{name}' draws nothing with config={config}: {error}") from error
        if (task := _task(name, entry)) is not None:
            return task
    raise rg.DataError(f"'{name}' drew {_DRAWS} problems without one that can be judged")


def _task(name: str, entry: dict[str, Any]) -> rg.Task | None:
    kind, metadata = _kinds().KINDS[name], entry["metadata"]
    facts = {fact: metadata[fact] for fact in kind.facts if fact in metadata}
    drawn = Problem(dataset=name, gold=kind.gold(entry["answer"], metadata).strip(), facts=facts)
    if not _judgeable(drawn):
        return None
    question = entry["question"].strip()
    return rg.Task(
        id=f"{name}-{hashlib.sha256(question.encode()).hexdigest()[:16]}",
        prompt=f"{question}\n\n{FORMAT}",
        reference=drawn.model_dump(),
        metadata={"dataset": name},
    )


def _judgeable(drawn: Problem) -> bool:
    """Return whether there is a right answer that can be written and is found right, and others can be compared."""
    try:
        if not drawn.gold or drawn.fault(drawn.gold) is not None:
            return False
        Reasoning.contract.write(drawn.gold)
        drawn.fault("0")
    except (rg.DataError, rg.VerifierFault):
        return False
    return True


@cache
def _kinds() -> Any:
    """The rules of all generators: not for a list of names."""
    from rlvr_envs.reasoning import kinds

    return kinds


@cache
def _workers() -> WorkerPool:
    return WorkerPool("rlvr_envs.reasoning.entries:draw", workers=1, memory_bytes=4 << 30)


@final
class Reasoning(rg.Verifier):
    """The whole final answer is right by the check of the problem's kind; anything else earns nothing."""

    contract = AnswerContract("tag")

    def verify(self, task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        """Read the final answer, and check it."""
        said = self.contract.read_one(completion.text)
        if isinstance(said, rg.Verdict):
            return said
        fault = _reference(task).fault(said)
        return rg.Verdict.right(answer=said) if fault is None else rg.Verdict.wrong(fault, answer=said)

    def solution(self, task: rg.Task) -> str:
        """The problem's own answer, marked as the final one."""
        return self.contract.write(_reference(task).gold)


def _reference(task: rg.Task) -> Problem:
    try:
        found = Problem.model_validate(task.reference)
    except ValidationError as error:
        raise rg.VerifierFault(f"task '{task.id}' is no problem of reasoning-gym: {error}") from error
    if found.dataset not in _kinds().KINDS:
        raise rg.VerifierFault(f"task '{task.id}' is of the generator '{found.dataset}', which is not used")
    return found
