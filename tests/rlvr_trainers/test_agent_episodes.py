"""Episodes of several sequences: laid out in whatever rows, they count as episodes, and every token counts once."""

from __future__ import annotations

import dataclasses
import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import rlvr_trainers
import torch
from rlvr_trainers import load_recipe
from rlvr_trainers.algorithms.base import Surroundings
from rlvr_trainers.algorithms.policy_gradient import PolicyGradient
from rlvr_trainers.batch import CreditedBatch, TokenBatch
from rlvr_trainers.learner.logprobs import token_logprobs
from rlvr_trainers.learner.models import Role
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.run.figures import sample_rows
from rlvr_trainers.run.preflight import environments
from rlvr_trainers.sampling.buffer import GROUPS
from rlvr_trainers.settings import OverlongConfig, RewardConfig
from torch import Tensor
from transformers import LlamaForCausalLM

import rlvr_gym as rg
from rlvr_gym.files import read_lines
from rlvr_gym.generation.tiny import tiny_model
from rlvr_gym.rollouts import SampledSequence

AROUND = Surroundings(
    reward=RewardConfig(), overlong=OverlongConfig(), max_tokens=20, updates_per_step=2, decode=str
)
Whole = tuple[list[rg.Rollout], list[int]]


def split(rollout: rg.Rollout) -> rg.Rollout:
    """The same episode with a sequence for each of its turns, all that was there before it being its prompt."""
    ids, mask = rollout.token_ids, rollout.action_mask
    begins = [place for place, acted in enumerate(mask) if acted and (place == 0 or not mask[place - 1])]
    ends = [place + 1 for place, acted in enumerate(mask) if acted and mask[place + 1 : place + 2] != (True,)]
    parts = [
        SampledSequence(
            prompt_ids=(*rollout.prompt_ids, *ids[:begin]),
            token_ids=ids[begin:end],
            action_mask=(True,) * (end - begin),
            logprobs=rollout.logprobs[begin:end],
        )
        for begin, end in zip(begins, ends, strict=True)
    ]
    first, *further = parts
    fields = {field.name: getattr(first, field.name) for field in dataclasses.fields(first)}
    return dataclasses.replace(rollout, **fields, further=tuple(further))


def step(
    model: LlamaForCausalLM,
    config: PolicyGradientConfig,
    rollouts: list[rg.Rollout],
    groups: list[int],
    rows: int,
) -> tuple[float, Tensor, CreditedBatch]:
    """The loss of a step, `rows` rows at a time, its gradient, and its samples with their credit."""

    def scorer(role: Role, tokens: TokenBatch, *, with_entropy: bool = False) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found, _ = token_logprobs(model, tokens, temperature=1.0)
        shift = 0.1 if role is Role.REFERENCE else 0.02
        return found - shift, torch.zeros_like(found)

    algorithm = PolicyGradient(config, AROUND)
    tokens = algorithm.tokens(rollouts, groups)
    credited = algorithm.credit(rollouts, algorithm.score(tokens, scorer))
    objective = algorithm.objective(credited, scorer)
    model.zero_grad()
    total = 0.0
    for start in range(0, tokens.size, rows):
        part_rows = list(range(start, min(start + rows, tokens.size)))
        part = credited.select(part_rows)
        found, entropies = token_logprobs(model, part.tokens, temperature=1.0, with_entropy=True)
        loss, _ = objective.loss(part, part_rows, found, entropies)
        loss.backward()
        total += loss.item()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    return total, gradient, credited


CONFIGS: dict[str, dict[str, Any]] = {
    "sequence_mean": {"aggregation": "sequence_mean"},
    "token_mean": {"aggregation": "token_mean"},
    "prompt_mean": {"aggregation": "prompt_mean"},
    "constant": {"aggregation": "constant", "advantage": "centred"},
    "whitened": {"aggregation": "token_mean", "advantage": "whitened"},
    "batch_std": {"aggregation": "sequence_mean", "advantage": "batch_std"},
    "kl in the loss": {"aggregation": "sequence_mean", "kl_coefficient": 0.1},
    "kl in the reward": {
        "aggregation": "constant",
        "advantage": "leave_one_out",
        "kl_coefficient": 0.1,
        "kl_place": "reward",
        "kl_estimator": "k1",
    },
    "entropy": {"aggregation": "sequence_mean", "entropy_coefficient": 0.01},
    "corrected": {"aggregation": "sequence_mean", "sampler_correction": "token_tis"},
}


