"""TRL: a reward function, a dataset and, where episodes have several turns, an environment factory.

TRL has turns where a policy calls tools, and no others. An environment with tools has these; of one that answers in
words there is one tool, `say`. A call is a turn here, and the text without a call that ends TRL's loop is the last one.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Union, final

from rlvr_gym.errors import ConfigError
from rlvr_gym.export.served import Episode, Served, content
from rlvr_gym.export.targets.base import Export
from rlvr_gym.files import Json, JsonObject, write_atomically
from rlvr_gym.tools import ToolCall, ToolSpec
from rlvr_gym.verdicts import Completion, Verdict

_OVER = "The episode is over."
_ITS_OWN = {"reset", "get_reward"}
"""Names of methods that TRL takes for no tools."""
_AT_ONCE = 32

SAY = ToolSpec(
    name="say",
    description="Say something to the environment, which answers.",
    parameters={
        "type": "object",
        "properties": {"text": {"type": "string", "description": "all that you say in this turn"}},
        "required": ["text"],
    },
)


@final
class TrlExport(Export):
    """An environment for TRL's trainers of the GRPO family.

    `dataset` is `train_dataset`, `reward` one of `reward_funcs`, and `environment_factory` the argument of that name;
    it is None where episodes have one turn. A completion that could not be judged has the reward None.
    """

    target = "trl"
    files = {"rewards.py": "trl_rewards.template", "train.py": "trl_train.template"}  # noqa: RUF012 - as declared

    def refusal(self) -> str | None:
        """The tool whose name TRL cannot call, if there is one."""
        for tool in self.env.tools:
            if tool.name in _ITS_OWN or tool.name.startswith("_"):
                return f"TRL cannot call a tool named '{tool.name}', as '{self.manifest.id}' has one"
        return None

    @cached_property
    def rows(self) -> list[JsonObject]:
        """The rows of the dataset: a prompt, and the task's id and place."""
        native = bool(self.env.tools)
        return [
            {
                "prompt": [
                    message.model_dump() for message in self.env.prompt(row.task, native_tools=native)
                ],
                "task": row.task.id,
                "index": row.index,
            }
            for row in self.tasks
        ]

    @property
    def dataset(self) -> Any:
        """The rows as a `datasets.Dataset`."""
        from datasets import Dataset

        return Dataset.from_list(self.rows)

    @cached_property
    def environment_factory(self) -> Callable[[], Any] | None:
        """Make an environment of TRL's, with the tools as methods; None where episodes have one turn."""
        return environment_class(self.served, self.name) if self.multi_turn else None

    def reward(
        self,
        completions: Sequence[Any],
        task: Sequence[str],
        index: Sequence[int],
        environments: Sequence[Any] | None = None,
        log_extra: Callable[[str, list[str]], None] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float | None]:
        """Score completions: TRL's reward function. None is a completion that could not be judged."""
        texts = [_last_turn(completion) for completion in completions]
        if self.multi_turn:
            if environments is None:
                raise ConfigError(
                    f"episodes of '{self.manifest.id}' have several turns: give the trainer its environment_factory too"
                )
            episodes: list[Episode] = [environment._episode for environment in environments]
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                verdicts = list(threads.map(_finish, episodes, texts))
            rewards = [episode.reward for episode in episodes]
        else:
            tasks = [self.served.task(*place) for place in zip(index, task, strict=True)]
            verdicts = self.served.verdicts(list(zip(tasks, texts, strict=True)))
            rewards = [verdict.score for verdict in verdicts]
        if log_extra is not None:
            log_extra("outcome", [str(verdict.outcome) for verdict in verdicts])
        if log_metric is not None and verdicts:
            log_metric("unscored", sum(not verdict.scored for verdict in verdicts) / len(verdicts))
        return rewards

    def next_step(self, folder: Path) -> str:
        """A line on how to train."""
        return f"cd {folder} && python train.py MODEL"

    def _write(self, folder: Path) -> None:
        super()._write(folder)
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows)
        write_atomically(folder / "tasks.jsonl", "".join(lines))


def _finish(episode: Episode, text: str) -> Verdict:
    return episode.finish(Completion(text=text, calls=()))


def _last_turn(completion: Any) -> str:
    """The text of the policy's last turn: of a string, or of messages that may end with the answer of a tool."""
    if isinstance(completion, str):
        return completion
    last: Mapping[str, Any] = completion[-1] if completion else {}
    said = last.get("content") if last.get("role") == "assistant" else None
    if isinstance(said, list):
        said = "".join(str(part.get("text", "")) for part in said)
    return str(said or "")


class _Environment:
    """An episode as TRL's `environment_factory` has it. What TRL's policies see of it are its other public methods."""

    _served: Served

    def __init__(self) -> None:
        self._episode = self._served.episode()

    def reset(self, index: int, task: str, **_: Any) -> None:
        """Begin the episode of a row. The row's prompt says all that the policy is told."""
        self._episode.begin(self._served.task(index, task), native_tools=bool(self._served.env.tools))

    def _take(self, turn: Completion) -> str:
        answer = self._episode.take(turn)
        return _OVER if self._episode.verdict is not None else content(answer)


def environment_class(served: Served, name: str) -> type:
    """The class of an environment's episodes, whose public methods are its tools as TRL describes them to a policy."""
    methods = {tool.name: _method(tool, _called(tool.name)) for tool in served.env.tools}
    if not methods:
        methods = {SAY.name: _method(SAY, lambda self, text: self._take(Completion(text=text)))}
    return type(f"{name}_environment", (_Environment,), {"_served": served, **methods})


def _called(name: str) -> Callable[..., str]:
    def call(self: _Environment, **arguments: Any) -> str:
        return self._take(Completion(text="", calls=(ToolCall(name=name, arguments=arguments),)))

    return call


def _method(tool: ToolSpec, body: Callable[..., str]) -> Callable[..., str]:
    """A method with the signature, hints and docstring from which transformers makes the tool's schema."""
    properties: JsonObject = tool.parameters.get("properties", {})
    needed = tool.parameters.get("required", [])
    hints = {name: _hint(schema) for name, schema in properties.items()}
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if name in needed else properties[name].get("default"),
            annotation=hint,
        )
        for name, hint in hints.items()
    ]
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    described = "\n".join(
        f"    {name}: {schema.get('description', name)}" for name, schema in properties.items()
    )

    def method(self: _Environment, **arguments: Any) -> str:
        return body(self, **arguments)

    method.__name__ = method.__qualname__ = tool.name
    method.__doc__ = f"{tool.description}\n\nArgs:\n{described}" if described else tool.description
    method.__annotations__ = hints
    method.__signature__ = inspect.Signature([self, *parameters])  # pyright: ignore[reportFunctionMemberAccess]
    return method


def _hint(schema: Json) -> Any:
    """The type that transformers describes by this schema."""
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "const" in schema:
        return Literal[schema["const"]]
    if "anyOf" in schema:
        return Union[tuple(_hint(one) for one in schema["anyOf"])]  # noqa: UP007 - its members are known at run time
    match schema.get("type"):
        case "array":
            return list[_hint(schema.get("items", {}))]
        case "object":
            return dict
        case kind:
            scalars = {"string": str, "integer": int, "number": float, "boolean": bool, "null": NoneType}
            return scalars.get(str(kind), Any)


EXPORT = TrlExport
