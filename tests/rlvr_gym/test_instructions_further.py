"""The kinds of our own, several instructions at once, the accuracies of many, and hostile texts."""

import importlib.util
import time
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import instructions

_spec = importlib.util.spec_from_file_location(
    "instruction_cases", Path(__file__).with_name("instruction_cases.py")
)
assert _spec is not None
assert _spec.loader is not None
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)

TASK = rg.Task(prompt="Write.")

FURTHER = {
    "different_words": ({"at_least": 3}, ["one two three", "One, don't two"], ["one One ONE two", "! ? ."]),
    "words_between": ({"low": 2, "high": 3}, ["one two", "one two three"], ["one", "one two three four"]),
    "number_count": ({"exactly": 2}, ["1,234.5 and 7", "a1b2 c"], ["1 2 3 go", "1, 2", "one and two"]),
    "without_letter": ({"letter": "e", "at_least": 2}, ["No such sign"], ["the end", "CODE it", "no", "!!!"]),
    "numbered_list": (
        {"exactly": 2},
        ["1. a\n2. b", "So:\n 1) a\n\n2) b\nthat is all"],
        ["1. a\n3. b", "2. b\n1. a", "1. a", "1. a\n2. b\n3. c", "1. a 2. b", "1.\n2."],
    ),
    "nth_word": (
        {"position": 2, "word": "Cat"},
        ["a cat", "My CAT! No"],
        ["cat a", "a", "a cats", "my cat's tail"],
    ),
    "same_ends": ({"between": 2}, ["So it goes, so."], ["so so", "so it so", "so it goes on"]),
    "words_in_order": (
        {"words": ["cat", "dog"]},
        ["A cat, a dog, a cat"],
        ["A dog, a cat, a dog", "A cat", "cats dog"],
    ),
    "acrostic": (
        {"word": "Hi"},
        ["Here we are\nin town", "- how so\n\n- I see"],
        ["here we are", "hi", "here\nin", "in town\nhere we are"],
    ),
    "exactly_once": ({"words": ["cat", "dog"]}, ["A cat, a Dog."], ["cat dog cat", "cats, dog", ""]),
    "short_words": (
        {"longest": 3, "at_least": 3},
        ["It is so", "we did it"],
        ["it is done", "so so", "!!!"],
    ),
    "question_count": (
        {"exactly": 2},
        ["Who? What? Ah."],
        ["Who?", "Who?? What?", "? ?", "Who? What? Why?"],
    ),
    "growing_lines": (
        {"exactly": 2},
        ["one\ntwo words", "a b\n\na b c"],
        ["one two", "a b\nc d", "!\none", "a\na b\na b c"],
    ),
    "nested_brackets": (
        {"depth": 2},
        ["a (b (c) d)", "(so (on)) and (on)"],
        ["(a)", "((a))", "(a (b)", "(a (b))) c", ")(a (b))", "none", "(a (b (c)))"],
    ),
    "capitalised": ({"at_least": 2}, ["All The 3 Things", "Ünder Ämter"], ["All the Things", "All", "!"]),
    "table": (
        {"columns": 2, "rows": 1},
        ["| a | b |\n|---|:--:|\n| 1 | 2 |", "So:\n|a|b|\n|---|---|\n|1|2|\nok"],
        [
            "| a | b |\n| 1 | 2 |\n|---|---|",
            "| a | b |\n|---|---|",
            "| a |\n|---|\n| 1 |",
            "|a|b|\n|---|---|\n|1||",
        ],
    ),
}


@pytest.mark.parametrize("name", FURTHER)
def test_a_further_kind_is_followed_or_not(name):
    arguments, right, wrong = FURTHER[name]
    constraint = instructions.build(f"rlvr:{name}", arguments)
    assert constraint.id == f"rlvr:{name}"
    assert getattr(instructions, name)(**arguments).request == constraint.request
    for text in right:
        assert constraint.verify(TASK, rg.Completion(text=text)).correct, text
    for text in wrong:
        assert not constraint.verify(TASK, rg.Completion(text=text)).correct, text


def follows(constraint, text):
    return constraint.verify(TASK, rg.Completion(text=text)).correct


@pytest.mark.parametrize(
    "text",
    [
        'Have you read "Dune"? I did.',
        "What about C++? It is fast.",
        "Is it so (truly)? Yes.",
        "Is it 50%? Yes.",
        "Is it *this*? Yes.",
        "At 5 p.m.? Yes.",
        "Who said 'stop!'? I did.",
        "Really?!",
        "What!? No.",
        "C'est vrai ? Oui.",
        "« Vraiment » ? Oui.",
        "C'est vrai\u202f? Oui.",
        "真的吗？是。",
        "`f(x)`? Yes.",
        "Is it [this](https://a.b)? Yes.",
    ],
)
def test_a_question_may_end_with_signs_before_its_mark(text):
    assert follows(instructions.question_count(1), text)
    assert not follows(instructions.question_count(2), text)
    assert not follows(instructions.question_count(1), text + " And why?")


