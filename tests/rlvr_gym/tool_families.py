"""Small tokenizers whose chat templates know tools, in the shape of well-known families, and a policy for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence

from transformers import GenerationConfig, PreTrainedTokenizerFast

import rlvr_gym as rg
from rlvr_gym.generation.prompts import TokenPrompts
from tests.rlvr_gym.tokenizer_families import CHATML, FAMILIES, Family, made, tokenizer_of

_TOOLS = (
    "{%- if tools %}{{- '<|im_start|>system\n' }}"
    "{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}"
    "{{- '# Tools\n\nYou may call one or more functions.\n<tools>' }}"
    "{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}"
    "{{- '\n</tools>\n\nFor each call, return a json object within <tool_call></tool_call> tags.<|im_end|>\n' }}"
    "{%- elif messages[0].role == 'system' %}"
    "{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}"
)
_RESULTS = (
    "{%- elif m.role == 'tool' %}"
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}"
    "{{- '\n<tool_response>\n' + m.content + '\n</tool_response>' }}"
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\n' }}{%- endif %}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
_HERMES_CALLS = (
    "{%- for call in m.tool_calls or [] %}"
    '{{- \'\n<tool_call>\n{"name": "\' + call.function.name + \'", "arguments": \' }}'
    "{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}{%- endfor %}"
)
_XML_CALLS = (
    "{%- for call in m.tool_calls or [] %}{{- '\n<tool_call>\n<function=' + call.function.name + '>\n' }}"
    "{%- for key, value in call.function.arguments.items() %}"
    "{{- '<parameter=' + key + '>\n' }}{{- value if value is string else value | tojson }}{{- '\n</parameter>\n' }}"
    "{%- endfor %}{{- '</function>\n</tool_call>' }}{%- endfor %}"
)


def _qwen(calls: str, *, thinks: bool) -> str:
    # As Qwen 3 does: no thinking before the last question, and an empty one after it where none was given apart.
    said = (
        "{%- if ns.last < loop.index0 %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
        "{%- set c = m.content.split('</think>')[-1].lstrip('\n') if ns.last > loop.index0 else m.content %}"
        "{{- c }}"
        if thinks
        else "{{- m.content }}"
    )
    last = (
        "{%- set ns = namespace(last=0) %}"
        "{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}"
    )
    return (
        _TOOLS
        + last
        + "{%- for m in messages %}{%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}"
        + "{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
        + "{%- elif m.role == 'assistant' %}{{- '<|im_start|>assistant\n' }}"
        + said
        + calls
        + "{{- '<|im_end|>\n' }}"
        + _RESULTS
    )


_LLAMA = (
    "{{- bos_token }}{%- set ns = namespace(told=false) %}{%- for m in messages %}"
    "{%- if m.role == 'user' and tools and not ns.told %}{%- set ns.told = true %}"
    "{{- '<|start_header_id|>user<|end_header_id|>\n\nGiven the following functions, respond with a JSON for a "
    'function call, in the format {"name": function name, "parameters": dictionary of arguments}.\n\n\' }}'
    "{%- for tool in tools %}{{- tool | tojson(indent=4) + '\n\n' }}{%- endfor %}{{- m.content | trim + '<|eot_id|>' }}"
    "{%- elif m.tool_calls %}"
    "{%- if m.tool_calls | length != 1 %}{{- raise_exception('This model only supports single tool-calls at once!') }}"
    "{%- endif %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    '{{- \'{"name": "\' + m.tool_calls[0].function.name + \'", "parameters": \' }}'
    "{{- m.tool_calls[0].function.arguments | tojson }}{{- '}<|eot_id|>' }}"
    "{%- elif m.role == 'tool' %}"
    "{{- '<|start_header_id|>ipython<|end_header_id|>\n\n' }}{{- m.content | tojson }}{{- '<|eot_id|>' }}"
    "{%- else %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content | trim + '<|eot_id|>' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}"
)
_MISTRAL = (
    "{%- set users = messages | selectattr('role', 'equalto', 'user') | list %}{{- bos_token }}{%- for m in messages %}"
    "{%- if m.role == 'user' %}{%- if tools and m == users[-1] %}"
    "{{- '[AVAILABLE_TOOLS] ' }}{{- tools | tojson }}{{- '[/AVAILABLE_TOOLS]' }}{%- endif %}"
    "{{- '[INST] ' + m.content + '[/INST]' }}"
    "{%- elif m.tool_calls %}{{- '[TOOL_CALLS] [' }}{%- for call in m.tool_calls %}"
    "{%- if call.id is not defined or call.id | length != 9 %}"
    "{{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{%- endif %}"
    '{{- \'{"name": "\' + call.function.name + \'", "arguments": \' }}{{- call.function.arguments | tojson }}'
    "{{- ', \"id\": \"' + call.id + '\"}' }}{{- ', ' if not loop.last else ']' + eos_token }}{%- endfor %}"
    "{%- elif m.role == 'assistant' %}{{- ' ' + m.content + eos_token }}"
    "{%- elif m.role == 'tool' %}{%- if m.tool_call_id is not defined or m.tool_call_id | length != 9 %}"
    "{{- raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}{%- endif %}"
    "{{- '[TOOL_RESULTS] {\"content\": ' }}{{- m.content | tojson }}"
    "{{- ', \"call_id\": \"' + m.tool_call_id + '\"}[/TOOL_RESULTS]' }}{%- endif %}{%- endfor %}"
)
_MISTRAL_NAMED = (
    _MISTRAL.replace("{{- '[TOOL_CALLS] [' }}", "")
    .replace(
        '{{- \'{"name": "\' + call.function.name + \'", "arguments": \' }}',
        "{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' }}",
    )
    .replace(
        "{{- ', \"id\": \"' + call.id + '\"}' }}{{- ', ' if not loop.last else ']' + eos_token }}",
        "{{- eos_token if loop.last else '' }}",
    )
)
_HARMONY = (
    "{{- '<|start|>system<|message|>You are ChatGPT. Calls must go to the commentary channel.<|end|>' }}"
    "{%- if tools %}{{- '<|start|>developer<|message|># Tools\n\nnamespace functions {\n' }}"
    "{%- for tool in tools %}{{- '// ' + tool.function.description + '\ntype ' + tool.function.name + ' = (_: ' }}"
    "{{- tool.function.parameters | tojson + ') => any;\n' }}{%- endfor %}{{- '}<|end|>' }}{%- endif %}"
    "{%- set last = namespace(name=none) %}{%- for m in messages %}"
    "{%- if m.role == 'assistant' and m.tool_calls %}{%- set call = m.tool_calls[0].function %}"
    "{{- '<|start|>assistant to=functions.' + call.name + '<|channel|>commentary json<|message|>' }}"
    "{{- call.arguments | tojson + '<|call|>' }}{%- set last.name = call.name %}"
    "{%- elif m.role == 'assistant' %}{{- '<|start|>assistant<|channel|>final<|message|>' + m.content }}"
    "{{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}"
    "{%- elif m.role == 'tool' %}{%- if last.name is none %}"
    "{{- raise_exception('Message has tool role, but there was no previous assistant message with a tool call!') }}"
    "{%- endif %}{{- '<|start|>functions.' + last.name + ' to=assistant<|channel|>commentary<|message|>' }}"
    "{{- m.content | tojson + '<|end|>' }}"
    "{%- else %}{{- '<|start|>' + m.role + '<|message|>' + m.content + '<|end|>' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)
_CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_QWEN_TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
_HARMONY_TOKENS = (
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|constrain|>",
    "<|return|>",
    "<|call|>",
)
_MISTRAL_TOKENS = (
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
)

TOOL_FAMILIES = {
    "Qwen 3": Family(
        template=_qwen(_HERMES_CALLS, thinks=True), control=_CONTROL, plain=_QWEN_TOKENS, end="<|im_end|>"
    ),
    "Hermes": Family(template=_qwen(_HERMES_CALLS, thinks=False), control=_CONTROL, end="<|im_end|>"),
    "Qwen Coder": Family(
        template=_qwen(_XML_CALLS, thinks=False), control=_CONTROL, plain=_QWEN_TOKENS, end="<|im_end|>"
    ),
    "Llama 3": Family(
        template=_LLAMA,
        control=(
            *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>"),
            "<|python_tag|>",
        ),
        end="<|eot_id|>",
    ),
    "Mistral": Family(
        template=_MISTRAL,
        control=("<s>", "</s>", *_MISTRAL_TOKENS, "[TOOL_CALLS]"),
        kind="pieces",
        end="</s>",
    ),
    "Mistral, named": Family(
        template=_MISTRAL_NAMED,
        control=("<s>", "</s>", *_MISTRAL_TOKENS, "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
        end="</s>",
    ),
    "gpt-oss": Family(template=_HARMONY, control=_HARMONY_TOKENS, end="<|return|>"),
}
WITHOUT_TOOLS = ("ChatML", "Gemma", "Phi", "no template")
"""Families of `tokenizer_families` whose templates know no tools, and take a system message."""


def json_call(name: str, arguments: object, key: str = "arguments") -> str:
    """A call as JSON."""
    return json.dumps({"name": name, key: arguments})


def call_text(family: str, name: str, arguments: dict[str, object]) -> str:
    """A turn that calls a tool, as a model of the family writes it."""
    match family:
        case "Qwen Coder":
            given = "".join(
                f"<parameter={key}>\n{value if isinstance(value, str) else json.dumps(value)}\n</parameter>\n"
                for key, value in arguments.items()
            )
            return f"<tool_call>\n<function={name}>\n{given}</function>\n</tool_call>"
        case "Llama 3":
            return json_call(name, arguments, "parameters")
        case "Mistral":
            return f"[TOOL_CALLS] [{json_call(name, arguments)}]"
        case "Mistral, named":
            return f"[TOOL_CALLS]{name}[ARGS]{json.dumps(arguments)}"
        case "gpt-oss":
            head = f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>"
            return f"{head}{json.dumps(arguments)}<|call|>"
        case _:
            return f"<tool_call>\n{json_call(name, arguments)}\n</tool_call>"


def answer_text(family: str, text: str) -> str:
    """A final turn, as a model of the family writes it."""
    return f"<|channel|>final<|message|>{text}" if family == "gpt-oss" else text


def tool_tokenizer(family: str) -> PreTrainedTokenizerFast:
    """A new tokenizer of the family, one that knows tools or not."""
    return made(TOOL_FAMILIES[family]) if family in TOOL_FAMILIES else tokenizer_of(family)


class Speaker:
    """A generator of token ids whose policy says what its script says; `cut` leaves the end of a turn unsampled."""

    concurrency = 1

    def __init__(
        self,
        family: str,
        script: Callable[[rg.GenerationRequest, int], str],
        *,
        cut: bool = False,
        tokenizer: PreTrainedTokenizerFast | None = None,
        context: int | None = None,
    ) -> None:
        self.tokenizer, self.context = tokenizer or tool_tokenizer(family), context
        self.prompts = TokenPrompts(self.tokenizer, GenerationConfig(), context)
        self.script, self.cut = script, cut
        self.seen: list[rg.GenerationRequest] = []

    def generate(
        self, prompts: Sequence[rg.GenerationRequest], n: int, sampling: rg.SamplingParams
    ) -> Iterator[tuple[int, list[rg.Completion]]]:
        for request, prompt in zip(prompts, self.prompts.encode(prompts, n, sampling), strict=True):
            self.seen.append(request)
            first = request.first_sample
            said = [self._said(request, sample)[: prompt.budget] for sample in range(first, first + n)]
            yield (
                prompt.index,
                [
                    self.prompts.completion(prompt.ids, ids, (-0.5,) * len(ids), (), prompt.tools)
                    for ids in said
                ],
            )

    def encode_reply(self, completion: rg.Completion, messages: Sequence[rg.Message]) -> tuple[int, ...]:
        return self.prompts.encode_reply(completion, messages)

    def takes_tools(self) -> bool:
        return self.prompts.takes_tools()

    def _said(self, request: rg.GenerationRequest, sample: int) -> tuple[int, ...]:
        ids = tuple(self.tokenizer.encode(self.script(request, sample), add_special_tokens=False))
        end = self.tokenizer.eos_token_id
        assert isinstance(end, int)
        return ids if self.cut or (ids and ids[-1] in self.prompts.end_ids) else (*ids, end)


__all__ = ["CHATML", "FAMILIES", "TOOL_FAMILIES", "WITHOUT_TOOLS", "Speaker", "call_text", "tool_tokenizer"]
