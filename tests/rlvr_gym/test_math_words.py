"""Words beside a value: units, what the question counts, what the reference says, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge

EGGS = """
Janet's ducks lay 16 eggs per day. She eats three for breakfast, bakes muffins with the cracked ones, and sells
the rest at the farmers' market for $2 per fresh duck egg, in 3 boxes and 2 cans. How many dollars does she make
in 7 days, if the price is doubled, 4 eggs are rejected and no answer was incorrect? How many more people,
children, wolves, leaves or cookies come for a red family potato? A number of steps was halved before a building
closed.
"""
OF_THE_QUESTION = """
    eggs, egg, ducks, duck, muffins, muffin, days, day, dollars, dollar, farmers, farmer, markets, market,
    prices, price, boxes, box, cans, can, people, person, persons, children, child, wolves, wolf, leaves, leaf,
    cookies, cookie, families, family, potatoes, potato, steps, buildings, fresh duck eggs, red cookies, more
    eggs, eggs left, duck eggs in total, more days, dollars per day, eggs each, eggs per day
"""
OF_NO_QUESTION = """
    nope, incorrect, doubled, halved, negated, undefined, rejected, omitted, invalid, correct, wrong, maybe,
    perhaps, not, approximately, exactly, squared, cubed, inverted, flipped, reversed, discarded, tripled,
    bogus, zilch, nah, sorry, whatever, quickly, disputed, disproved, impossible, unlikely, other, elsewhere,
    lies, void, null, banana, cars, hats, widgets, foo, rounded, swapped, eggs doubled, doubled dollars, dollars
    rejected, rejected, halved, eggs nope
"""
UNITS = """
    m, cm, km, ft, feet, inches, miles, kg, grams, pounds, lbs, ounces, seconds, minutes, hours, weeks, months,
    years, liters, mL, gallons, quarts, pints, cups, tablespoons, teaspoons, acres, hectares, bytes, bits,
    dollars, cents, euros, degrees, units, watts, volts, joules, newtons, pascals, hertz, amps, ohms, moles,
    kelvin, mph
