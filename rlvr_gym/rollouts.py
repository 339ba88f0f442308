"""From prompts to judged, token-level rollouts: sampling, environment turns and judging, overlapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rlvr_gym.clock import PhaseClock
from rlvr_gym.generation.base import Generator, Prompt, SamplingParams
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.vector import GroupVectorEnv
from rlvr_gym.verdicts import Completion, FinishReason, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """One finished, judged episode as the policy saw it, token by token.

    `prompt_ids` is the first prompt; `token_ids` everything after it up to the last sampled token,
    environment turns included.
    `action_mask` is True for the tokens the policy sampled; only these carry a log-probability (the
    sampler's own, 0.0 elsewhere) and, in training, loss. `messages` is the conversation after the prompt.
    """

    task: Task
    sample: int
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    action_mask: tuple[bool, ...]
    logprobs: tuple[float, ...]
    messages: tuple[Message, ...]
    finish_reason: FinishReason
    verdict: Verdict

    @property
    def truncated(self) -> bool:
        """Whether the last turn ran out of its token budget."""
        return self.finish_reason is FinishReason.LENGTH

    @property
    def length(self) -> int:
        """How many tokens the policy sampled."""
        return sum(self.action_mask)

    @property
    def text(self) -> str:
        """The policy's last turn."""
        return self.messages[-1].content


Group = tuple[Rollout, ...]
"""All rollouts of one task, by sample."""


@dataclass(slots=True)
class _Episode:
    """A lane's trajectory while it grows."""

    prompt_messages: tuple[Message, ...]
    messages: list[Message] = field(default_factory=list)
    prompt_ids: tuple[int, ...] = ()
    token_ids: list[int] = field(default_factory=list)
    action_mask: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)

    def sampled(self, completion: Completion) -> None:
        if not self.messages:
            self.prompt_ids = completion.prompt_token_ids
        self.messages.append(Message(role="assistant", content=completion.text))
        self._extend(completion.token_ids, True, completion.logprobs)

    def answered(self, observation: str, ids: Sequence[int]) -> None:
        self.messages.append(Message(role="user", content=observation))
        self._extend(ids, False, [0.0] * len(ids))

    def _extend(self, ids: Sequence[int], sampled: bool, logprobs: Sequence[float]) -> None:
        self.token_ids.extend(ids)
        self.action_mask.extend([sampled] * len(ids))
        self.logprobs.extend(logprobs)

    def next_prompt(self, seed: int) -> Prompt:
        return Prompt(
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
        )


def collect(
    env: GroupVectorEnv,
    generator: Generator,
    tasks: Sequence[Task],
    sampling: SamplingParams,
    *,
    seed: int,
    clock: PhaseClock | None = None,
) -> list[Group]:
    """Play one episode in every lane; returns one group per task.

    `tasks` has one task per group of `env`. Finished groups are judged while others are still sampled. A
    task's completions depend on `seed` and the task's id, not on what else is in the call. `clock` is
    charged with "generate", and with "verify" for the time that judging took beyond it.
    """
    clock = clock or PhaseClock()
    env.reset(options={"tasks": tasks})
    seeds = [derive_seed(seed, task.id) for task in tasks]
    episodes = [_Episode(env.messages(lane)) for lane in range(env.num_envs)]
    rollouts: dict[int, Rollout] = {}
    latest: dict[int, Completion] = {}

    def send(lane: int, completion: Completion) -> None:
        episodes[lane].sampled(completion)
        latest[lane] = completion
        env.send(lane, completion)

    def settle(lane: int) -> bool:
        step = env.recv(lane)
        if step.verdict is None:
            reply = generator.encode_reply(latest[lane], [Message(role="user", content=step.observation)])
            episodes[lane].answered(step.observation, reply)
        else:
            task, sample = tasks[lane // env.group_size], lane % env.group_size
            rollouts[lane] = episodes[lane].finished(task, sample, latest[lane], step.verdict)
        return step.verdict is not None

    prompts = [
        Prompt(messages=episodes[group * env.group_size].prompt_messages, seed=seeds[group])
        for group in range(env.groups)
    ]
    with clock.phase("generate"):
        for group, completions in generator.generate(prompts, env.group_size, sampling):
            for lane, completion in zip(env.lanes_of(group), completions, strict=True):
                send(lane, completion)
    with clock.phase("verify"):
        live = [lane for lane in range(env.num_envs) if not settle(lane)]
    turn = 1
    while live:
        prompts = [
            episodes[lane].next_prompt(
                derive_seed(seeds[lane // env.group_size], lane % env.group_size, turn)
            )
            for lane in live
        ]
        with clock.phase("generate"):
            for index, (completion,) in generator.generate(prompts, 1, sampling):
                send(live[index], completion)
        with clock.phase("verify"):
            live = [lane for lane in live if not settle(lane)]
        turn += 1
    return [tuple(rollouts[lane] for lane in env.lanes_of(group)) for group in range(env.groups)]