@pytest.mark.parametrize("name", list(CONFIGS))
def test_splitting_an_episode_changes_neither_loss_nor_gradient_nor_statistics(
    name: str, mixed_rollouts: Whole, tiny_llama: Callable[..., LlamaForCausalLM]
):
    config = PolicyGradientConfig(**CONFIGS[name])
    model = tiny_llama()
    whole, groups = mixed_rollouts
    parts = [split(rollout) for rollout in whole]
    assert sum(len(rollout.further) for rollout in parts) == 3
    loss, gradient, credited = step(model, config, whole, groups, 100)
    assert gradient.abs().max() > 1e-4
    for rows in (100, 1, 4):
        split_loss, split_gradient, split_credited = step(model, config, parts, groups, rows)
        assert split_loss == pytest.approx(loss, rel=1e-9, abs=1e-12)
        assert torch.allclose(split_gradient, gradient, rtol=0, atol=1e-7)
    first = split_credited.tokens.first_rows
    assert torch.allclose(split_credited.advantages_B[first], credited.advantages_B, atol=1e-12)
    assert torch.equal(split_credited.rewards_B[first].nan_to_num(), credited.rewards_B.nan_to_num())
    assert int(split_credited.tokens.mask_BT.sum()) == int(credited.tokens.mask_BT.sum())


def test_the_rows_of_an_episode_have_its_group_its_verdict_and_its_age(mixed_rollouts: Whole):
    whole, groups = mixed_rollouts
    tokens = TokenBatch.of_rollouts([split(rollout) for rollout in whole], groups)
    assert tokens.size == len(whole) + 3
    assert tokens.episodes_B.tolist() == sorted(tokens.episodes_B.tolist())
    assert tokens.groups_B[tokens.first_rows].tolist() == groups
    stale = [place == 2 for place in range(len(whole))]
    aged = tokens.with_stale(stale)
    assert [int(e) for e, old in zip(aged.episodes_B, aged.stale_B, strict=True) if old] == [2, 2]
    assert aged.select([2, 3]).episodes_B.tolist() == [2, 2]


def test_what_is_kept_of_a_step_to_read_has_a_line_for_each_episode(mixed_rollouts: Whole):
    whole, groups = mixed_rollouts
    parts = [split(rollout) for rollout in whole]
    algorithm = PolicyGradient(PolicyGradientConfig(), dataclasses.replace(AROUND, updates_per_step=1))
    tokens = algorithm.tokens(parts, groups)
    credited = algorithm.credit(
        parts, algorithm.score(tokens, lambda *_, **__: (tokens.mask_BT, tokens.mask_BT))
    )
    rows = sample_rows(parts, credited, 100, lambda task: None, lambda rollout: ())
    assert len(rows) == len(whole)
    assert [row["length"] for row in rows] == [rollout.length for rollout in whole]


def test_episodes_of_several_sequences_are_kept_between_steps(mixed_rollouts: Whole):
    group = tuple(split(rollout) for rollout in mixed_rollouts[0])
    stored = json.loads(json.dumps(GROUPS.dump_python([group], mode="json")))
    assert GROUPS.validate_python(stored) == [group]