@pytest.mark.parametrize(
    "text", ["Why??", "Why?)?", "Yes. ?", "Yes.\n?", 'He said "no." ?', "?", '"?"', "Why? !?", "Why?\n***?"]
)
def test_a_mark_that_ends_nothing_is_no_question(text):
    for exactly in (1, 2):
        assert not follows(instructions.question_count(exactly), text)


def test_the_mark_of_a_web_address_asks_nothing():
    asked = "See https://a.b/c?x=1. Is it so?"
    assert follows(instructions.question_count(1), asked)
    assert not follows(instructions.question_count(1), "See https://a.b/c?x=1.")
    assert follows(instructions.question_count(1), "Have you seen https://a.b/c?")


@pytest.mark.parametrize("fence", ["```", "~~~~", "```markdown"])
def test_a_table_in_a_fence_is_shown_as_none(fence):
    shown = "| a | b |\n|---|---|\n| 1 | 2 |"
    closing = fence.rstrip("markdown")
    assert not follows(instructions.table(columns=2, rows=1), f"{fence}\n{shown}\n{closing}\nSo.")
    assert not follows(instructions.table(columns=2, rows=1), f"{fence}\n{shown}")
    assert follows(instructions.table(columns=2, rows=1), f"{fence}\n{shown}\n{closing}\n{shown}")


def test_the_entries_of_a_list_may_be_set_off_by_tabs():
    assert follows(instructions.numbered_list(2), "1.\tone\n2.\ttwo")
    assert not follows(instructions.numbered_list(2), "1.one\n2.two")


@pytest.mark.parametrize("apostrophe", "'’‘ʼ＇")
def test_an_apostrophe_is_no_letter_whichever_it_is(apostrophe):
    text = f"I don{apostrophe}t know him."
    assert follows(instructions.short_words(longest=4, at_least=4), text)
    assert not follows(instructions.short_words(longest=3, at_least=4), text)
    assert not follows(instructions.short_words(longest=4, at_least=5), text)
    assert follows(instructions.exactly_once(["don't"]), text)
    assert follows(instructions.nth_word(2, f"don{apostrophe}t"), "I don't know him.")
    assert follows(instructions.different_words(2), f"don{apostrophe}t do")
    assert not follows(instructions.different_words(2), f"don{apostrophe}t don't")


def test_an_accent_is_a_part_of_its_letter_however_it_is_encoded():
    decomposed = "Le cafe\u0301a va"
    assert follows(instructions.short_words(longest=5, at_least=3), decomposed)
    assert not follows(instructions.short_words(longest=4, at_least=3), decomposed)
    assert not follows(instructions.different_words(4), decomposed)


@pytest.mark.parametrize(
    "text",
    [
        "a | b\n--- | ---\n1 | 2",
        "| a | b |\n| :-- | --: |\n| x \\| y | 2 |",
        "|a|b|\n|-|-|\n|1|2|",
        "  | a | b\n  |---|---\n  | 1 | 2",
        "So: a table\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nx | y is no table",
        "| a | b |\r\n|---|---|\r\n| 1 | 2 |\r\nThat is all.",
    ],
)
def test_a_table_is_what_markdown_shows_as_one(text):
    assert follows(instructions.table(columns=2, rows=1), text)
    assert not follows(instructions.table(columns=2, rows=2), text)
    assert not follows(instructions.table(columns=3, rows=1), text)


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n\n| 1 | 2 |",
        "| a | b |\n|---|\n| 1 | 2 |",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "| a \\| b |\n|---|---|\n| 1 | 2 |",
        "a b\n--- ---\n1 2",
        "| a | b |\n| 1 | 2 |",
    ],
)
def test_lines_with_bars_are_no_table_of_two_columns_and_a_row(text):
    assert not follows(instructions.table(columns=2, rows=1), text)


def test_further_kinds_are_none_of_ifevals_and_ask_for_words():
    assert {f"rlvr:{name}" for name in FURTHER} == set(instructions.FURTHER)
    assert not set(instructions.FURTHER) & set(instructions.IFEVAL)
    for id in instructions.FURTHER:
        constraint = instructions.build(id, cases.ARGUMENTS[id])
        assert not constraint.verify(TASK, rg.Completion(text="!!! ... ???")).correct


def instructed(*given, **more):
    listed = [{"id": id, "arguments": arguments} for id, arguments in given]
    return rg.Task(prompt="Write.", reference={"instructions": listed, **more})


NO_COMMA = ("punctuation:no_comma", {})
THREE_WORDS = ("length_constraints:number_words", {"num_words": 3, "relation": "at least"})
FIVE_WORDS = ("length_constraints:number_words", {"num_words": 5, "relation": "less than"})


def test_all_instructions_of_a_prompt_must_be_followed():
    task = instructed(NO_COMMA, THREE_WORDS, FIVE_WORDS)
    verifier = instructions.Instructions()
    right = verifier.verify(task, rg.Completion(text="one two three"))
    assert right.correct
    assert list(right.parts) == [NO_COMMA[0], THREE_WORDS[0], f"{THREE_WORDS[0]}#2"]
    wrong = verifier.verify(task, rg.Completion(text="one, two"))
    assert (wrong.score, [part.correct for part in wrong.parts.values()]) == (0.0, [False, False, True])
    assert wrong.detail == f"{NO_COMMA[0]}: 1 commas; {THREE_WORDS[0]}: 2 words, not at least 3"


