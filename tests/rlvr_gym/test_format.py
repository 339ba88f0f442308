import pytest

from rlvr_gym import Completion, ConfigError, Task
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import TagFormat

TASK = Task(prompt="?", reference="42")


def verdict(text, *tags):
    return (TagFormat(tags) if tags else TagFormat()).verify(TASK, Completion(text=text))


@pytest.mark.parametrize(
    "text",
    [
        "<think>so</think><answer>42</answer>",
        "  <think>\nso\n</think>\n\n<answer> 42 </answer>\n",
        "<think>a < b and <b>bold</b></think><answer>42</answer>",
    ],
)
def test_the_structure_asked_for_is_right(text):
    assert verdict(text).correct


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "found none of them"),
        ("42", "found none of them"),
        ("<answer>42</answer>", "found <answer> </answer>"),
        ("<answer>42</answer><think>so</think>", "found <answer> </answer> <think> </think>"),
        ("<think>so<answer>42</answer></think>", "found <think> <answer> </answer> </think>"),
        ("<think>so</think><answer>42", "found <think> </think> <answer>"),
        ("<think>so</think><answer>42</answer><answer>43</answer>", "found"),
        ("<think>so</think><think>so</think><answer>42</answer>", "found"),
        ("<think><think>so</think><answer>42</answer>", "found"),
        ("<think>so</think>\nSo: <answer>42</answer>", "text outside"),
        ("Well. <think>so</think><answer>42</answer>", "text outside"),
        ("<think>so</think><answer>42</answer>!", "text outside"),
        ("<think>so</think><answer> </answer>", "<answer> holds nothing"),
        ("<think></think><answer>42</answer>", "<think> holds nothing"),
        ("<THINK>so</THINK><ANSWER>42</ANSWER>", "found <THINK>"),
        ("< think>so</ think>< answer>42</ answer>", "found < think>"),
        ("so 42", "found none of them"),
        ("<think>so</think><answer>41<Answer >42</answer>", "found <think> </think> <answer> <Answer >"),
        ("<think>\u200b</think><answer>42</answer>", "<think> holds nothing"),
        ("<think>" * 200_000, "found <think> <think> <think> <think>"),
    ],
)
def test_any_other_structure_is_malformed(text, detail):
    found = verdict(text)
    assert found.outcome.value == "malformed"
    assert detail in found.detail
    assert len(found.detail) < 200


def test_other_tags_may_be_asked_for():
    assert verdict("<plan>a</plan><code>b</code><answer>c</answer>", "plan", "code", "answer").correct
    assert not verdict("<plan>a</plan><answer>c</answer>", "plan", "code", "answer").correct


@pytest.mark.parametrize("tags", [(), ("a", "a"), ("a b",), ("",), ("<a>",)])
def test_tags_must_be_different_names(tags):
    with pytest.raises(ConfigError, match="tags must be different names"):
        TagFormat(tags)


def test_it_keeps_the_verifier_contract():
    check_verifier(TagFormat(), [TASK, Task(prompt="?"), Task(prompt="?", reference={"numbers": [1]})])