def ask(base_url: str, key: str, text: str) -> str:
    """Ask the policy without any library."""
    url = urlsplit(base_url)
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    body = json.dumps({"messages": [{"role": "user", "content": text}]})
    connection.request("POST", f"{url.path}/chat/completions", body, {"Authorization": f"Bearer {key}"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["choices"][0]["message"]["content"]


def twice(task: rg.Task, base_url: str, key: str) -> str:
    """Ask in two conversations."""
    return ask(base_url, key, task.text) + ask(base_url, key, "0")


def agents_env(agent: Any = twice) -> rg.AgentEnvironment:
    tasks = [rg.Task(id=str(n), prompt=str(n), reference="33") for n in range(4)]
    return rg.AgentEnvironment(
        rg.TaskSet.from_tasks(tasks, name="threes"),
        rg.FunctionVerifier(lambda task, said: rg.Verdict.right() if said.text == task.reference
                            else rg.Verdict.wrong(score=said.text.count("3") / 3 if len(said.text) == 2 else 0.0)),
        agent,
    )  # fmt: skip


def trained(folder: Path, agent: Any = twice, **settings: Any) -> list[dict[str, Any]]:
    model, tokenizer = tiny_model(seed=0, alphabet="0123456789")
    given: dict[str, Any] = {
        "run": {"dir": folder, "steps": 3, "samples_per_step": 4},
        "batch": {"prompts": 4, "group_size": 16},
        "sampling": {"max_tokens": 1},
        "optimizer": {"learning_rate": 1e-2},
    }
    rlvr_trainers.train(
        model=model, tokenizer=tokenizer, env=agents_env(agent), algorithm="dr_grpo", progress=False, eval=None,
        **{**given, **settings},
    )  # fmt: skip
    return [row for row in read_lines(folder / "metrics.jsonl") if "reward/mean" in row]


def test_a_policy_learns_what_an_agent_needs_of_it(tmp_path: Path):
    rows = trained(tmp_path)
    assert rows[0]["reward/mean"] < 0.3
    assert rows[-1]["reward/mean"] > 0.8
    assert max(row["sampler/mismatch"] for row in rows) < 1e-4
    assert all(row["tokens/trained"] == row["tokens/sampled"] for row in rows)


def test_agents_that_answer_without_the_policy_teach_nothing_and_harm_nothing(tmp_path: Path):
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        return "33"

    rows = trained(tmp_path, agent, run={"dir": tmp_path, "steps": 1})
    assert rows[0]["reward/mean"] == 1.0
    assert rows[0]["tokens/trained"] == 0


def test_agents_that_we_let_down_end_the_run_with_the_cause(tmp_path: Path):
    def agent(task: rg.Task, base_url: str, key: str) -> str:
        raise rg.VerifierFault("the search engine is down")

    with pytest.raises(rg.TooManyUnscored, match="the search engine is down"):
        trained(tmp_path, agent)


REFUSED = {
    "gspo": {},
    "ppo": {},
    "rft": {},
    "online_dpo": {},
    "tree_grpo": {"algorithm": {"fork": "tokens"}},
    "grpo_process": {},
    "grpo": {"algorithm": {"prefix_weighting": True}},
    "dapo": {"algorithm": {"sampler_correction": "sequence_mask"}},
    "rloo": {"buffer": {"max_staleness": 1}},
    "dr_grpo": {"warmup": {"steps": 1}},
}


@pytest.mark.parametrize("recipe", list(REFUSED))
def test_what_takes_an_episode_for_one_sequence_is_refused_before_any_work(recipe: str):
    settings = {"env": {"id": "guess"}, "model": {"path": "m"}, "eval": None, **REFUSED[recipe]}
    config = load_recipe(recipe, settings)
    with pytest.raises(rg.ConfigError, match="is answered by an agent"):
        environments(config, agents_env())


@pytest.mark.parametrize("recipe", ["grpo", "dapo", "dr_grpo", "rloo", "reinforce_pp_baseline", "cispo"])
def test_what_learns_from_episodes_takes_agents(recipe: str):
    config = load_recipe(
        recipe, {"env": {"id": "guess"}, "model": {"path": "m"}, "eval": None, "batch": {"prompts": 4}}
    )
    env, held_out = environments(config, agents_env())
    assert isinstance(env, rg.AgentEnvironment)
    assert held_out is None
