"""IFBench's 58 kinds."""

import sys
import time

import pytest

import rlvr_gym as rg
from rlvr_gym.verifiers.instructions import IFBENCH, build
from rlvr_gym.verifiers.instructions.tokens import word_tokens
from tests.rlvr_gym.ifbench_cases import CASES

REFUSED = {"words:start_verb"}
FOLLOWS = [(id, text) for id, (_, right, _) in CASES.items() for text in right]
BREAKS = [(id, text) for id, (_, _, wrong) in CASES.items() for text in wrong]


def judged(id, text):
    task = rg.Task(prompt="?")
    return build(id, CASES[id][0]).verify(task, rg.Completion(text=text))


def test_there_are_58_kinds_and_each_that_can_be_judged_has_cases():
    assert len(IFBENCH) == 58
    assert set(CASES) == set(IFBENCH) - REFUSED


@pytest.mark.parametrize(("id", "text"), FOLLOWS)
def test_a_response_that_follows_is_right(id, text):
    assert judged(id, text).correct, judged(id, text).detail


@pytest.mark.parametrize(("id", "text"), BREAKS)
def test_a_response_that_does_not_follow_is_wrong_and_says_why(id, text):
    verdict = judged(id, text)
    assert verdict.score == 0.0
    assert verdict.detail


@pytest.mark.parametrize("id", sorted(CASES))
def test_saying_nothing_follows_nothing(id):
    for text in ("", " \n\t", "\u200b", "<think>level radar</think>"):
        assert not judged(id, text).correct


@pytest.mark.parametrize("id", sorted(CASES))
def test_no_response_is_judged_slowly(id):
    constraint = build(id, CASES[id][0])
    for unit in ("a", "a. ", "'\"", "(", "* -\n", "!?", " \n", ","):
        began = time.process_time()
        constraint.verify(rg.Task(prompt="?"), rg.Completion(text=unit * (12_000 // len(unit)) + "x"))
        assert time.process_time() - began < 2.0, unit


@pytest.mark.parametrize("id", sorted(CASES))
def test_a_request_names_its_arguments(id):
    given, constraint = CASES[id][0], build(id, CASES[id][0])
    assert constraint.id == id
    for name, value in given.items():
        if name not in ("reference_text", "prompt_to_repeat"):
            assert str(int(value) if isinstance(value, float) else value) in constraint.request


def test_a_kind_that_cannot_be_judged_is_refused_with_the_reason():
    with pytest.raises(
        rg.ConfigError, match=r"'words:start_verb' cannot be judged here: it asks nltk's tagger"
    ):
        build("words:start_verb", {})


@pytest.mark.parametrize(
    ("id", "given", "message"),
    [
        ("count:numbers", {}, "takes N; given: none"),
        ("count:numbers", {"N": 2.5}, "N must be a whole number of at least 0, not 2.5"),
        ("count:numbers", {"N": "2"}, "N must be a whole number"),
        ("count:word_count_range", {"min_words": 5, "max_words": 4}, "max_words must be at least min_words"),
        ("ratio:stop_words", {"percentage": 101}, "percentage must be from 0 to 100, not 101"),
        ("ratio:overlap", {"reference_text": " ", "percentage": 5}, "reference_text must be text"),
        ("format:options", {"options": "yes"}, "options are parted by"),
        ("repeat:repeat_span", {"prompt_to_repeat": "a b", "n_start": 5, "n_end": 6}, "no words from 5 to 6"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(id, given, message):
    with pytest.raises(rg.ConfigError, match=message):
        build(id, given)


@pytest.mark.parametrize(
    ("module", "id"), [("emoji", "format:emoji"), ("syllapy", "words:odd_even_syllables")]
)
def test_what_a_kind_needs_is_named_when_it_is_made(monkeypatch, module, id):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(rg.ConfigError, match=rf"needs {module}: pip install .*\[ifeval\]"):
        build(id, {})


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Good muffins cost $3.88\nin New York.", "Good|muffins|cost|$|3.88|in|New|York|."),
        ("They'll say \"no\", won't they?", "They|'ll|say|``|no|''|,|wo|n't|they|?"),
        ("I cannot cannot work... (at all) -- gonna!", "I|can|not|can|not|work|...|(|at|all|)|--|gon|na|!"),
        ("It's 1,234.5; 'tis so: ok", "It|'s|1,234.5|;|'|tis|so|:|ok"),
        ("One. Two.", "One|.|Two|."),
    ],
)
def test_tokens_are_the_penn_treebanks(text, tokens):
    assert word_tokens(text) == tokens.split("|")
