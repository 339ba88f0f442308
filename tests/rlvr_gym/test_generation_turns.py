"""Episodes of several turns, sampled for real: tokens, mask and log-probabilities of whole conversations."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from rlvr_gym.environments.base import Environment
from rlvr_gym.generation.base import SamplingParams
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.generation.transformers import TransformersGenerator
from rlvr_gym.play import rollout as play_out
from rlvr_gym.rollouts import Group
from rlvr_gym.tasks import Task, TaskSet
from rlvr_gym.verdicts import Completion, FinishReason
from rlvr_gym.verifiers import FunctionVerifier

ALPHABET = "0123456789?"
TASKS = [Task(prompt="12?"), Task(prompt="7?")]


class AskAgain(Environment):
    """Answers every turn with a question, twice."""

    def respond(self, task: Task, replies: Sequence[Completion]) -> str | None:
        return "34?" if len(replies) < 3 else None


def play(
    context: int = 64, max_turns: int = 3, fixed_order: bool | None = None
) -> tuple[TransformersGenerator, list[Group]]:
    generator = TransformersGenerator(*tiny_model(seed=5, alphabet=ALPHABET, context=context))
    env = AskAgain(
        TaskSet.from_tasks(TASKS, name="again"),
        FunctionVerifier(lambda task, said: True),
        max_turns=max_turns,
    )
    groups = play_out(
        env, generator, TASKS, SamplingParams(max_tokens=8), group_size=4, seed=1, fixed_order=fixed_order
    )
    return generator, groups


def test_the_policys_turns_carry_the_samplers_logprobs_and_the_environments_none():
    generator, groups = play()
    for rollout in (rollout for group in groups for rollout in group):
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.token_ids]])
        with torch.no_grad():
            logits = generator.model(input_ids=ids).logits[0, len(rollout.prompt_ids) - 1 : -1]
        expected = torch.log_softmax(logits.float(), dim=-1).gather(
            -1, ids[0, len(rollout.prompt_ids) :, None]
        )
        mask = torch.tensor(rollout.action_mask)
        recorded = torch.tensor(rollout.logprobs)
        assert torch.allclose(recorded[mask], expected[:, 0][mask], atol=1e-4)
        assert (recorded[~mask] == 0).all()
        assert [message.role for message in rollout.messages] == ["assistant", "user"] * 2 + ["assistant"]


def test_turns_are_closed_once_whether_sampled_to_their_end_or_cut_off():
    generator, groups = play()
    end = generator.tokenizer.eos_token_id
    question = tuple(generator.tokenizer.encode("34?"))
    closed = {True: 0, False: 0}
    for rollout in (rollout for group in groups for rollout in group):
        turns: list[tuple[bool, list[int]]] = []
        for id, sampled in zip(rollout.token_ids, rollout.action_mask, strict=True):
            if not turns or turns[-1][0] != sampled:
                turns.append((sampled, []))
            turns[-1][1].append(id)
        assert [sampled for sampled, _ in turns] == [True, False, True, False, True]
        for (_, said), (_, reply) in zip(turns[::2], turns[1::2], strict=False):
            closed[said[-1] == end] += 1
            assert tuple(reply) == (question if said[-1] == end else (end, *question))
    assert min(closed.values()) > 0


def test_the_free_order_samples_the_same_episodes():
    assert [[r.token_ids for r in group] for group in play(fixed_order=False)[1]] == [
        [r.token_ids for r in group] for group in play()[1]
    ]


def test_a_conversation_that_fills_the_context_ends_truncated_at_its_last_sampled_token():
    _, groups = play(context=14)
    rollouts = [rollout for group in groups for rollout in group]
    full = [r for r in rollouts if r.messages[-1].content == "" and r.finish_reason is FinishReason.LENGTH]
    assert full
    for rollout in rollouts:
        assert len(rollout.prompt_ids) + len(rollout.token_ids) <= 14
        assert rollout.action_mask[-1]
        assert len(rollout.token_ids) == len(rollout.action_mask) == len(rollout.logprobs)


@pytest.mark.parametrize("company", [TASKS, TASKS[::-1]])
def test_a_tasks_episodes_do_not_depend_on_its_place_in_the_call(company: list[Task]):
    generator = TransformersGenerator(*tiny_model(seed=5, alphabet=ALPHABET, context=64))
    env = AskAgain(TaskSet.from_tasks(TASKS, name="again"), FunctionVerifier(lambda *_: True), max_turns=3)
    groups = play_out(env, generator, company, SamplingParams(max_tokens=8), group_size=4, seed=1)
    found = {group[0].task.id: [r.token_ids for r in group] for group in groups}
    assert found == {group[0].task.id: [r.token_ids for r in group] for group in play()[1]}
