"""A policy that guesses half of the time learns to call a tool, from nothing but the reward."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rlvr_trainers
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

import rlvr_gym as rg
from rlvr_gym.environments.prompting import prompt_ids
from rlvr_gym.files import read_lines
from rlvr_gym.generation.chat import encode_reply
from rlvr_gym.generation.tiny import tiny_model

pytestmark = pytest.mark.long

CALL = '<tool_call>{"name": "ask"}</tool_call>'
VALUES = 4
TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}{% for m in messages %}"
    "{% if m.role == 'user' %}?{% elif m.role == 'tool' %}{{ '=' + m.content }}{% else %}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}"
    '{{ \'<tool_call>{"name": "\' + call.function.name + \'", "arguments": \' }}'
    "{{ call.function.arguments | tojson }}{{ '}</tool_call>' }}{% endfor %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}>{% endif %}"
)


@rg.tool
def ask(secret: rg.State[str]) -> str:
    """Ask for the secret."""
    return secret


def env(*, blank: bool = False) -> rg.Environment:
    """Tasks with a secret that only the tool tells, or that nobody does."""
    tasks = [rg.Task(id=str(n), prompt=f"secret {n}", reference=str(n % VALUES)) for n in range(64)]
    return rg.Environment(
        rg.TaskSet.from_tasks(tasks, name="secrets"),
        rg.FunctionVerifier(lambda task, said: said.text == task.reference),
        tools=[ask],
        max_turns=3,
        state=lambda task: "?" if blank else str(task.reference),
    )


def warmed_up() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A tiny model of a dozen tokens, one of them a whole call: it was shown to ask, and as often to guess."""
    model, tokenizer = tiny_model(seed=0, alphabet="0123?=>")
    tokenizer.add_tokens([CALL])
    tokenizer.chat_template = TEMPLATE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    shown = [asking(tokenizer, value) for value in range(VALUES)]
    shown += [guessing(tokenizer, value) for value in range(VALUES)]
    for _ in range(150):
        losses = [model(input_ids=ids[None], labels=labels[None]).loss for ids, labels in shown]
        torch.stack(losses).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, tokenizer


def asking(tokenizer: PreTrainedTokenizerBase, value: int) -> tuple[Tensor, Tensor]:
    """The ids and labels of an episode that asks for a value and says it."""
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    call = (tokenizer.get_vocab()[CALL], end)
    message = rg.Message(role="tool", content=str(value), name="ask", tool_call_id="call00000")
    reply = encode_reply(tokenizer, call, [message], {end}, [rg.ToolCall(name="ask")])
    return labelled(tokenizer, call, reply, (*tokenizer.encode(str(value)), end))


def guessing(tokenizer: PreTrainedTokenizerBase, value: int) -> tuple[Tensor, Tensor]:
    """The ids and labels of an episode that says a value."""
    end = tokenizer.eos_token_id
    assert isinstance(end, int)
    return labelled(tokenizer, (*tokenizer.encode(str(value)), end))


def labelled(tokenizer: PreTrainedTokenizerBase, *turns: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The ids of a prompt and of turns, every second one of which is the environment's; labels are the others."""
    environment = env()
    prompt = prompt_ids(environment, tokenizer, environment.tasks[0])
    ids, labels = [*prompt], [-100] * len(prompt)
    for place, turn in enumerate(turns):
        ids += turn
        labels += [-100] * len(turn) if place % 2 else turn
    return torch.tensor(ids), torch.tensor(labels)


def train(folder: Path, env: rg.Environment, steps: int) -> list[dict[str, Any]]:
    model, tokenizer = warmed_up()
    rlvr_trainers.train(
        model=model,
        tokenizer=tokenizer,
        env=env,
        algorithm="dr_grpo",
        progress=False,
        run={"dir": folder, "steps": steps, "samples_per_step": 4},
        batch={"prompts": 32, "group_size": 8},
        sampling={"max_tokens": 2},
        optimizer={"learning_rate": 1e-3},
        eval=None,
    )
    return [row for row in read_lines(folder / "metrics.jsonl") if "reward/mean" in row]


def test_a_policy_learns_to_call_and_to_say_what_it_was_told(tmp_path: Path):
    told = train(tmp_path / "told", env(), 10)
    assert max(row["sampler/mismatch"] for row in told) < 1e-4
    assert told[0]["reward/mean"] < 0.8
    assert told[0]["tools/calling"] < 0.8
    assert told[-1]["reward/mean"] > 0.93
    assert told[-1]["tools/calling"] > 0.93
    assert {"tools/calls", "tools/malformed", "tools/failed", "tools/refused", "seconds/tools"} <= told[
        0
    ].keys()
    rows = list(read_lines(tmp_path / "told" / "samples.jsonl"))
    assert [call["outcome"] for call in rows[-1]["calls"]] == ["answered"]
    assert [message["role"] for message in rows[-1]["messages"]] == ["assistant", "tool", "assistant"]


def test_without_the_result_it_stays_at_chance(tmp_path: Path):
    blank = train(tmp_path / "blank", env(blank=True), 10)
    assert blank[-1]["reward/mean"] < 0.45
