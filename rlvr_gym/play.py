"""From prompts to judged, token-level rollouts: sampling, environment turns and judging, overlapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.vector import GroupVectorEnv
from rlvr_gym.generation.base import GenerationRequest, Generator, SamplingParams
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Usage, Verdict


@dataclass(slots=True)
class _Episode:
    """A lane's trajectory while it grows."""

    prompt_messages: tuple[Message, ...]
    messages: list[Message] = field(default_factory=list)
    prompt_ids: tuple[int, ...] = ()
    token_ids: list[int] = field(default_factory=list)
    action_mask: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    usage: Usage | None = None
    judging_seconds: float = 0.0

    def sampled(self, completion: Completion) -> None:
        if not self.messages:
            self.prompt_ids = completion.prompt_token_ids
        self.messages.append(Message(role="assistant", content=completion.text))
        self._extend(completion.token_ids, True, completion.logprobs)
        self.usage = _added(self.usage, completion.usage)

    def answered(self, observation: str, ids: Sequence[int]) -> None:
        self.messages.append(Message(role="user", content=observation))
        self._extend(ids, False, [0.0] * len(ids))

    def _extend(self, ids: Sequence[int], sampled: bool, logprobs: Sequence[float]) -> None:
        self.token_ids.extend(ids)
        self.action_mask.extend([sampled] * len(ids))
        self.logprobs.extend(logprobs)

    def next_prompt(self, seed: int) -> GenerationRequest:
        return GenerationRequest(
            messages=(*self.prompt_messages, *self.messages),
            token_ids=(*self.prompt_ids, *self.token_ids),
            seed=seed,
        )

    def finished(self, task: Task, sample: int, completion: Completion, verdict: Verdict) -> Rollout:
        # An environment's turn that filled the context was never read by the policy: the model could not
        # even be shown it in training.
        length = max((place for place, sampled in enumerate(self.action_mask, 1) if sampled), default=0)
        return Rollout(
            task=task,
            sample=sample,
            prompt_ids=self.prompt_ids,
            token_ids=tuple(self.token_ids[:length]),
            action_mask=tuple(self.action_mask[:length]),
            logprobs=tuple(self.logprobs[:length]),
            messages=tuple(self.messages),
            finish_reason=completion.finish_reason,
            verdict=verdict,
            usage=self.usage,
            judging_seconds=self.judging_seconds,
        )


def _added(before: Usage | None, turn: Usage | None) -> Usage | None:
    """The usage of an episode after one more turn; a turn that does not say leaves the sum unknown."""
    if before is None or turn is None:
        return turn
    sampled = (before.completion_tokens, turn.completion_tokens)
    known = [count for count in sampled if count is not None]
    total = sum(known) if len(known) == len(sampled) else None
    return Usage(prompt_tokens=before.prompt_tokens, completion_tokens=total)


