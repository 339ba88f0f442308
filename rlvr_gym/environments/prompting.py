"""The first prompt of an episode as a model's chat template writes it, tools included."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from rlvr_gym.environments.base import Environment
from rlvr_gym.environments.tooling import shown_by_template
from rlvr_gym.generation.calls.codec import ToolCodec
from rlvr_gym.generation.chat import encode_prompt
from rlvr_gym.tasks import Task


def shows_tools(env: Environment, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether the model's chat template tells of the environment's tools."""
    return shown_by_template(env, lambda: ToolCodec.of(tokenizer) is not None)


def prompt_ids(env: Environment, tokenizer: PreTrainedTokenizerBase, task: Task) -> tuple[int, ...]:
    """The ids that a policy is shown first, as an episode begins with them."""
    native = shows_tools(env, tokenizer)
    return encode_prompt(tokenizer, env.prompt(task, native_tools=native), env.tools if native else ())
