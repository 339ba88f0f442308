"""verl's agent loop over an exported environment. Imports verl."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import (  # pyright: ignore[reportMissingImports]
    AgentLoopBase,
    AgentLoopOutput,
)

from rlvr_gym.errors import VerifierFault
from rlvr_gym.export.served import Episode
from rlvr_gym.export.targets.verl import VerlExport
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, FinishReason

exported_at = cache(VerlExport.load)


class EpisodeLoop(AgentLoopBase):
    """Plays an episode and scores it. What the environment says is masked out of the loss.

    Args:
        manifest: the place of the environment's manifest.
    """

    def __init__(self, *args: Any, manifest: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._served = exported_at(Path(manifest)).served
        self._length = self.rollout_config.response_length

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> AgentLoopOutput:
        """Play the episode of a row. Raises VerifierFault where it could not be judged."""
        place = kwargs["extra_info"]
        task = self._served.task(place["index"], place["task"])
        episode = self._served.episode()
        try:
            messages = [_plain(message) for message in episode.begin(task)]
            state = _Sampled(await self.ct_build_initial_tokens(messages))
            while episode.verdict is None:
                await self._turn(episode, messages, state, sampling_params)
            reward = episode.reward
            if reward is None:
                raise VerifierFault(f"task '{task.id}' could not be judged: {episode.verdict.detail}")
            return self._output(state, reward, outcome=str(episode.verdict.outcome), turns=len(messages))
        finally:
            episode.close()

    async def _turn(
        self,
        episode: Episode,
        messages: list[dict[str, str]],
        state: _Sampled,
        sampling_params: dict[str, Any],
    ) -> None:
        """Have the policy's next turn sampled, and answered."""
        output = await self.server_manager.generate(
            request_id=state.request, prompt_ids=state.ids, sampling_params=sampling_params
        )
        if output.log_probs and state.logprobs is None:
            state.logprobs = []
        state.preempted = max(state.preempted, output.num_preempted or 0)
        merged, state.mask, state.logprobs = await self.ct_merge_assistant_token(
            state.ids, output.token_ids, state.mask, state.logprobs, output.log_probs or None
        )
        state.ids = merged.token_ids
        text = self.tokenizer.decode(output.token_ids, skip_special_tokens=True)
        full = len(state.mask) >= self._length
        turn = Completion(text=text, finish_reason=FinishReason.LENGTH if full else FinishReason.STOP)
        if full:
            await asyncio.to_thread(episode.finish, turn)
            return
        answer = await asyncio.to_thread(episode.take, turn)
        said = [*messages, {"role": "assistant", "content": text}]
        messages[:] = [*said, *map(_plain, answer)]
        if not answer:
            return
        merged, mask, logprobs = await self.ct_merge_context_msg(
            said, messages, state.ids, state.mask, state.logprobs
        )
        if len(mask) >= self._length:  # no turn is left: the episode is judged as it stands
            await asyncio.to_thread(episode.stop)
            return
        state.ids, state.mask, state.logprobs = merged.token_ids, mask, logprobs

    def _output(self, state: _Sampled, reward: float, *, outcome: str, turns: int) -> AgentLoopOutput:
        begin = len(state.ids) - len(state.mask)
        logprobs = state.logprobs[: self._length] if state.logprobs else None
        return AgentLoopOutput(
            prompt_ids=state.ids[:begin],
            response_ids=state.ids[begin:][: self._length],
            response_mask=state.mask[: self._length],
            response_logprobs=logprobs,
            reward_score=reward,
            num_turns=turns,
            metrics={"num_preempted": state.preempted},
            extra_fields={"reward_extra_info": {"outcome": outcome}, "turn_scores": [], "tool_rewards": []},
        )


class _Sampled:
    """The tokens of an episode so far: all of them, and the mask of those after the prompt."""

    def __init__(self, prompt_ids: list[int]) -> None:
        self.request = uuid4().hex
        self.ids = prompt_ids
        self.mask: list[int] = []
        self.logprobs: list[float] | None = None
        self.preempted = 0


def _plain(message: Message) -> dict[str, str]:
    """A message as every chat template shows it: answers of tools stand in messages of the user."""
    return {"role": "user" if message.role == "tool" else message.role, "content": message.content}
