"""Answers to open questions: which ways of writing are the same answer, which are not, and what part of one earns."""

from __future__ import annotations

import time

import pytest

import rlvr_gym as rg
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import F1, AnswerContract, ExactMatch
from rlvr_gym.verifiers.open_answers import normal

EXACT, SHARED = ExactMatch("tag"), F1("tag")


def task(*golden: object) -> rg.Task:
    return rg.Task(id="t", prompt="Who?", reference=list(golden))  # pyright: ignore[reportArgumentType]


def said(answer: str, *golden: object, verifier: rg.Verifier = EXACT) -> rg.Verdict:
    return verifier.verify(task(*golden), rg.Completion(text=f"<answer>{answer}</answer>"))


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("The Beatles", "beatles"),
        ("Beatles", "the  BEATLES!"),
        ("U.S.", "US"),
        ("O'Brien", "O’Brien"),
        ("1,000 km", "1000 km"),
        ("1914-18", "1914–18"),
        ("1914-1918", "1914 – 1918"),
        ("Beyoncé", "Beyonce\u0301"),
        ("“Paris”", "Paris."),
        ("«Война и мир»", "война и мир"),
        ("東京", "東京。"),
        ("-5", "\u22125"),
        ("a", "A"),
        ("$5", "5"),
        ("12%", "12 per cent"),
        ("12 percent", "12\\%"),
    ],
)
def test_two_ways_to_write_one_answer_are_the_same(gold: str, answer: str):
    assert said(answer, gold).correct
    assert said(gold, answer).correct
    assert said(answer, gold, verifier=SHARED).correct


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1.5", "15"),
        ("-5", "5"),
        ("10:30", "1030"),
        ("1/2", "12"),
        ("2-1", "21"),
        ("10^5", "105"),
        ("C++", "C"),
        ("C#", "C"),
        ("vitamin A", "vitamin"),
        ("vitamin A", "vitamin the"),
        ("Hepatitis B", "Hepatitis A"),
        ("Paris", "Paris or London"),
        ("Paris", "Paris, London"),
        ("Paris", "The answer is Paris"),
        ("Paris", "not Paris"),
        ("Paris", "Pariss"),
        ("Paris", "<b>Paris</b>"),
        ("New York", "York New"),
        ("12,34", "1234"),
        ("5", "5%"),
        ("-5", "-5\\%"),
        ("café", "cafe"),
    ],
)
def test_two_answers_are_not_the_same(gold: str, answer: str):
    assert not said(answer, gold).correct
    assert not said(gold, answer).correct
    assert not said(answer, gold, verifier=SHARED).correct


def test_any_of_several_golden_answers_is_right():
    assert said("Big Apple", "New York City", "the Big Apple").correct
    assert said("1984", "Nineteen Eighty-Four", 1984).correct
    verdict = said("Boston", "a b", "b c", "c d", "d e")
    assert verdict.detail == "expected 'a b', 'b c', 'c d' or one of 1 more"


def test_f1_is_two_shared_words_of_three_and_four_by_hand():
    verdict = said("the great wall here", "Great Wall of China", verifier=SHARED)
    assert verdict.outcome is rg.Outcome.INCORRECT
    assert verdict.score == pytest.approx(2 * 2 / (3 + 4))


def test_f1_counts_a_repeated_word_as_often_as_it_is_right():
    assert said("duran duran duran", "Duran Duran", verifier=SHARED).score == pytest.approx(0.8)
    assert said("wall wall", "great wall", verifier=SHARED).score == pytest.approx(0.5)


def test_f1_takes_the_nearest_golden_answer():
    assert said("great wall", "wall", "great wall china", verifier=SHARED).score == pytest.approx(0.8)


@pytest.mark.parametrize(
    "answer",
    [
        "Paris, London",
        "London/Paris",
        "Paris or London",
        "Paris; Rome; Oslo",
        "Paris\nLondon",
        "Rome and Paris",
        "Paris (London)",
        "Paris. London.",
        "Paris maybe London",
        "Paris, but London",
        "Paris - London",
        "Paris、London",
        "  Paris \n\n  or   London ",
    ],
)
def test_a_list_with_the_right_answer_in_it_earns_no_part_of_it(answer: str):
    verdict = said(answer, "Paris", verifier=SHARED)
    assert (verdict.score, verdict.outcome) == (0.0, rg.Outcome.INCORRECT)
    assert verdict.detail.startswith("several answers side by side")


def test_a_name_with_a_comma_or_an_and_in_it_is_one_answer():
    assert said("Trinidad and Tobago", "Trinidad and Tobago", verifier=SHARED).correct
    assert said("Lennon and McCartney", "Lennon and Paul McCartney", verifier=SHARED).score == pytest.approx(
        6 / 7
    )


def test_yes_shares_nothing_with_a_sentence_that_begins_so():
    assert said("yes it is", "yes", verifier=SHARED).score == 0.0
    assert said("no", "yes", verifier=SHARED).score == 0.0


def test_words_in_another_order_are_near_and_not_right():
    verdict = said("York New", "New York", verifier=SHARED)
    assert verdict.score == 0.99
    assert verdict.outcome is rg.Outcome.INCORRECT


@pytest.mark.parametrize("verifier", [EXACT, SHARED], ids=["exact", "f1"])
@pytest.mark.parametrize(
    "text",
    [
        "<answer>Paris</answer> and <answer>London</answer>",
        "<think><answer>Paris</answer></think>",
        "Paris",
        "<answer>Paris",
        "<answer></answer>",
        "<answer>...</answer>",
    ],
)
def test_what_is_no_single_answer_earns_nothing(verifier: rg.Verifier, text: str):
    verdict = verifier.verify(task("Paris"), rg.Completion(text=text))
    assert (verdict.scored, verdict.score) == (True, 0.0)


@pytest.mark.parametrize(
    "golden", [(), ("",), ("Paris", "..."), (None,), ("Paris", 1.5), (True,), (["Paris"],)]
)
def test_a_golden_answer_that_nothing_could_equal_is_no_task(golden: tuple[object, ...]):
    for verifier in (EXACT, SHARED):
        with pytest.raises(rg.VerifierFault, match="golden answer"):
            verifier.check(task(*golden))


def test_every_golden_answer_is_held_to_what_a_right_one_must_be():
    with pytest.raises((rg.VerifierFault, rg.DataError), match="</answer>"):
        EXACT.check(task("Paris", "a</answer><answer>b"))


@pytest.mark.parametrize(
    "verifier", [EXACT, SHARED, ExactMatch("boxed"), F1(AnswerContract("tag", strict=True))]
)
def test_open_answers_keep_the_contract_of_verifiers(verifier: rg.Verifier):
    check_verifier(verifier, [task("Paris", "City of Light"), task("-5"), task("東京")], seconds=20.0)


def test_a_normal_form_is_its_own_normal_form():
    for text in (
        "The “Great” Wall of China!",
        "1,000,000.50 $",
        "vitamin A",
        "C++ & C#",
        "an a the a",
        "- 5 -",
    ):
        once = normal(text)
        assert normal(once) == once


def test_a_million_blanks_cost_nothing():
    for verifier in (EXACT, SHARED):
        began = time.process_time()
        assert not said(
            "1" + " " * 1_000_000 + "or" + " \n" * 100_000 + "2 - ", "Paris", verifier=verifier
        ).correct
        assert time.process_time() - began < 5
