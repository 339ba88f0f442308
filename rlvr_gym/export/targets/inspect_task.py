"""The dataset, the solver and the scorer of an export to Inspect. Imports inspect_ai."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from inspect_ai import Task  # pyright: ignore[reportMissingImports]
from inspect_ai.dataset import MemoryDataset, Sample  # pyright: ignore[reportMissingImports]
from inspect_ai.model import (  # pyright: ignore[reportMissingImports]
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
)
from inspect_ai.scorer import Score, mean, scorer, stderr  # pyright: ignore[reportMissingImports]
from inspect_ai.solver import Solver, generate, solver  # pyright: ignore[reportMissingImports]

from rlvr_gym.export.served import Served
from rlvr_gym.export.targets.inspect import InspectExport
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, Verdict

_VERDICT, _REWARD = "rlvr_verdict", "rlvr_reward"
"""Entries of a sample's store: how its episode ended."""


def task_of(export: InspectExport) -> Task:
    """The task of an export."""
    return Task(
        name=export.words["module"],
        dataset=MemoryDataset(
            [
                Sample(
                    id=row.task.id,
                    input=_chat(export.env.prompt(row.task, native_tools=False)),
                    target=export.gold(row.task),
                    metadata={"index": row.index, "task": row.task.id},
                )
                for row in export.tasks
            ],
            name=export.name,
        ),
        solver=play(export.served) if export.multi_turn else generate(),
        scorer=rlvr(export.served),
    )


def _chat(messages: Sequence[Message]) -> list[Any]:
    """Messages as Inspect has them: answers of tools stand in messages of the user."""
    kinds = {"system": ChatMessageSystem, "assistant": ChatMessageAssistant}
    return [kinds.get(message.role, ChatMessageUser)(content=message.content) for message in messages]


@solver
def play(served: Served) -> Solver:
    """Play the episodes of an environment whose episodes have several turns."""

    async def solve(state: Any, generate: Any) -> Any:
        episode = served.episode()
        try:
            episode.begin(served.task(state.metadata["index"], state.metadata["task"]))
            while episode.verdict is None:
                state = await generate(state)
                turn = Completion(text=state.output.completion)
                if state.completed:
                    await asyncio.to_thread(episode.finish, turn)
                else:
                    state.messages.extend(_chat(await asyncio.to_thread(episode.take, turn)))
            state.store.set(_VERDICT, episode.verdict.model_dump(mode="json"))
            state.store.set(_REWARD, episode.reward)
        finally:
            episode.close()
        return state

    return solve


@scorer(metrics=[mean(), stderr()])
def rlvr(served: Served) -> Any:
    """Score a sample by the environment's verifier."""

    async def score(state: Any, target: Any) -> Score:
        ended = state.store.get(_VERDICT)
        if ended is not None:
            return _score(Verdict.model_validate(ended), state.store.get(_REWARD))
        task = served.task(state.metadata["index"], state.metadata["task"])
        verdict = await asyncio.to_thread(served.verdict, task, state.output.completion)
        return _score(verdict, verdict.score)

    return score


def _score(verdict: Verdict, reward: float | None) -> Score:
    told = {"outcome": str(verdict.outcome)}
    if reward is None:
        return Score.unscored(reason="scoring_failed", explanation=verdict.detail, metadata=told)
    return Score(value=reward, answer=verdict.answer, explanation=verdict.detail, metadata=told)
