"""Episodes with tools as rows of training: nothing cut, nothing counted twice, nothing sampled in another way."""

from __future__ import annotations

import pytest
import torch
from rlvr_trainers import load_recipe
from rlvr_trainers.batch import TokenBatch
from rlvr_trainers.credit.gae import generalised_advantages

import rlvr_gym as rg
from tests.rlvr_gym.tool_families import Speaker, call_text


@rg.tool
def say(text: str) -> str:
    """Say a text."""
    return text


def rollouts(*lengths: int, max_tokens: int = 80) -> list[rg.Rollout]:
    """Two samples of a task for each length of the results that they read."""
    played: list[rg.Rollout] = []
    for length in lengths:
        tasks = [rg.Task(id="t", prompt="Go.", reference="done")]
        env = rg.Environment(
            rg.TaskSet.from_tasks(tasks, name="n"),
            rg.FunctionVerifier(lambda task, said: said.text == "done"),
            tools=[rg.tool(name="say")(saying("x" * length))],
        )

        def script(request: rg.GenerationRequest, sample: int) -> str:
            said = sum(message.role == "assistant" for message in request.messages)
            return call_text("Hermes", "say", {"text": "a"}) if said < 2 else "done" if sample == 0 else "no"

        sampling = rg.SamplingParams(max_tokens=max_tokens)
        played += rg.rollout(env, Speaker("Hermes", script), tasks, sampling, group_size=2, seed=0)[0]
    return played


def saying(result: str):
    def saying(text: str) -> str:
        """Say what it always says."""
        return result

    return saying


def test_an_episode_is_one_row_and_is_never_cut_to_the_limit_of_a_turn():
    played = rollouts(300)
    batch = TokenBatch.of_rollouts(played, [0, 0])
    assert batch.size == len(played)
    assert max(len(rollout.token_ids) for rollout in played) > 3 * 80
    for row, rollout in enumerate(played):
        width = int(batch.lengths_B[row])
        assert width == len(rollout.prompt_ids) + len(rollout.token_ids)
        assert tuple(batch.input_ids[row, :width].tolist()) == (*rollout.prompt_ids, *rollout.token_ids)
        assert int(batch.mask_BT[row].sum()) == rollout.length


def test_denominators_count_sampled_tokens_and_episodes_whatever_tools_wrote():
    short, long = (TokenBatch.of_rollouts(rollouts(length), [0, 0]) for length in (1, 300))
    assert int(short.mask_BT.sum()) == int(long.mask_BT.sum())
    assert short.size == long.size
    assert short.targets_N.tolist() == long.targets_N.tolist()


def test_returns_are_neither_reset_nor_discounted_by_what_tools_wrote():
    mask = torch.tensor([[True, True, False, False, False, True]])
    bare = mask[:, mask[0]]
    rewards, values = torch.zeros(1, 6), torch.tensor([[0.1, 0.2, 9.0, 9.0, 9.0, 0.3]])
    rewards[0, 5] = 1.0
    spread = generalised_advantages(rewards, values, mask, discount=0.9, gae_lambda=0.8)
    dense = generalised_advantages(
        rewards[:, mask[0]], values[:, mask[0]], bare, discount=0.9, gae_lambda=0.8
    )
    for one, other in zip(spread, dense, strict=True):
        assert torch.equal(one[mask], other[bare])
        assert (one[~mask] == 0).all()


@pytest.mark.parametrize("name", ["top_p", "top_k", "repetition_penalty", "guided_json", "tools"])
def test_training_samples_from_the_policy_itself(name: str):
    with pytest.raises(rg.ConfigError, match=f"sampling.{name}"):
        load_recipe("grpo", {"env": {"id": "guess"}, "model": {"path": "m"}, "sampling": {name: 1}})


def test_earlier_thinking_is_kept_and_dropping_it_is_refused_with_its_price():
    with pytest.raises(
        rg.ConfigError, match=r"sampling\.earlier_thinking.*row of its own\. Kept thinking costs room"
    ):
        load_recipe(
            "grpo", {"env": {"id": "guess"}, "model": {"path": "m"}, "sampling": {"earlier_thinking": "drop"}}
        )
    kept = load_recipe("grpo", {"env": {"id": "guess"}, "model": {"path": "m"}})
    assert kept.sampling.earlier_thinking == "keep"
    assert "earlier_thinking" not in kept.model_dump()["sampling"]


def test_every_turn_is_sampled_as_the_caller_says():
    tasks = [rg.Task(id="t", prompt="Go.", reference="done")]
    env = rg.Environment(
        rg.TaskSet.from_tasks(tasks, name="n"), rg.FunctionVerifier(lambda task, said: True), tools=[say]
    )
    seen: list[rg.SamplingParams] = []

    class Watched(Speaker):
        def generate(self, prompts, n, sampling):  # pyright: ignore[reportMissingParameterType]
            seen.append(sampling)
            return super().generate(prompts, n, sampling)

    asked = rg.SamplingParams(max_tokens=90, temperature=0.7)
    call = '<tool_call>{"name": "say", "arguments": {"text": "a"}, "temperature": 0}</tool_call>'
    speaker = Watched("Hermes", lambda request, sample: call if len(request.messages) < 3 else "done")
    rg.rollout(env, speaker, tasks, asked, group_size=1, seed=0)
    assert seen == [asked] * 2
