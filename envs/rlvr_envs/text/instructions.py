"""Instructions of other kinds in training than in testing, none of them among IFEval's."""

from __future__ import annotations

import random
from typing import Any, Literal

import rlvr_gym as rg
from rlvr_envs.styles import in_range
from rlvr_envs.text.drafts import KINDS, LAYOUTS, Draft, DrawnKind

CARD = rg.EnvironmentCard(
    summary="Follow instructions on how to write, of kinds held out from training.",
    detail="Eight kinds in the split train and eight others in test, none of them IFEval's: what is learnt of one "
    "half is tested on the other, and on `ifeval`.",
    source="Generated from the seed, after IFBench's idea (arXiv 2507.02833) of testing on unseen constraints. Every "
    "task has a response that follows all of its instructions.",
    licence="Apache-2.0, like the generator",
    answer="Everything outside of the thinking. Every instruction must be followed (score=instruction: the share that "
    "is counts), in the response as it is, or, with mode=loose, in one of IFEval's eight variants. What is written "
    "about is not judged.",
    sampling=rg.SamplingParams(max_tokens=512),
)


@rg.register("rlvr/Instructions-v0", card=CARD)
def instructions(
    split: str = "train",
    seed: int = 0,
    count: int = 2,
    mode: Literal["strict", "loose"] = "strict",
    score: Literal["prompt", "instruction"] = "prompt",
) -> rg.Environment:
    """`count` instructions, from 1 to 3, in every prompt."""
    in_range("count", count, 1, 3)
    tasks = rg.TaskSet.procedural("instructions", problem, split=split, seed=seed, kinds=split, count=count)
    return rg.Environment(tasks, rg.verifiers.instructions.Instructions(mode, score=score))


def problem(rng: random.Random, kinds: str, count: int) -> rg.Task:
    """Draw a topic and instructions that one response can follow together, and that response."""
    while True:
        names = rng.sample(sorted(KINDS[kinds]), count)
        if len(LAYOUTS.intersection(names)) > 1:
            continue
        drawn = [(f"rlvr:{name}", KINDS[kinds][name], KINDS[kinds][name].draw(rng)) for name in names]
        listed = [{"id": id, "arguments": arguments} for id, _, arguments in drawn]
        requests = [rg.verifiers.instructions.build(id, given).request for id, _, given in drawn]
        task = rg.Task(
            prompt=f"Write about {rng.choice(TOPICS)}. {' '.join(requests)}",
            reference={"instructions": listed},
            metadata={"instructions": [id for id, _, _ in drawn]},
        )
        solution = _solution(rng, task, [(kind, arguments) for _, kind, arguments in drawn])
        if solution is not None:
            return task.model_copy(update={"reference": {"instructions": listed, "solution": solution}})


def _solution(rng: random.Random, task: rg.Task, drawn: list[tuple[DrawnKind, dict[str, Any]]]) -> str | None:
    """A response that follows all instructions, None where none of eight drafts does."""
    verifier = rg.verifiers.instructions.Instructions()
    for _ in range(8):
        draft = Draft(rng)
        for kind, arguments in sorted(drawn, key=lambda pair: pair[0].stage):
            kind.write(draft, **arguments)
        if verifier.verify(task, rg.Completion(text=draft.text())).correct:
            return draft.text()
    return None


TOPICS = (
    "a walk in the rain", "an old clock", "the first day of school", "a lost key", "bread", "the sea at night",
    "a train journey", "a garden in winter", "learning to swim", "a letter that came late", "the moon", "a busy market",
)  # fmt: skip