"""


def outcome(gold: str, answer: str, prompt: str = "q") -> Outcome:
    return judge(Math(), Task(prompt=prompt, reference=gold), Completion(text=rf"\boxed{{{answer}}}")).outcome


def words(text: str) -> list[str]:
    return sorted({word.strip() for word in text.split(",")})


@pytest.mark.parametrize("word", words(OF_THE_QUESTION))
def test_what_the_question_counts_may_stand_after_a_value(word: str):
    for answer in (rf"42\text{{ {word}}}", f"42 {word}", rf"42\ \mathrm{{{word}}}"):
        assert outcome("42", answer, EGGS) is Outcome.CORRECT
    assert outcome("42", rf"41\text{{ {word}}}", EGGS) is Outcome.INCORRECT


@pytest.mark.parametrize("word", words(OF_NO_QUESTION))
def test_a_word_that_is_no_unit_and_no_noun_of_the_question_makes_an_answer_malformed(word: str):
    for answer in (
        rf"42 \text{{ {word}}}",
        f"42 {word}",
        rf"42\textbf{{ {word}}}",
        rf"42 = 42 \text{{ {word}}}",
    ):
        if len(word) > 3 or "\\" in answer:
            assert outcome("42", answer, EGGS) is Outcome.MALFORMED
    assert outcome(r"\frac12", rf"\frac12\text{{ {word}}}", EGGS) is Outcome.MALFORMED


@pytest.mark.parametrize(
    "word", ["nope", "incorrect", "doubled", "halved", "negated", "undefined", "rejected"]
)
@pytest.mark.parametrize(
    "value", ["42", r"\frac12", "2x+1", "1,2", "x=3", "x>3", "(1,2)", r"\{1,2\}", r"50\%", r"\sqrt2"]
)
def test_whatever_the_value_is_a_word_behind_it_must_be_known(value: str, word: str):
    assert outcome(value, rf"{value}\text{{ {word}}}") is Outcome.MALFORMED
    assert outcome(value, value) is Outcome.CORRECT


def test_a_word_within_a_chain_a_tuple_or_an_approximation_is_not_dropped():
    for answer in (r"42\text{ nope} = 42", r"x = 42\text{ nope} = 42", r"42 \approx 42.0\text{ nope}"):
        assert outcome("42", answer) is Outcome.MALFORMED
    assert outcome("(1,2)", r"(1\text{ nope},2)") is Outcome.MALFORMED
    assert outcome("5", r"5\text{ pounds nope}") is Outcome.MALFORMED


def test_what_the_reference_counts_may_be_said_though_no_question_names_it():
    assert outcome(r"12\text{ widgets}", r"12\text{ widgets}") is Outcome.CORRECT
    assert outcome(r"12\text{ widgets}", "12 widget") is Outcome.CORRECT
    assert outcome(r"12\text{ widgets}", r"12.0\text{ gadgets}") is Outcome.MALFORMED
    assert outcome(r"12\text{ widgets}", r"13.0\text{ widgets}") is Outcome.INCORRECT


@pytest.mark.parametrize("prompt", ["q", "?", "What is 41 + 1?", "Solve the equation $egg + man = 3$."])
def test_where_the_question_counts_nothing_things_of_everyday_may_be_counted(prompt: str):
    for answer in (
        "42 eggs",
        "42 hat",
        "42 cup",
        "42 box",
        "42 bit",
        r"42\text{ qt}",
        r"42\text{ pt}",
        "42 people",
    ):
        assert outcome("42", answer, prompt) is Outcome.CORRECT
    assert outcome("42", "42 nope", prompt) is Outcome.MALFORMED
    assert outcome("42", "42 eggs", "How many chairs are there?") is Outcome.MALFORMED


@pytest.mark.parametrize(
    "unit",
    words(UNITS),
)
def test_a_unit_may_stand_after_a_value_whatever_the_question_says(unit: str):
    assert outcome("42", rf"42\text{{ {unit}}}", "How many chairs are there?") is Outcome.CORRECT
    assert outcome("42", rf"42\text{{ {unit} nope}}", "How many chairs are there?") is Outcome.MALFORMED


def test_kitchen_measures_are_converted_and_contradict():
    assert outcome("1/3 cup", r"\frac13") is Outcome.CORRECT
    assert outcome(r"2\text{ cups}", r"1\text{ pint}") is Outcome.CORRECT
    assert outcome(r"4\text{ qt}", r"1\text{ gallon}") is Outcome.CORRECT
    assert outcome(r"3\text{ tsp}", r"1\text{ tbsp}") is Outcome.CORRECT
    assert outcome(r"\frac13\text{ cup}", r"\frac13\text{ pint}") is Outcome.INCORRECT
    assert outcome(r"\frac13", "1/4 cup") is Outcome.INCORRECT


def test_three_letters_behind_a_value_stay_a_product_where_nothing_counts_them():
    assert outcome("2xyz", "2 xyz") is Outcome.CORRECT
    assert outcome("2", "2 xyz") is Outcome.INCORRECT
    assert outcome("2abc", "2") is Outcome.INCORRECT
    assert outcome("5", "5 jug", "How many jugs of water are there?") is Outcome.CORRECT


def test_prices_in_a_question_are_not_taken_for_formulas():
    prompt = "A pen costs $3 and a stapler costs $5. How many of them are there?"
    assert outcome("4", "4 pens", prompt) is Outcome.CORRECT


def test_answers_to_published_questions_may_say_what_these_ask_for(real_data: Path):
    asked = refused = 0
    for line in (real_data / "gsm8k/test.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gold = row["answer"].rpartition("####")[2].strip()
        thing = re.search(
            r"[Hh]ow many ([a-z]+s) (?:did|do|does|are|will|were|can|has|have|had)\b", row["question"]
        )
        if thing and thing[1] not in ("dozens", "quarters", "millions"):
            asked += 1
            refused += outcome(gold, rf"{gold} \text{{ {thing[1]}}}", row["question"]) is not Outcome.CORRECT
    assert asked > 300
    assert refused == 0


ASKED_FOR = [
    ("Tim has 25 cent coins: how many quarters, dimes and pennies make up the change?", "4 quarters"),
    ("A pie is cut. How many thirds are in one whole?", r"4 \text{ thirds}"),
    ("How many roots does the polynomial have?", r"4\text{ roots}"),
    ("What is the number of twos in 2222?", "4 twos"),
    ("How many tens are in 40?", "4 tens"),
    ("How many dozen eggs does he need?", "4 dozen"),
    ("How many hundreds are in 400?", r"4\text{ hundreds}"),
    ("How many doubles did he hit?", "4 doubles"),
    ("How many apples are left?", "4 left"),
    ("How many numbers between 1 and 9 are even?", r"4\text{ numbers}"),
]
NOT_ASKED_FOR = [
    ("What is three quarters of 16?", "4 quarters"),
    ("How many apples are three quarters of the basket?", "4 quarters"),
    ("What is 2 + 2?", "4 tens"),
    ("How many tens are in 40?", "4 hundreds"),
    ("How many dozen eggs does he need?", "4 hundred"),
    ("Is 4 the double of 2, and how many ones has it?", "4 doubles"),
    ("What is 2 + 2?", "4 left"),
    ("How many roots does the polynomial have?", "4 root"),
]


@pytest.mark.parametrize(("prompt", "answer"), ASKED_FOR)
def test_parts_and_scales_that_the_question_counts_are_things(prompt: str, answer: str) -> None:
    assert outcome("4", answer, prompt) is Outcome.CORRECT
    assert outcome("5", answer, prompt) is Outcome.INCORRECT


@pytest.mark.parametrize(("prompt", "answer"), NOT_ASKED_FOR)
def test_parts_and_scales_that_no_question_counts_are_none(prompt: str, answer: str) -> None:
    assert outcome("4", answer, prompt) in (Outcome.MALFORMED, Outcome.INCORRECT)


@pytest.mark.parametrize("unit", ["kWh", "rpm", "dB", "psi", "AU", "Nm", "cu ft"])
def test_units_of_physics_may_stand_beside_a_value(unit: str) -> None:
    assert outcome("5", rf"5\text{{ {unit}}}") is Outcome.CORRECT
    assert outcome("5", rf"6\text{{ {unit}}}") is Outcome.INCORRECT
