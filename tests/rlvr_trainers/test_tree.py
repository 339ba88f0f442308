"""Trees of rollouts: how many leaves, what they share, what they cost, and that nothing but the seed chooses."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from rlvr_trainers.sampling.buffer import GROUPS, TIMES
from rlvr_trainers.sampling.tree import Forest, ForkAt, Leaf, TreeShape, grow

import rlvr_gym as rg
from rlvr_gym.play import Fork
from rlvr_gym.rollouts import Group, Rollout, sampled_tokens
from rlvr_gym.seeding import derive_rng

TASKS = [rg.Task(id=f"t{i}", prompt=f"p{i}", reference="z") for i in range(3)]


def decode(ids: Sequence[int]) -> str:
    return bytes(ids).decode(errors="replace")


class Letters:
    """A policy of random letters, as many a turn as it is told; counts what it samples."""

    def __init__(self, length: int = 2, concurrency: int = 1) -> None:
        self.length, self.concurrency, self.sampled = length, concurrency, 0

    def generate(
        self, prompts: Sequence[rg.GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        for index, prompt in enumerate(prompts):
            yield index, [self._said(prompt, prompt.first_sample + sample) for sample in range(n)]

    def encode_reply(self, completion: rg.Completion, messages: Sequence[rg.Message]) -> tuple[int, ...]:
        return tuple("".join(f"<{message.content}>" for message in messages).encode())

    def _said(self, prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        rng = derive_rng(prompt.seed, sample)
        ids = tuple(rng.randrange(97, 123) for _ in range(self.length - prompt.begun))
        self.sampled += len(ids)
        return rg.Completion(
            text=decode(ids),
            token_ids=ids,
            logprobs=tuple(-rng.random() for _ in ids),
            prompt_token_ids=prompt.token_ids or tuple(prompt.messages[0].content.encode()),
        )


class Counts(rg.Environment):
    """Counts turns; an episode ends with the last of them."""

    def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str:
        return str(len(replies))


VOWEL = rg.FunctionVerifier(lambda task, completion: completion.text[0] in "aeiou")


def env_of(turns: int, kind: type[rg.Environment] = Counts) -> rg.Environment:
    return kind(rg.TaskSet.from_tasks(TASKS, name="n"), VOWEL, max_turns=turns)


def shape_of(
    trees: int = 2, branches: int = 2, rounds: int = 1, keep: int | None = None, fork: ForkAt = "turns"
) -> TreeShape:
    leaves = 1 + branches * rounds
    return TreeShape(trees=trees, branches=branches, rounds=rounds, keep=keep or leaves, fork=fork)


def grown(
    shape: TreeShape, turns: int = 4, *, policy: Letters | None = None, seed: int = 0, count: int = 3
) -> list[Group]:
    return grow(
        env_of(turns),
        policy or Letters(),
        TASKS[:count],
        rg.SamplingParams(max_tokens=8),
        forest=Forest(shape=shape, decode=decode),
        seed=seed,
    )


def trees_of(group: Group) -> dict[int, list[Rollout]]:
    trees: dict[int, list[Rollout]] = {}
    for one in group:
        assert one.branch is not None
        trees.setdefault(one.branch.tree, []).append(one)
    return trees


@pytest.mark.parametrize(("trees", "branches", "rounds"), [(2, 2, 1), (1, 3, 2), (3, 1, 3), (2, 9, 1)])
@pytest.mark.parametrize("fork", ["turns", "tokens"])
def test_a_prompt_has_m_times_1_plus_n_l_leaves(trees: int, branches: int, rounds: int, fork: ForkAt) -> None:
    for group, task in zip(grown(shape_of(trees, branches, rounds, fork=fork)), TASKS, strict=True):
        assert len(group) == trees * (1 + branches * rounds)
        assert [one.sample for one in group] == list(range(len(group)))
        assert {one.task.id for one in group} == {task.id}
        assert Counter(map(len, trees_of(group).values())) == {1 + branches * rounds: trees}


@pytest.mark.parametrize("fork", ["turns", "tokens"])
@pytest.mark.parametrize("rounds", [1, 3])
def test_what_leaves_share_is_identical_and_sampled_once(fork: ForkAt, rounds: int) -> None:
    policy = Letters(length=4)
    groups = grown(shape_of(rounds=rounds, fork=fork), policy=policy)
    for group in groups:
        for leaves in trees_of(group).values():
            for number, leaf in enumerate(leaves):
                assert leaf.branch is not None
                shared = leaf.branch.shared
                assert (number == 0) <= (shared == 0)
                assert any(
                    (one.token_ids[:shared], one.logprobs[:shared], one.action_mask[:shared])
                    == (leaf.token_ids[:shared], leaf.logprobs[:shared], leaf.action_mask[:shared])
                    for one in leaves[: max(1, number)]
                )
            whole = sum(one.length for one in leaves)
            again = sum(sum(one.action_mask[: one.branch.shared]) for one in leaves if one.branch)
            assert {one.branch.tree_tokens for one in leaves if one.branch} == {whole - again}
    assert sum(map(sampled_tokens, groups)) == policy.sampled
    assert policy.sampled < sum(one.length for group in groups for one in group)


@pytest.mark.parametrize(("turns", "saving"), [(3, 2 / 9), (4, 0.25), (8, 7 / 24)])
def test_trees_save_the_share_of_tokens_that_they_must(turns: int, saving: float) -> None:
    # A branch shares j of T turns, j from 0 to T - 1 equally likely; two of three leaves are branches: (T - 1) / (3 T).
    groups = [group for seed in range(60) for group in grown(shape_of(), turns, seed=seed)]
    alone = sum(one.length for group in groups for one in group)
    assert 1 - sum(map(sampled_tokens, groups)) / alone == pytest.approx(saving, abs=0.02)


def test_everything_but_the_seed_leaves_the_choice_as_it_is() -> None:
    shape = shape_of(rounds=2, keep=3, fork="tokens")
    together = grown(shape)
    assert together == grown(shape)
    assert together[:1] == grown(shape, count=1)
    assert together == grown(shape, policy=Letters(concurrency=4))
    others = grown(shape, seed=1)
    assert [[one.sample for one in group] for group in others] != [
        [one.sample for one in group] for group in together
    ]


def test_leaves_that_are_not_kept_are_chosen_at_random_and_paid_for() -> None:
    policy = Letters()
    groups = [group for seed in range(40) for group in grown(shape_of(keep=1), policy=policy, seed=seed)]
    kept = [one for group in groups for one in group]
    assert {len(group) for group in groups} == {2}
    assert sum(map(sampled_tokens, groups)) == policy.sampled
    chains = sum(one.sample < 2 for one in kept) / len(kept)
    assert chains == pytest.approx(1 / 3, abs=0.1)


def test_nodes_of_a_tree_stand_once_however_many_leaves_pass_through_them() -> None:
    ((chain, *_),) = grown(shape_of(trees=1), turns=4, count=1)
    leaf = Leaf(rollout=chain)
    assert leaf.nodes("turns") == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert leaf.nodes("tokens") == [(turn, token) for turn in range(4) for token in range(2)]
    branch = Leaf(rollout=chain, fork=Fork(rollout=chain, turn=1))
    assert branch.nodes("turns") == [(2, 0), (3, 0)]
    assert branch.nodes("tokens") == [(1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]


def test_nothing_forks_where_nothing_could_be_said_any_more() -> None:
    ((silent, *_),) = grown(shape_of(trees=1, fork="tokens"), policy=Letters(length=0), count=1)
    assert silent.length == 0
    assert Leaf(rollout=silent).nodes("tokens") == Leaf(rollout=silent).nodes("turns") == [(0, 0)]


def test_progress_counts_every_leaf_and_every_token_once() -> None:
    told: list[tuple[int, int, int]] = []
    policy = Letters()
    grow(
        env_of(4),
        policy,
        TASKS,
        rg.SamplingParams(max_tokens=8),
        forest=Forest(shape=shape_of(), decode=decode),
        seed=0,
        on_progress=lambda *figures: told.append(figures),
    )
    assert told[0] == (0, 18, 0)
    assert told[-1] == (18, 18, policy.sampled)


def test_a_branch_in_an_environment_that_is_not_deterministic_is_unscored_and_costs_nothing() -> None:
    class Forgets(Counts):
        said = 0

        def respond(self, task: rg.Task, replies: Sequence[rg.Completion]) -> str:
            Forgets.said += 1
            return str(Forgets.said)

    policy = Letters()
    (group,) = grow(
        env_of(4, Forgets),
        policy,
        TASKS[:1],
        rg.SamplingParams(max_tokens=8),
        forest=Forest(shape=shape_of(branches=8), decode=decode),
        seed=0,
    )
    scored = [one.verdict.scored for one in group]
    assert scored[:2] == [True, True]
    for one, known in zip(group, scored, strict=True):
        assert one.branch is not None
        assert known == (one.branch.shared == 0)
    assert sampled_tokens(group) == policy.sampled


def test_leaves_that_are_left_over_come_back_from_a_checkpoint_as_they_were() -> None:
    groups = grown(shape_of(rounds=2, fork="tokens"))
    stored = json.loads(json.dumps(GROUPS.dump_python(groups, mode="json", exclude=TIMES)))
    assert GROUPS.validate_python(stored) == groups


def test_rollouts_that_did_not_fork_cost_what_they_are_long() -> None:
    env, policy = env_of(2), Letters()
    (group,) = rg.rollout(env, policy, TASKS[:1], rg.SamplingParams(max_tokens=8), group_size=3, seed=0)
    assert sampled_tokens(group) == policy.sampled == 12
