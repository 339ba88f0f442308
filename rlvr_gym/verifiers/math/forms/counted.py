"""Words beside a value: which of them a question counts, so that they may stand there.

A list of words that may not stand there would always miss one. So these are what may: units, what the reference says,
and the nouns of the question. Where a question has none at all, as `3 + 4 = ?`, things of everyday may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rlvr_gym.verifiers.math.forms.kinds import (
    Choice,
    Form,
    Labelled,
    Listed,
    Matrix,
    Ordered,
    Relation,
    Scalar,
    Union,
    Without,
)
from rlvr_gym.verifiers.math.forms.things import EVERYDAY
from rlvr_gym.verifiers.math.forms.units import NOT_UNITS, Unit, may_be_counted, singular

_BETWEEN_DOLLARS = re.compile(r"\$([^$]*)\$|\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
_OPTION = re.compile(r"\([A-E]\)|(?<![A-Za-z])[A-E][.):]")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_LONG_WORD = re.compile(r"(?<![A-Za-z\\])[a-z]{4}")
_WORD = re.compile(r"[A-Za-z]+")
_CLOSED_CLASS_TEXT = """
    a an the and or but nor so yet if then than that this these those which who whom whose what when where why how
    he she it they them him her his hers its their theirs we us our ours you your yours my mine one ones
    is are was were be been being am do does did done has have had having can could will would shall should may
    might must not no yes of in on at by for from to with without into onto out off over under up down about after
    before between among during through per each every all both some any many much more most less few fewer several
    such same other another only just also too very still again already now there here as because while until since
    let get got gets give gave given take took make made makes put say said find found need want know known equal
    """
_CLOSED_CLASS = frozenset(_CLOSED_CLASS_TEXT.split())
_JUDGEMENTS_TEXT = """
    correct incorrect invalid valid impossible possible untrue bogus void null nil undefined unknown inaccurate
    inverse opposite twice double halve half negate reject omit doubtful unlikely likely maybe almost nearly
    """
_JUDGEMENTS = frozenset(_JUDGEMENTS_TEXT.split())
_REQUESTS_TEXT = """
    solve compute calculate evaluate find determine simplify express give write show let please reason think assume
    suppose consider prove explain use using choose state provide
    """
_REQUESTS = frozenset(_REQUESTS_TEXT.split())
_OF_ANY_TASK_TEXT = """
    question problem task prompt answer solution result equation expression value number work step test box boxed
    integer fraction decimal form sum product difference quotient
    """
_OF_ANY_TASK = frozenset(_OF_ANY_TASK_TEXT.split())
"""Nouns of tasks that count nothing: a question with these alone leaves open what it counts."""
_NOUNS_TOO = frozenset({"can", "mine", "will"})
_BEFORE_ANY_THING = frozenset({"possible", "different", "distinct", "unique", "whole", "real", "positive"})
_AFTER_A_THING = frozenset({"left", "remaining", "altogether", "overall", "total", "each", "together"})
_MEASURED = "old long tall high wide deep thick away ago later earlier apart far round"
_AFTER_A_UNIT = _AFTER_A_THING | frozenset(_MEASURED.split())
_DETERMINERS = "a an the each every per one two three four five six many this that of his her their our your"
_WITHIN_A_PHRASE = frozenset({"and", "or", "more", "of", "the"})
_LONGEST_PHRASE = 8
_BEFORE_A_NOUN = frozenset(_DETERMINERS.split())
_SHORT_PARTICIPLES = frozenset({"used", "died", "owed", "aged", "tied", "lied"})


@dataclass(frozen=True, slots=True)
class Question:
    """The words of a question in the singular, and the nouns among them; things of everyday where it has none.

    `options` says that it lists some to choose from.
    """

    words: frozenset[str]
    things: frozenset[str]
    options: bool = False


@lru_cache(maxsize=512)
def question(text: str) -> Question:
    """The words of a prompt, without its mathematics. Time linear in its length."""
    plain = _COMMAND.sub(" ", _BETWEEN_DOLLARS.sub(_without_formula, text))
    written = [word.lower() for word in _WORD.findall(plain)]
    plurals = {singular(word) for word in written if singular(word) != word}
    words, nouns = set[str](), set[str]()
    for before, word in zip(["", *written], written, strict=False):
        single = singular(word)
        words |= {word, single}
        if len(single) >= 3 and _may_be_noun(single, before, single in plurals):
            nouns.add(single)
    nouns |= {*_asked_for(written)}
    things = frozenset(nouns) if nouns - _OF_ANY_TASK else EVERYDAY | nouns
    return Question(frozenset(words), things, bool(_OPTION.search(text)))


def _asked_for(written: list[str]) -> Iterator[str]:
    """Parts and scales that a question counts by name, in the singular: `How many quarters, dimes and nickels`."""
    for at, two in enumerate(pairwise(written)):
        if two not in (("how", "many"), ("number", "of")):
            continue
        for word in written[at + 2 : at + 2 + _LONGEST_PHRASE]:
            if word in _CLOSED_CLASS and word not in _WITHIN_A_PHRASE and not may_be_counted(word):
                break
            if single := may_be_counted(word):
                yield single


def _without_formula(match: re.Match[str]) -> str:
    """Nothing for a formula; `$3 for eggs, $` between two prices is none, nor one with words in it."""
    return match[0] if _LONG_WORD.search(match[0]) else " "


def _may_be_noun(word: str, before: str, has_plural: bool) -> bool:
    """Return whether a word may name a thing, judging by its ending and the word before it in the question."""
    if has_plural and word in _NOUNS_TOO:
        return True
    if word in _CLOSED_CLASS or word in _JUDGEMENTS or word in _REQUESTS or word in NOT_UNITS:
        return False
    if has_plural:
        return True
    if word.endswith("ed"):
        return word.endswith("eed") or (len(word) <= 4 and word not in _SHORT_PARTICIPLES)
    if word.endswith("ing"):
        return before in _BEFORE_A_NOUN
    return not word.endswith("ly") or word.endswith(("mily", "elly", "fly")) or len(word) <= 4


def may_be_an_option(said: Iterable[str], asked: Question) -> bool:
    """Return whether the words after an option's letter may be that option's content.

    If the question lists options, they must be words of the question. Otherwise only common things and function
    words are allowed (`none of these`).
    """
    if asked.options:
        return all(word in asked.words for word in said)
    return all(word in _CLOSED_CLASS or word == "none" or singular(word) in EVERYDAY for word in said)


def has_words(form: Form) -> bool:
    """Return whether a value of the form is followed by words that are not a unit."""
    return any(unit.said for unit in _units(form))


def unknown_words(form: Form, asked: Question, golds: Iterable[Form]) -> str | None:
    """The words beside a value that say neither a unit nor what is counted; None where all do."""
    of_golds = frozenset(singular(word) for gold in golds for unit in _units(gold) for word in unit.said)
    for unit in _units(form):
        if unit.said and not _may_stand(unit, asked, of_golds):
            return " ".join(unit.said)
    return None


def _may_stand(unit: Unit, asked: Question, of_golds: frozenset[str]) -> bool:
    """Return whether the last word is a thing counted and the words before it come from the question."""
    words = list(unit.said)
    after = _AFTER_A_UNIT if unit.dimension else _AFTER_A_THING
    while words and words[-1] in after:
        words.pop()
    things = asked.things | of_golds
    if not words and not unit.dimension:  # `5 left`, where the question asks how many are left
        return all(word in asked.words for word in unit.said)
    if unit.dimension:
        more = {"more"} & asked.words
        return all(singular(word) in things | more for word in words)
    allowed = asked.words | things | _BEFORE_ANY_THING
    *described, thing = (singular(word) for word in words)
    return thing in things and all(word in allowed for word in described)


def _units(form: Form) -> Iterator[Unit]:
    """The units of all values in a form."""
    match form:
        case Scalar():
            yield form.unit
        case Relation():
            yield from form.units
        case Labelled():
            yield from _units(form.value)
        case Choice():
            yield from _units(form.content) if form.content else ()
        case Ordered() | Listed() | Union():
            for item in form.items:
                yield from _units(item)
        case Without():
            yield from _units(form.whole)
            yield from _units(form.taken)
        case Matrix():
            for row in form.rows:
                for item in row:
                    yield from _units(item)
        case _:
            return