def rollout(
    env: GroupVectorEnv,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    seed: int,
    clock: PhaseClock | None = None,
    on_progress: Callable[[int, int, int], None] | None = None,
) -> list[Group]:
    """Play one episode in every lane; returns one group per task.

    Arguments are those of `stream`. `on_progress` is told, at the beginning and as episodes end, how many are over,
    how many there are, and how many tokens those that are over have.
    """
    size = env.group_size
    groups: list[dict[int, Rollout]] = [{} for _ in tasks]
    over = tokens = 0
    if on_progress is not None:
        on_progress(over, env.num_envs, tokens)
    for finished in stream(env, generator, tasks, sampling, seed=seed, clock=clock):
        over, tokens = over + len(finished), tokens + sum(one.length for one in finished.values())
        if on_progress is not None:
            on_progress(over, env.num_envs, tokens)
        for lane, rollout in finished.items():
            groups[lane // size][lane] = rollout
    return [tuple(group[lane] for lane in sorted(group)) for group in groups]


def stream(
    env: GroupVectorEnv,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    seed: int,
    first_sample: int = 0,
    clock: PhaseClock | None = None,
) -> Iterator[dict[int, Rollout]]:
    """Play one episode in every lane; yields those that are over, by lane, as soon as they are judged.

    `tasks` has one task per group of `env`, whose lanes are the task's samples from `first_sample` on. Finished
    groups are judged while others are still sampled. A sample depends on `seed`, the task's id and its own
    index, not on what else is in the call. `clock` is charged with "generate", and with "verify" for the time
    that judging took beyond it.
    """
    clock = clock or PhaseClock()
    env.reset(options={"tasks": tasks})
    play = _Play(env, generator, tasks, seed, first_sample)
    begun = False
    while play.live or not begun:
        with clock.phase("generate"):
            for _ in play.next_turn(sampling) if begun else play.first_turn(sampling):
                if finished := play.settle(wait=False):
                    yield finished
        begun = True
        with clock.phase("verify"):
            finished = play.settle(wait=True)
        if finished:
            yield finished


class _Play:
    """The episodes in the lanes of one environment; `live` are the lanes whose turn it is."""

    def __init__(
        self, env: GroupVectorEnv, generator: Generator, tasks: Sequence[Task], seed: int, first_sample: int
    ) -> None:
        self.env, self.generator, self.tasks, self.first_sample = env, generator, tasks, first_sample
        self.seeds = [derive_seed(seed, task.id) for task in tasks]
        self.live: list[int] = []
        self._episodes = {lane: _Episode(env.messages(lane)) for lane in range(env.num_envs)}
        self._judging: dict[int, Completion] = {}

    def first_turn(self, sampling: SamplingParams) -> Iterator[None]:
        """Sample the first turn of all lanes, a group together; pauses whenever some are handed over."""
        size = self.env.group_size
        prompts = [
            GenerationRequest(
                messages=self._episodes[group * size].prompt_messages,
                seed=self.seeds[group],
                first_sample=self.first_sample,
            )
            for group in range(self.env.groups)
        ]
        for group, completions in self.generator.generate(prompts, size, sampling):
            for lane, completion in zip(self.env.lanes_of(group), completions, strict=True):
                self._send(lane, completion)
            yield

    def next_turn(self, sampling: SamplingParams) -> Iterator[None]:
        """Sample one more turn of every live lane."""
        lanes, self.live = self.live, []
        prompts = [self._episodes[lane].next_prompt(self._turn_seed(lane)) for lane in lanes]
        for index, (completion,) in self.generator.generate(prompts, 1, sampling):
            self._send(lanes[index], completion)
            yield

    def settle(self, *, wait: bool) -> dict[int, Rollout]:
        """Receive answers, those that are there or, with `wait`, all; returns the episodes that are over."""
        ready = [lane for lane in self._judging if wait or self.env.answered(lane)]
        settled = {lane: self._receive(lane) for lane in ready}
        self.live = sorted([*self.live, *(lane for lane, rollout in settled.items() if rollout is None)])
        return {lane: rollout for lane, rollout in settled.items() if rollout is not None}

    def _send(self, lane: int, completion: Completion) -> None:
        self._episodes[lane].sampled(completion)
        self._judging[lane] = completion
        self.env.send(lane, completion)

    def _receive(self, lane: int) -> Rollout | None:
        """Receive the result of the turn that was sent: the rollout, or None where the episode goes on."""
        completion, episode = self._judging.pop(lane), self._episodes[lane]
        step = self.env.recv(lane)
        episode.judging_seconds += step.seconds
        if step.verdict is None:
            observed = [Message(role="user", content=step.observation)]
            episode.answered(step.observation, self.generator.encode_reply(completion, observed))
            return None
        del self._episodes[lane]
        return episode.finished(
            self.tasks[lane // self.env.group_size], self._sample(lane), completion, step.verdict
        )

    def _sample(self, lane: int) -> int:
        return self.first_sample + lane % self.env.group_size

    def _turn_seed(self, lane: int) -> int:
        turn = sum(message.role == "assistant" for message in self._episodes[lane].messages)
        return derive_seed(self.seeds[lane // self.env.group_size], self._sample(lane), turn)