def test_the_share_of_instructions_that_are_followed_can_count():
    verifier = instructions.Instructions(score="instruction")
    task = instructed(NO_COMMA, THREE_WORDS)
    assert verifier.verify(task, rg.Completion(text="one, two, three")).score == 0.5
    assert verifier.verify(task, rg.Completion(text="")).score == 0.0
    assert verifier.verify(task, rg.Completion(text="one two three")).score == 1.0


def test_one_verdict_says_strict_and_loose_and_the_mode_decides():
    task, text = instructed(NO_COMMA, THREE_WORDS), rg.Completion(text="Sure, gladly:\none two three")
    strict, loose = (instructions.Instructions(mode).verify(task, text) for mode in ("strict", "loose"))
    assert (strict.correct, loose.correct) == (False, True)
    for verdict in (strict, loose):
        part = verdict.parts[NO_COMMA[0]]
        assert (part.parts["strict"].correct, part.parts["loose"].correct) == (False, True)


def test_accuracies_are_means_over_prompts_and_over_instructions():
    verifier = instructions.Instructions()
    verdicts = [
        verifier.verify(instructed(NO_COMMA), rg.Completion(text="fine")),
        verifier.verify(instructed(NO_COMMA, THREE_WORDS), rg.Completion(text="one two")),
        verifier.verify(instructed(NO_COMMA, THREE_WORDS, FIVE_WORDS), rg.Completion(text="a, b:\none two three")),
        verifier.verify(instructed(NO_COMMA), rg.Completion(text="")),
        rg.Verdict.unscored("no judge"),
    ]  # fmt: skip
    strict = instructions.accuracies(verdicts, mode="strict")
    assert (strict.prompt, strict.instruction) == (1 / 4, 3 / 7)
    assert strict.by_kind == {NO_COMMA[0]: 2 / 4, THREE_WORDS[0]: 1 / 3}
    loose = instructions.accuracies(verdicts, mode="loose")
    assert (loose.prompt, loose.instruction) == (2 / 4, 5 / 7)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("be brief", "has no instructions to judge by"),
        ({"instructions": []}, "has no instructions to judge by"),
        ({"instructions": [{"id": "be:brief"}]}, "no instruction 'be:brief'"),
        ({"instructions": [{"id": THREE_WORDS[0], "arguments": {"num_words": "3", "relation": "at least"}}]}, "whole"),
    ],
)  # fmt: skip
def test_a_reference_that_cannot_be_judged_by_is_a_fault_and_never_a_wrong_answer(reference, message):
    task = rg.Task(prompt="?", reference=reference)
    with pytest.raises(rg.VerifierFault, match=message):
        instructions.Instructions().verify(task, rg.Completion(text="hello"))
    with pytest.raises(rg.VerifierFault, match=message):
        instructions.Instructions().check(task)


@pytest.mark.parametrize("id", cases.ARGUMENTS)
def test_hostile_texts_are_judged_quickly(id):
    constraint = instructions.build(id, cases.ARGUMENTS[id]).loosely()
    for piece in cases.REPEATED:
        text = rg.Completion(text="Hi.\n" + (piece * 10_000)[:10_000] + "\nx")
        began = time.thread_time()
        assert constraint.verify(TASK, text).scored
        assert time.thread_time() - began < 2.0, piece


@pytest.mark.slow
@pytest.mark.parametrize("id", cases.ARGUMENTS)
def test_the_longest_hostile_texts_are_judged_quickly(id):
    constraint = instructions.build(id, cases.ARGUMENTS[id]).loosely()
    for piece in cases.REPEATED:
        for length in (99_990, 1_000_000):
            text = rg.Completion(text="Hi.\n" + (piece * length)[:length] + "\nx")
            began = time.thread_time()
            assert constraint.verify(TASK, text).scored
            assert time.thread_time() - began < 4.0, piece


def test_the_verifiers_keep_their_contract():
    check_verifier(instructions.no_comma(), [TASK])
    check_verifier(instructions.Instructions("loose"), [instructed(*list(cases.ARGUMENTS.items())[::6])])


def test_a_solution_that_does_not_follow_its_own_instructions_is_named():
    asked = [instructions.Instruction(id="rlvr:question_count", arguments={"exactly": 1})]
    for solution, follows in (("Who is it?", True), ("It is me.", False)):
        stored = instructions.Instructed(instructions=tuple(asked), solution=solution)
        task = rg.Task(id="mine", prompt="?", reference=stored.model_dump(mode="json"))
        if follows:
            instructions.Instructions().check(task)
        else:
            with pytest.raises(rg.VerifierFault, match=r"its own gold answer, .* is incorrect"):
                instructions.Instructions().check(task)
