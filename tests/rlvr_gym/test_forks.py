"""Episodes that go on from a place in an earlier one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

import rlvr_gym as rg
from rlvr_gym.generation.endpoint import EndpointGenerator
from rlvr_gym.play import Fork, Seat, play
from rlvr_gym.rollouts import Rollout
from rlvr_gym.seeding import derive_rng
from rlvr_gym.verdicts import WeightsSpan

TASK = rg.Task(id="t", prompt="p", reference="z")
SAMPLING = rg.SamplingParams(max_tokens=4)


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode(errors="replace")


class Bytes:
    """A policy whose tokens are bytes: `length` random letters a turn, or what it is told to say."""

    def __init__(self, *, length: int = 4, concurrency: int = 1, say: bytes | None = None) -> None:
        self.length, self.concurrency, self.say = length, concurrency, say
        self.asked: list[rg.GenerationRequest] = []
        self.version = 0

    def generate(
        self, prompts: Sequence[rg.GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        for index, prompt in enumerate(prompts):
            self.asked.append(prompt)
            yield index, [self._said(prompt, prompt.first_sample + sample) for sample in range(n)]

    def encode_reply(self, completion: rg.Completion, messages: Sequence[rg.Message]) -> tuple[int, ...]:
        return tuple("".join(f"<{message.content}>" for message in messages).encode())

    def _said(self, prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        rng = derive_rng(prompt.seed, sample)
        random = [rng.randrange(97, 122) for _ in range(self.length - prompt.begun)]
        ids = tuple(self.say[prompt.begun :] if self.say else random)
        return rg.Completion(
            text=decode(ids),
            token_ids=ids,
            logprobs=tuple(-rng.random() for _ in ids),
            prompt_token_ids=prompt.token_ids or tuple(prompt.messages[0].content.encode()),
            sampled_under=(WeightsSpan(version=self.version, tokens=len(ids)),),
        )


class Memory(rg.Environment):
    """Answers with all that it was told, which it keeps beside the replies that it is shown."""

    def reset(self, **kwargs):  # pyright: ignore[reportIncompatibleMethodOverride]
        self.told = ""
        return super().reset(**kwargs)

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        self.told += replies[-1].text[:1]
        return rg.Response(messages=(rg.Message(role="user", content=self.told),), reward=len(self.told) / 8)


RIGHT = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)


def env_of(kind: type[rg.Environment] = Memory, turns: int = 3) -> rg.Environment:
    return kind(rg.TaskSet.from_tasks([TASK], name="n"), RIGHT, max_turns=turns)


def played(env: rg.Environment, policy: Bytes, *seats: Seat, seed: int = 0) -> list[Rollout]:
    found = play(env, policy, seats, SAMPLING, seed=seed, decode=decode)
    return sorted((one for some in found for one in some), key=lambda one: one.sample)


def branched(env: rg.Environment, policy: Bytes, **place: int) -> tuple[Rollout, Rollout]:
    """A chain, and an episode that forks from it."""
    (chain,) = played(env, policy, Seat(task=TASK, sample=0))
    policy.asked.clear()
    fork = Fork(rollout=chain, turn=place["turn"], token=place.get("token", 0))
    (branch,) = played(env, policy, Seat(task=TASK, sample=1, fork=fork))
    return chain, branch


def test_a_rollout_knows_its_turns() -> None:
    (chain,) = played(env_of(), Bytes(), Seat(task=TASK, sample=0))
    assert [chain.token_ids[t.begin : t.end] for t in chain.turns] == [
        tuple(chain.messages[t.message].content.encode()) for t in chain.turns
    ]
    assert [t.message for t in chain.turns] == [0, 2, 4]
    assert sum(t.end - t.begin for t in chain.turns) == chain.length


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("turn", [1, 2])
def test_what_is_before_a_fork_is_taken_over_and_not_sampled_again(turn: int, concurrency: int) -> None:
    policy = Bytes(concurrency=concurrency)
    chain, branch = branched(env_of(), policy, turn=turn)
    shared = Fork(rollout=chain, turn=turn).shared
    assert branch.token_ids[:shared] == chain.token_ids[:shared]
    assert branch.logprobs[:shared] == chain.logprobs[:shared]
    assert branch.action_mask[:shared] == chain.action_mask[:shared]
    assert branch.messages[: 2 * turn] == chain.messages[: 2 * turn]
    assert branch.turn_rewards[:turn] == chain.turn_rewards[:turn]
    assert branch.token_ids[shared : shared + 4] != chain.token_ids[shared : shared + 4]
    assert policy.asked[0].token_ids == (
        *chain.prompt_ids,
        *chain.token_ids[:shared],
    )
    assert len(policy.asked) == 3 - turn


def test_the_environment_of_a_branch_has_been_through_the_turns_before_it() -> None:
    chain, branch = branched(env_of(), Bytes(), turn=1)
    assert chain.messages[3].content[0] == branch.messages[3].content[0] == chain.messages[0].content[0]
    assert branch.messages[3].content[1] == branch.messages[2].content[0]
    assert len(branch.turn_rewards) == 3


def test_a_fork_before_anything_was_said_is_a_sample_of_its_own() -> None:
    env, policy = env_of(), Bytes()
    chain, branch = branched(env, policy, turn=0)
    (alone,) = played(env, policy, Seat(task=TASK, sample=1))
    assert branch == alone
    assert branch.token_ids[:4] != chain.token_ids[:4]


@pytest.mark.parametrize("place", [{"turn": 0, "token": 2}, {"turn": 1, "token": 3}])
def test_a_fork_within_a_turn_goes_on_from_its_tokens(place: dict[str, int]) -> None:
    policy = Bytes()
    chain, branch = branched(env_of(), policy, **place)
    shared = chain.turns[place["turn"]].begin + place["token"]
    assert policy.asked[0].token_ids == (*chain.prompt_ids, *chain.token_ids[:shared])
    assert policy.asked[0].begun == place["token"]
    assert branch.token_ids[:shared] == chain.token_ids[:shared]
    assert branch.logprobs[:shared] == chain.logprobs[:shared]
    assert branch.prompt_ids == chain.prompt_ids
    turn = branch.turns[place["turn"]]
    assert turn.end - turn.begin == SAMPLING.max_tokens
    assert branch.messages[turn.message].content == decode(branch.token_ids[turn.begin : turn.end])
    assert all(branch.action_mask[turn.begin : turn.end])


def test_the_text_around_a_fork_is_that_of_all_its_bytes_together() -> None:
    policy = Bytes(say="aé".encode())
    _, branch = branched(env_of(turns=1), policy, turn=0, token=2)
    assert branch.text == "aé"


def test_a_thinking_that_the_prompt_opened_stands_before_a_turn_that_is_gone_on_with() -> None:
    class Thinks(Bytes):
        def _said(self, prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
            said = super()._said(prompt, sample)
            return replace(said, text=("" if prompt.begun else "<think>\n") + said.text)

    chain, branch = branched(env_of(turns=1), Thinks(), turn=0, token=2)
    assert chain.text == "<think>\n" + decode(chain.token_ids)
    assert branch.text == "<think>\n" + decode(branch.token_ids)
    assert branch.token_ids[:2] == chain.token_ids[:2]


def test_a_fork_within_a_turn_needs_the_samplers_text() -> None:
    (chain,) = played(env_of(), Bytes(), Seat(task=TASK, sample=0))
    seat = Seat(task=TASK, sample=1, fork=Fork(rollout=chain, turn=0, token=1))
    with pytest.raises(rg.ConfigError, match="needs `decode`"):
        list(play(env_of(), Bytes(), [seat], SAMPLING, seed=0))


def test_a_branch_knows_which_weights_sampled_what_it_took_over() -> None:
    env, policy = env_of(), Bytes()
    (chain,) = played(env, policy, Seat(task=TASK, sample=0))
    policy.version = 7
    (branch,) = played(env, policy, Seat(task=TASK, sample=1, fork=Fork(rollout=chain, turn=1, token=3)))
    assert [(span.version, span.tokens) for span in branch.sampled_under] == [(0, 4), (0, 3), (7, 1), (7, 4)]
    assert branch.oldest_weights == 0


def test_both_orders_of_play_grow_the_same_branches() -> None:
    def branches(concurrency: int) -> list[Rollout]:
        env, policy = env_of(), Bytes(concurrency=concurrency)
        (chain,) = played(env, policy, Seat(task=TASK, sample=0))
        forks = [Fork(rollout=chain, turn=turn, token=token) for turn in range(3) for token in range(3)]
        return played(env, policy, *[Seat(task=TASK, sample=1 + i, fork=f) for i, f in enumerate(forks)])

    assert branches(1) == branches(3)


# Environments that cannot be replayed


class Counting(Memory):
    """Counts its episodes, beyond their end."""

    episodes = 0

    def reset(self, **kwargs):
        type(self).episodes += 1
        return super().reset(**kwargs)


class AnswersOtherwise(Counting):
    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        said = super().respond(task, replies)
        return rg.Response(
            messages=(rg.Message(role="user", content=f"{self.episodes}"),), reward=said and said.reward
        )


class PaysOtherwise(Counting):
    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        return rg.Response(messages=(rg.Message(role="user", content="go on"),), reward=float(self.episodes))


class PaysOnlyOnce(Counting):
    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        reward = 1.0 if self.episodes == 1 else None
        return rg.Response(messages=(rg.Message(role="user", content="go on"),), reward=reward)


class EndsEarly(Counting):
    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        return super().respond(task, replies) if self.episodes == 1 else None


class SaysItAsAnother(Counting):
    """The ids are the same, the roles are not."""

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
        role = "user" if self.episodes == 1 else "tool"
        return rg.Response(messages=(rg.Message(role=role, content="go on"),))


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (AnswersOtherwise, "the answer to turn 1 is another one"),
        (SaysItAsAnother, "the answer to turn 1 is another one"),
        (PaysOtherwise, "turn 1 is rewarded otherwise"),
        (PaysOnlyOnce, "turn 1 is rewarded otherwise"),
        (EndsEarly, "turn 1 ends the episode"),
    ],
)
def test_an_environment_that_answers_otherwise_when_replayed_leaves_the_branch_unscored(
    kind: type[Counting], says: str, concurrency: int
) -> None:
    kind.episodes = 0
    policy = Bytes(concurrency=concurrency)
    chain, branch = branched(env_of(kind), policy, turn=2)
    assert chain.verdict.scored
    assert not branch.verdict.scored
    assert says in branch.verdict.detail
    assert "not deterministic" in branch.verdict.detail
    assert policy.asked == []
    assert branch.token_ids == chain.token_ids[: chain.turns[0].end]


def test_an_environment_that_breaks_down_in_a_replay_says_why() -> None:
    class Breaks(Counting):
        def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> rg.Response | None:
            if self.episodes > 1:
                raise rg.VerifierFault("the sandbox is down")
            return super().respond(task, replies)

    _, branch = branched(env_of(Breaks), Bytes(), turn=1)
    assert branch.verdict == rg.Verdict.unscored("the sandbox is down")


def test_an_endpoint_that_is_asked_in_words_refuses_to_go_on_within_a_turn() -> None:
    generator = EndpointGenerator("http://localhost:9", "m")
    begun = rg.GenerationRequest(messages=TASK.prompt, seed=0, token_ids=(1, 2), begun=1)
    with pytest.raises(rg.ConfigError, match="cannot go on within a turn"):
        list(generator.generate([begun], 1, SAMPLING))
