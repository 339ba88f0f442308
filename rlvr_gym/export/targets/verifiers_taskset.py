"""The taskset, the tasks and the `Env` of an export to verifiers. Imports verifiers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import verifiers.v1 as vf  # pyright: ignore[reportMissingImports]

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.export.served import content
from rlvr_gym.export.targets.verifiers import VerifiersExport
from rlvr_gym.verdicts import Completion

_EPISODE = "rlvr_gym"
"""The entry of a trace's `info` that says how its episode ended."""
_exports: dict[str, VerifiersExport] = {}
"""The exports of this process, by the key that their tasks' data has."""

exported_at = cache(VerifiersExport.load)


class EpisodeData(vf.TaskData):
    """A task by its place."""

    environment: str
    task: str
    index: int


class EpisodeTask(vf.Task[EpisodeData]):
    """A task that the environment's verifier judges."""

    @vf.reward
    async def correct(self, trace: vf.Trace) -> float:
        """Score the last reply. Raises VerifierFault where it could not be judged."""
        exported = _exports[self.data.environment]
        if exported.multi_turn:
            ended = trace.info.get(_EPISODE)
            if ended is None:
                raise ConfigError(
                    f"episodes of '{exported.manifest.id}' have several turns: play them with the Env of this package"
                )
            return _score(ended["reward"], ended["detail"])
        task = exported.served.task(self.data.index, self.data.task)
        said = _last(trace.root_reply, trace.assistant_messages)
        verdict = await asyncio.to_thread(exported.served.verdict, task, said)
        return _score(verdict.score, verdict.detail)


def _score(score: float | None, detail: str) -> float:
    if score is None:
        raise VerifierFault(f"the completion could not be judged: {detail}")
    return score


class ExportedConfig(vf.TasksetConfig):
    """The settings of the taskset."""


class EpisodeTaskset(vf.Taskset[EpisodeTask, ExportedConfig]):
    """The tasks of an exported environment, whose manifest stands at `MANIFEST`."""

    MANIFEST: ClassVar[Path]

    def __init__(self, config: ExportedConfig, export: VerifiersExport | None = None) -> None:
        super().__init__(config)
        self._export = exported_at(self.MANIFEST) if export is None else export
        self._key = f"{self._export.manifest.id} {self._export.manifest.fingerprint}"
        _exports[self._key] = self._export

    @property
    def multi_turn(self) -> bool:
        """True if an episode may have more turns than one."""
        return self._export.multi_turn

    def load(self) -> Iterator[EpisodeTask]:
        """Yield the tasks."""
        for row in self._export.tasks:
            messages = [
                message.model_dump() for message in self._export.env.prompt(row.task, native_tools=False)
            ]
            system = [message["content"] for message in messages if message["role"] == "system"]
            said: Any = [message for message in messages if message["role"] != "system"]
            if [message["role"] for message in said] == ["user"]:
                said = said[0]["content"]
            yield EpisodeTask(
                EpisodeData(
                    id=row.task.id,
                    system_prompt="\n\n".join(system) or None,
                    prompt=said,
                    environment=self._key,
                    task=row.task.id,
                    index=row.index,
                ),
                self.config.task,
            )


class EpisodeEnvConfig(vf.EnvConfig):
    """The settings of the `Env`: one seat, which chats and has no tools but those that a prompt tells of."""

    agent: vf.AgentConfig = vf.AgentConfig(harness={"id": "null"}, runtime=vf.SubprocessConfig())


class EpisodeEnv(vf.Env[EpisodeEnvConfig]):
    """Plays the episodes of an exported environment; where they have several turns, as the user of the conversation."""

    async def run(self, task: Any, agents: Any) -> None:
        """Play one episode. It is judged as it stands where the agent stops before its end."""
        exported = _exports[task.data.environment]
        if not exported.multi_turn:
            await agents.agent.run(task)
            return
        episode = exported.served.episode()
        try:
            episode.begin(exported.served.task(task.data.index, task.data.task))
            async with agents.agent.interaction(task) as interaction:
                segment = await interaction.turn()
                while not segment.terminated:
                    replies = [message for message in segment.messages if message.role == "assistant"]
                    turn = Completion(text=_last(segment.root_reply, replies))
                    answer = await asyncio.to_thread(episode.take, turn)
                    if episode.verdict is not None:
                        break
                    segment = await interaction.turn(content(answer))
                verdict = await asyncio.to_thread(episode.stop)
                interaction.trace.info[_EPISODE] = {"reward": episode.reward, "detail": verdict.detail}
        finally:
            episode.close()


def _last(root_reply: str | None, replies: Sequence[Any]) -> str:
    """The last of an agent's replies to the letter: what verifiers calls `last_reply` is stripped."""
    if root_reply is not None:
        return root_reply
    return (replies[-1].content or "") if replies else ""
