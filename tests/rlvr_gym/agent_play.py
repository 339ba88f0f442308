"""Agents to play, and a plain HTTP client for what no library would do."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx2
import openai

import rlvr_gym as rg
from tests.rlvr_gym.tool_families import Speaker

TASK = rg.Task(id="t", prompt="What is 12 + 30?", reference="42")
Body = dict[str, Any]


def exact(task: rg.Task, completion: rg.Completion) -> bool:
    return completion.text == task.reference


def env_of(agent: Any, *, tasks: Sequence[rg.Task] = (TASK,), **settings: Any) -> rg.AgentEnvironment:
    return rg.AgentEnvironment(
        rg.TaskSet.from_tasks(tasks, name="sums"), rg.FunctionVerifier(exact), agent, **settings
    )


def speak(script: Callable[[rg.GenerationRequest, int], str], family: str = "Hermes", **more: Any) -> Speaker:
    return Speaker(family, script, **more)


def echo(request: rg.GenerationRequest, sample: int) -> str:
    """Say the last message again."""
    return request.messages[-1].content


def played(
    agent: Any,
    script: Callable[[rg.GenerationRequest, int], str] = echo,
    *,
    generator: Any = None,
    max_tokens: int = 400,
    **settings: Any,
) -> rg.Rollout:
    """The only episode of an agent."""
    ((rollout,),) = rg.rollout(
        env_of(agent, **settings),
        generator or speak(script),
        [TASK],
        rg.SamplingParams(max_tokens=max_tokens),
        group_size=1,
        seed=0,
    )
    return rollout


def user(text: str) -> Body:
    return {"role": "user", "content": text}


def client(base_url: str, key: str, **settings: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key=key, **settings)


def ask(base_url: str, key: str, *messages: Body, **body: Any) -> str:
    """Ask the policy by the `openai` package."""
    with client(base_url, key) as opened:
        answer = opened.chat.completions.create(model="policy", messages=list(messages), **body)  # pyright: ignore
    return answer.choices[0].message.content or ""


def post(base_url: str, key: str, body: Body | bytes, **headers: str) -> httpx2.Response:
    """A request as it stands."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): v for name, v in headers.items()}}
    with httpx2.Client(timeout=30) as opened:
        return opened.post(f"{base_url}/chat/completions", content=content, headers=given)


def sampled(rollout: rg.Rollout) -> list[tuple[int, ...]]:
    """The runs of tokens that the policy sampled, over all sequences."""
    runs: list[tuple[int, ...]] = []
    for sequence in rollout.sequences:
        run: list[int] = []
        for id, acted in zip((*sequence.token_ids, -1), (*sequence.action_mask, False), strict=True):
            if acted:
                run.append(id)
            elif run:
                runs.append(tuple(run))
                run = []
    return runs
