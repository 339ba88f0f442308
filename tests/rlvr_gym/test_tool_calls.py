"""Calls in what a policy sampled, family by family: read from ids, each malformed one by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rlvr_gym.generation.base import UnknownCalls
from rlvr_gym.generation.calls.codec import ToolCodec
from rlvr_gym.generation.calls.tagged import instructions, plain_turn
from rlvr_gym.generation.calls.turn import ParsedTurn
from rlvr_gym.tools.calls import MalformedCall, ToolCall, ToolSpec
from tests.rlvr_gym.tokenizer_families import CHATML
from tests.rlvr_gym.tool_families import TOOL_FAMILIES, WITHOUT_TOOLS, call_text, json_call, tool_tokenizer

EVERY_FAMILY = pytest.mark.parametrize("family", list(TOOL_FAMILIES))
JSON_IN_TAGS = pytest.mark.parametrize("family", ["Qwen 3", "Hermes"])
SPEC = ToolSpec(
    name="add",
    description="Add.",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    },
)


def parsed(family: str, text: str, *, opened: str = "", tools: tuple[ToolSpec, ...] = (SPEC,)) -> ParsedTurn:
    tokenizer = tool_tokenizer(family)
    codec = ToolCodec.of(tokenizer)
    assert codec is not None
    return codec.parse(tokenizer.encode(text, add_special_tokens=False), tools, opened=opened)


def calls(family: str, text: str, **more: Any) -> list[tuple[str, Any]]:
    """The name and the arguments of each call; of a malformed one, its fault."""
    return [
        (call.name, call.arguments if isinstance(call, ToolCall) else call.fault)
        for call in parsed(family, text, **more).calls
    ]


@EVERY_FAMILY
@pytest.mark.parametrize(
    "arguments",
    [
        {"a": 1, "b": 2},
        {"a": -1, "b": "two words, \"quoted\" and {braced}"},
        {"b": "a line\nand another\n"},
        {"b": "</tool_calls> [ARGS] <|call |> <function> ; ]}"},
        {"b": "\u00e9 \u6f22 \U0001f600"},
        {},
    ],
)  # fmt: skip
def test_a_call_is_read_as_its_family_writes_it(family: str, arguments: dict[str, object]):
    assert calls(family, call_text(family, "add", arguments)) == [("add", arguments)]


@EVERY_FAMILY
def test_a_call_is_read_as_the_template_itself_writes_it(family: str):
    tokenizer = tool_tokenizer(family)
    arguments = {"a": 12, "b": "x"}
    function = {"name": "add", "arguments": arguments}
    question = {"role": "user", "content": "Go."}
    call = {"id": "call00001", "type": "function", "function": function}
    asked, said = (
        tokenizer.apply_chat_template(
            conversation, tools=[SPEC.schema], tokenize=False, add_generation_prompt=more
        )
        for conversation, more in (
            ([question], True),
            ([question, {"role": "assistant", "content": "", "tool_calls": [call]}], False),
        )
    )
    assert isinstance(asked, str)
    assert isinstance(said, str)
    assert said.startswith(asked)
    assert calls(family, said[len(asked) :].replace(TOOL_FAMILIES[family].end, "")) == [("add", arguments)]


@EVERY_FAMILY
def test_a_turn_without_calls_has_none(family: str):
    for text in ("The answer is 42.", "", '{"answer": 42}', "call add(1, 2)", "[1, 2]", '"add"'):
        assert parsed(family, text).calls == (), text


@pytest.mark.parametrize("family", ["Qwen 3", "Qwen Coder", "Mistral", "Mistral, named", "Llama 3", "Hermes"])
def test_what_is_thought_is_no_call(family: str):
    call = call_text(family, "add", {"a": 1})
    other = call_text(family, "add", {"a": 2})
    for text, opened in (
        (f"<think>\nI could {call}\n</think>\n\n", ""),
        (f"I could {call}\n</think>\n\n", "<think>\n"),
        (f"<think>\nnever closed {call}", ""),
        (f"never closed {call}", "<think>\n"),
    ):
        turn = parsed(family, text, opened=opened)
        assert turn.calls == (), text
        assert "add" in turn.reasoning
        assert turn.text == ""
    assert calls(family, f"<think>{call}</think>{other}") == [("add", {"a": 2})]


def test_in_gpt_oss_the_recipient_makes_a_call_and_the_analysis_is_thought():
    text = f"<|channel|>analysis<|message|>I could add.<|end|><|start|>assistant{call_text('gpt-oss', 'add', {'a': 1})}"
    turn = parsed("gpt-oss", text)
    assert turn.reasoning == "I could add."
    assert [(call.name, getattr(call, "arguments", None)) for call in turn.calls] == [("add", {"a": 1})]
    final = parsed(
        "gpt-oss", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>42"
    )
    assert (final.reasoning, final.text, final.calls) == ("hm", "42", ())
    told = parsed("gpt-oss", " to=functions.add<|channel|>commentary json<|message|>{\"a\": 1}<|call|>")  # fmt: skip
    assert [call.name for call in told.calls] == ["add"]
    assert calls("gpt-oss", "<|channel|>commentary to=python<|message|>print(1)") == [
        ("python", "not JSON: Expecting value at character 0")
    ]


@JSON_IN_TAGS
def test_several_calls_in_a_turn_are_read_one_by_one(family: str):
    good, bad = json_call("add", {"a": 1}), '{"name": "add", "arguments": {"a": 1}'
    text = f"One. <tool_call>{good}</tool_call> Two. <tool_call>{bad}</tool_call><tool_call>{good}</tool_call> So."
    turn = parsed(family, text)
    assert [type(call) for call in turn.calls] == [ToolCall, MalformedCall, ToolCall]
    assert turn.text == "One.  Two.  So."
    assert [call.id for call in turn.calls] == ["call00000", "call00001", "call00002"]


def test_several_calls_are_read_in_the_other_families_too():
    one, two = json_call("add", {"a": 1}, "parameters"), json_call("sub", {}, "parameters")
    expected = [("add", {"a": 1}), ("sub", {})]
    for between in ("; ", "\n", "", "<|python_tag|>"):
        assert calls("Llama 3", f"<|python_tag|>{one}{between}{two}") == expected
    assert calls("Llama 3", f"{one};{two}") == expected
    assert calls("Mistral", f"Well. [TOOL_CALLS] [{one}, {two}]") == expected
    assert calls("Mistral, named", '[TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]sub[ARGS]{}') == expected
    assert calls("Mistral, named", '[TOOL_CALLS]add{"a": 1}[TOOL_CALLS]sub') == expected


def test_a_malformed_call_leaves_the_calls_beside_it_alone():
    good, bad = json_call("add", {"a": 1}), '{"name": "add", "arguments": {"a": 1}'
    assert calls("Llama 3", f"{good}; {bad}")[0] == ("add", {"a": 1})
    assert len(calls("Llama 3", f"{good}; {bad}")) == 2
    for text in (f"[TOOL_CALLS] [{good}, {bad}]", f"[TOOL_CALLS] [{good}", f"[TOOL_CALLS] [{good}, {bad}"):
        first, second = calls("Mistral", text)
        assert first == ("add", {"a": 1})
        assert isinstance(second[1], str)
    found = calls("Mistral, named", '[TOOL_CALLS]add[ARGS]{"a": 1[TOOL_CALLS]sub[ARGS]{}')
    assert [name for name, _ in found] == ["add", "sub"]
    assert isinstance(found[0][1], str)
    assert found[1][1] == {}


@JSON_IN_TAGS
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('{"name": "add", "arguments": {"a": 1}', "not JSON: Expecting ',' delimiter"),
        ('{"name": "add", "arguments": {"a": 1}}}', "more stands behind it"),
        ('{"name": "add", "arguments": {"a": 1}}\n{"name": "add"}', "more stands behind it"),
        ("{'name': 'add'}", "not JSON"),
        ("", "not JSON"),
        ("add(1, 2)", "not JSON"),
        ("[1]", "not an array"),
        ('"add"', "not a text"),
        ("{}", "needs a 'name'"),
        ('{"name": ""}', "needs a 'name'"),
        ('{"name": 3, "arguments": {}}', "needs a 'name'"),
        ('{"name": "add", "a": 1}', "and not 'a' beside them"),
        ('{"name": "add", "arguments": [1]}', "the arguments are an array"),
        ('{"name": "add", "arguments": 1}', "the arguments are a number"),
        ('{"name": "add", "arguments": "{\\"a\\": 1"}', "not JSON"),
        ('{"name": "add", "arguments": "\\"a\\""}', "the arguments are a text"),
        ('{"name": "add", "arguments": {}, "parameters": {}}', "are one thing"),
        ('{"name": "add", "name": "sub"}', "the key 'name' stands twice"),
        ('{"name": "add", "arguments": {"a": NaN}}', "NaN is not JSON"),
        ('{"name": "add", "arguments": {"a": 1e999}}', "a number is too large"),
        ('{"name": "add", "arguments": {"a": ' + "9" * 5000 + "}}", "not JSON that can be read"),
        ('{"name": "add", "arguments": {"a": ' + "[" * 50 + "]" * 50 + "}}", "nested more than 32 deep"),
        ("[" * 100_000, "not JSON that can be read"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(family: str, body: str, fault: str):
    turn = plain_turn(f"<tool_call>{body}</tool_call>", (SPEC,)) if len(body) > 9000 else parsed(
        family, f"<tool_call>\n{body}\n</tool_call>"
    )  # fmt: skip
    (call,) = turn.calls
    assert isinstance(call, MalformedCall)
    assert fault in call.fault
    assert call.text == body.strip()


@JSON_IN_TAGS
def test_a_call_that_is_never_closed_is_malformed(family: str):
    good = json_call("add", {"a": 1})
    assert calls(family, f"<tool_call>{good}") == [("", "it is never closed with </tool_call>")]
    found = calls(family, f"<tool_call>{good}<tool_call>{good}</tool_call>")
    assert found == [("", "it is never closed with </tool_call>"), ("add", {"a": 1})]


@EVERY_FAMILY
@pytest.mark.parametrize("arguments", ["", "null", "{}", '""'])
def test_no_arguments_are_written_in_many_ways(family: str, arguments: str):
    name = {"Llama 3": "parameters"}.get(family, "arguments")
    written = f'{{"name": "add", "{name}": {arguments}}}' if arguments else '{"name": "add"}'
    text = {
        "Qwen Coder": "<tool_call>\n<function=add>\n</function>\n</tool_call>",
        "Llama 3": written,
        "Mistral": f"[TOOL_CALLS] [{written}]",
        "Mistral, named": f"[TOOL_CALLS]add[ARGS]{arguments}",
        "gpt-oss": f"<|channel|>commentary to=functions.add<|message|>{arguments}<|call|>",
    }.get(family, f"<tool_call>{written}</tool_call>")
    assert calls(family, text) == [("add", {})]


def test_arguments_may_be_an_object_as_text():
    assert calls("Qwen 3", f"<tool_call>{json_call('add', json.dumps({'a': 1}))}</tool_call>") == [
        ("add", {"a": 1})
    ]


def test_markers_within_an_argument_are_text():
    for text in ("</tool_call>", "<tool_call>", "<think>", "</think>", "a </tool_call><tool_call> b"):
        for family in ("Qwen 3", "Hermes"):
            assert calls(family, call_text(family, "add", {"b": text})) == [("add", {"b": text})], (
                family,
                text,
            )
    assert calls("Mistral", call_text("Mistral", "add", {"b": "[TOOL_CALLS]"})) == [
        ("add", {"b": "[TOOL_CALLS]"})
    ]


def test_a_marker_that_is_a_token_counts_as_that_token_alone():
    tokenizer = tool_tokenizer("Qwen 3")
    codec = ToolCodec.of(tokenizer)
    assert codec is not None
    call = json_call("add", {"a": 1})
    spelled = [
        id
        for character in f"<tool_call>{call}</tool_call>"
        for id in tokenizer.encode(character, add_special_tokens=False)
    ]
    assert tokenizer.decode(spelled) == f"<tool_call>{call}</tool_call>"
    assert codec.parse(spelled, (SPEC,)).calls == ()
    assert [name for name, _ in calls("Hermes", f"<tool_call>{call}</tool_call>")] == ["add"]


def test_no_character_of_a_policy_makes_a_marker():
    signs = "".join(chr(0xF0F00 + place) for place in range(16))
    turn = parsed("Qwen 3", f"{signs}{json_call('add', {})}{signs}")
    assert turn.calls == ()


@pytest.mark.parametrize(
    ("written", "arguments"),
    [
        ("<parameter=a>\n3\n</parameter>\n<parameter=b>\n3\n</parameter>", {"a": 3, "b": 3}),
        ("<parameter=b>\nx = [1]\nprint(x)\n</parameter>", {"b": "x = [1]\nprint(x)"}),
        ("<parameter=b>\n[1]\n</parameter>", {"b": "[1]"}),
        ("<parameter=a>\nthree\n</parameter>", {"a": "three"}),
        ("<parameter=a>\n3.5\n</parameter>", {"a": "3.5"}),
        ("<parameter=z>\n3\n</parameter>", {"z": "3"}),
    ],
)
def test_values_in_xml_have_the_type_of_the_schema_or_stay_text(written: str, arguments: dict[str, object]):
    text = f"<tool_call>\n<function=add>\n{written}\n</function>\n</tool_call>"
    assert calls("Qwen Coder", text) == [("add", arguments)]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<function=add>\n<parameter=a>\n3\n</function>", "parameters are <parameter=NAME>"),
        ("<function=add>\n<parameter=a>1</parameter><parameter=a>2</parameter></function>", "stands twice"),
        ("<function=add>\n<parameter=a>1</parameter>", "it is not <function=NAME>"),
    ],
)
def test_xml_that_cannot_be_read_is_malformed(body: str, fault: str):
    ((_, said),) = calls("Qwen Coder", f"<tool_call>{body}</tool_call>")
    assert fault in said


def test_a_json_answer_of_llama_is_no_call_unless_it_names_a_tool():
    assert calls("Llama 3", '{"name": "Bob"}') == []
    assert calls("Llama 3", '{"name": "add"}') == [("add", {})]
    assert calls("Llama 3", '{"age": 3, "parameters": {}}') == []
    ((_, fault),) = calls("Llama 3", '<|python_tag|>brave_search.call(query="x")')
    assert fault == "a call is JSON, with 'name' and 'parameters'"
    ((_, fault),) = calls("Llama 3", '{"name": "add", "parameters": {"a": 1}')
    assert "not JSON" in fault


@pytest.mark.parametrize("family", WITHOUT_TOOLS)
def test_a_template_without_tools_has_no_codec(family: str):
    assert ToolCodec.of(tool_tokenizer(family)) is None


def test_a_template_that_writes_calls_in_an_unknown_form_is_refused():
    tokenizer = tool_tokenizer("ChatML")
    tokenizer.chat_template = (
        "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}"
        "{{ '<|im_start|>' + m.role + m.content }}"
        "{% for c in m.tool_calls or [] %}{{ '<tool_call>' + c.function.name }}<arg>x</arg></tool_call>{% endfor %}"
        "{{ '<|im_end|>' }}{% endfor %}"
    )
    with pytest.raises(UnknownCalls, match="in a form that is not known here; known are"):
        ToolCodec.of(tokenizer)
    tokenizer.chat_template = CHATML + "{% if tools %}{{ tools }}{% endif %}{{ messages[1].tool_calls + 1 }}"
    assert ToolCodec.of(tokenizer) is None
    tokenizer.chat_template = (
        "{% if messages | length > 1 %}{{ raise_exception('one') }}{% endif %}{{ tools }}"
    )
    with pytest.raises(UnknownCalls):
        ToolCodec.of(tokenizer)


def test_a_template_that_refuses_tools_knows_none():
    tokenizer = tool_tokenizer("ChatML")
    tokenizer.chat_template = CHATML + "{% if tools %}{{ raise_exception('no tools') }}{% endif %}"
    assert ToolCodec.of(tokenizer) is None


def test_a_tokenizer_is_looked_at_again_when_its_template_changes():
    tokenizer = tool_tokenizer("Hermes")
    assert ToolCodec.of(tokenizer) is ToolCodec.of(tokenizer) is not None
    tokenizer.chat_template = CHATML
    assert ToolCodec.of(tokenizer) is None


def test_the_instructions_name_every_tool_and_their_example_is_a_call():
    text = instructions((SPEC,))
    assert '"name": "add"' in text
    assert [call.name for call in plain_turn(text.replace("VALUE", "1"), ()).calls] == ["NAME"]
