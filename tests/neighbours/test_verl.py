"""verl's own loader, dataset and agent loop on exported environments."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rlvr_gym as rg
from rlvr_gym.generation.tiny import tiny_model
from tests.neighbours.environments import COMPLETIONS, FAULT, SCORES, made

pytestmark = [pytest.mark.neighbours, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def verl(neighbour: Callable[[str], Any]) -> Any:
    return neighbour("verl")


def config(**settings: Any) -> Any:
    from omegaconf import OmegaConf  # pyright: ignore[reportMissingImports]

    return OmegaConf.create(settings)


def test_completions_get_the_same_scores_through_verl_s_own_loader(verl: Any, tmp_path: Path) -> None:
    from verl.trainer.ppo.reward import get_custom_reward_fn  # pyright: ignore[reportMissingImports]

    exported = rg.export.verl(made("sums"))
    folder = exported.write(tmp_path / "out")
    function = {"path": str(folder / "reward.py"), "name": "compute_score", "reward_kwargs": {}}
    compute_score = get_custom_reward_fn(config(reward={"custom_reward_function": function}))

    def score(row: dict[str, Any], text: str) -> float | None:
        try:
            return compute_score(
                data_source=row["data_source"],
                solution_str=text,
                ground_truth=row["reward_model"]["ground_truth"],
                extra_info={**row["extra_info"], "num_turns": 2},
            )["score"]
        except rg.VerifierFault:
            return None

    found = [score(row, text) for row, text in zip(exported.rows, COMPLETIONS, strict=True)]
    assert tuple(found) == SCORES


def test_verl_s_dataset_reads_the_rows(verl: Any, tmp_path: Path) -> None:
    from verl.utils.dataset.rl_dataset import RLHFDataset  # pyright: ignore[reportMissingImports]

    folder = rg.export.verl(made("desk")).write(tmp_path / "out")
    _, tokenizer = tiny_model(seed=0, context=4096)
    tokenizer.chat_template = TEMPLATE
    settings = config(
        cache_dir=str(tmp_path / "cache"), max_prompt_length=4096, filter_overlong_prompts=False
    )
    row = RLHFDataset(data_files=[str(folder / "train.parquet")], tokenizer=tokenizer, config=settings)[1]
    assert row["raw_prompt"][-1] == {"role": "user", "content": "What is 1 + 1? Use \\boxed{}."}
    assert "add" in row["raw_prompt"][0]["content"]
    assert (row["agent_name"], row["extra_info"]["index"]) == ("rlvr_gym", 1)


TEMPLATE = (
    "{% for message in messages %}{{ message.role + ': ' + message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


class Scripted:
    """verl's client of a server that says what is written."""

    def __init__(self, tokenizer: Any, *said: str) -> None:
        self.tokenizer, self.said, self.prompts = tokenizer, list(said), list[str]()

    async def generate(self, *, prompt_ids: list[int], **_: Any) -> Any:
        self.prompts.append(self.tokenizer.decode(prompt_ids))
        ids = [
            *self.tokenizer(self.said.pop(0), add_special_tokens=False).input_ids,
            self.tokenizer.eos_token_id,
        ]
        return SimpleNamespace(token_ids=ids, log_probs=[-1.0] * len(ids), num_preempted=None)


def played(folder: Path, *said: str, length: int = 400, row: int = 0) -> tuple[Any, Scripted]:
    """An episode as verl plays it: the loop is made from the written configuration."""
    import hydra  # pyright: ignore[reportMissingImports]
    from omegaconf import OmegaConf  # pyright: ignore[reportMissingImports]
    from verl.experimental.agent_loop.agent_loop import DictConfigWrap  # pyright: ignore[reportMissingImports]

    _, tokenizer = tiny_model(seed=0, context=4096)
    tokenizer.chat_template = TEMPLATE
    server = Scripted(tokenizer, *said)
    rollout = {"prompt_length": 4000, "response_length": length}
    rows = rg.export.load("verl", folder / "environment.json").rows  # pyright: ignore[reportAttributeAccessIssue]

    async def play() -> Any:
        loop = hydra.utils.instantiate(
            config=OmegaConf.load(folder / "agent_loop.yaml")[0],
            trainer_config=DictConfigWrap(config(actor_rollout_ref={"rollout": rollout})),
            server_manager=server,
            tokenizer=tokenizer,
            processor=None,
            dataset_cls=None,
            data_config=DictConfigWrap(config(tool_config_path=None)),
        )
        return await loop.run({}, raw_prompt=rows[row]["prompt"], extra_info=rows[row]["extra_info"])

    return asyncio.run(play()), server


def sampled(output: Any, tokenizer: Any) -> str:
    """The text of what the loss is computed on."""
    pairs = zip(output.response_ids, output.response_mask, strict=True)
    return tokenizer.decode([id for id, mask in pairs if mask])


def test_the_agent_loop_plays_an_episode_and_masks_what_the_environment_says(
    verl: Any, tmp_path: Path
) -> None:
    folder = rg.export.verl(made("talk")).write(tmp_path / "out")
    output, server = played(folder, "hm", "hum", "\\boxed{0}")
    assert output.reward_score == 1.5
    assert sampled(output, server.tokenizer) == "hm<eos>hum<eos>\\boxed{0}<eos>"
    assert "That was turn 2. Go on." in server.prompts[2]
    assert len(output.response_logprobs) == len(output.response_ids)
    assert {p for p, mask in zip(output.response_logprobs, output.response_mask, strict=True) if mask} == {
        -1.0
    }


def test_the_agent_loop_calls_tools(verl: Any, tmp_path: Path) -> None:
    folder = rg.export.verl(made("desk")).write(tmp_path / "out")
    output, server = played(
        folder, '<tool_call>{"name": "add", "arguments": {"a": 4}}</tool_call>', "\\boxed{0}"
    )
    assert output.reward_score == 1.0
    assert "user: 5\n" in server.prompts[1]


def test_an_episode_that_outgrows_the_response_is_judged_as_it_stands(verl: Any, tmp_path: Path) -> None:
    folder = rg.export.verl(made("talk")).write(tmp_path / "out")
    output, server = played(folder, "hm", "\\boxed{0}", length=10)
    assert output.reward_score == 0.25
    assert len(server.prompts) == 1
    output, _ = played(folder, "hm" * 20, "\\boxed{0}", length=10)
    assert (output.reward_score, len(output.response_ids)) == (0.25, 10)


def test_an_episode_that_could_not_be_judged_raises_and_is_no_zero(verl: Any, tmp_path: Path) -> None:
    folder = rg.export.verl(made("talk")).write(tmp_path / "out")
    with pytest.raises(rg.VerifierFault, match="the judge is broken"):
        played(folder, "hm", FAULT)
