"""Kinds of instructions that IFEval does not have, in the manner of IFBench, so that training and test can differ.

None of them is satisfied by a response without words. A word is a run of letters and digits, with apostrophes
inside (`don't` is one); a line is one that is not blank; case never counts unless an instruction is about it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, count_fault, text, whole
from rlvr_gym.verifiers.instructions.signs import question_count, table

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇", "'"))
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


def words_of(response: str) -> list[str]:
    """The words, in lower case."""
    return _as_written(response.lower())


def _as_written(response: str) -> list[str]:
    """The words; however apostrophes and accents are encoded, they are the same."""
    return _WORD.findall(unicodedata.normalize("NFC", response).translate(_APOSTROPHES))


def lines_of(response: str) -> list[str]:
    """The lines that are not blank, without the space around them."""
    return [line.strip() for line in response.split("\n") if line.strip()]


def different_words(at_least: int) -> Constraint:
    """At least so many different words."""
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        return count_fault(len(set(words_of(response))), "different words", at_least=at_least)

    return Constraint(
        id="rlvr:different_words", request=f"Use at least {at_least} different words.", find_fault=find_fault
    )


def words_between(low: int, high: int) -> Constraint:
    """From `low` to `high` words, both included."""
    if whole("high", high) < whole("low", low):
        raise ConfigError(f"high must be at least low, not {high} with {low}")

    def find_fault(response: str) -> Fault:
        count = len(words_of(response))
        return None if low <= count <= high else f"{count} words, not {low} to {high}"

    return Constraint(
        id="rlvr:words_between",
        request=f"Write no fewer than {low} and no more than {high} words.",
        find_fault=find_fault,
    )


def number_count(exactly: int) -> Constraint:
    """Exactly so many numbers in digits (`1,234.5` is one), and some words."""
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        count = sum(1 for _ in _NUMBER.finditer(response))
        if count != exactly:
            return f"{count} numbers, not {exactly}"
        return None if any(word.isalpha() for word in words_of(response)) else "no words"

    return Constraint(
        id="rlvr:number_count",
        request=f"Mention exactly {exactly} numbers, written in digits.",
        find_fault=find_fault,
    )


def without_letter(letter: str, at_least: int) -> Constraint:
    """At least so many words, none with the letter."""
    letter = text("letter", letter).lower()
    if len(letter) != 1 or not letter.isalpha():
        raise ConfigError(f"letter must be one letter, not {letter!r}")
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        count = response.lower().count(letter)
        if count:
            return f"{count} of the letter {letter}"
        return count_fault(len(words_of(response)), "words", at_least=at_least)

    return Constraint(
        id="rlvr:without_letter",
        request=f"Write at least {at_least} words, and do not use the letter {letter}.",
        find_fault=find_fault,
    )


_LIST_NUMBER = re.compile(r"^([0-9]{1,6})[.)][ \t]+\S", re.ASCII)


def numbered_list(exactly: int) -> Constraint:
    """A numbered list of exactly so many entries: lines that begin with `1. `, `2. `, ..., in this order."""
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        found = [int(line[1]) for line in map(_LIST_NUMBER.match, lines_of(response)) if line]
        if found == list(range(1, exactly + 1)):
            return None
        return f"{len(found)} numbered lines, or not in order; not 1 to {exactly}"

    return Constraint(
        id="rlvr:numbered_list",
        request=f"Include a numbered list of exactly {exactly} entries, each on a line of its own: 1. ..., 2. ...",
        find_fault=find_fault,
    )


def nth_word(position: int, word: str) -> Constraint:
    """The word at a position, counted from 1, is the given one."""
    word = _one_word("word", word)
    whole("position", position)

    def find_fault(response: str) -> Fault:
        words = words_of(response)
        if len(words) < position:
            return f"{len(words)} words"
        found = words[position - 1]
        return None if found == word else f"word {position} is {found[:40]!r}"

    return Constraint(
        id="rlvr:nth_word", request=f"Word number {position} must be {word}.", find_fault=find_fault
    )


def same_ends(between: int) -> Constraint:
    """The first word is also the last, with at least so many words between."""
    whole("between", between)

    def find_fault(response: str) -> Fault:
        words = words_of(response)
        if few := count_fault(len(words), "words", at_least=between + 2):
            return few
        return None if words[0] == words[-1] else f"from {words[0][:40]!r} to {words[-1][:40]!r}"

    return Constraint(
        id="rlvr:same_ends",
        request=f"Begin and end with the same word, with at least {between} words in between.",
        find_fault=find_fault,
    )


def words_in_order(words: Sequence[str]) -> Constraint:
    """All of the words, their first uses in the given order."""
    wanted = _some_words(words)

    def find_fault(response: str) -> Fault:
        first: dict[str, int] = {}
        for place, word in enumerate(words_of(response)):
            first.setdefault(word, place)
        if missing := [word for word in wanted if word not in first]:
            return f"without {', '.join(missing)}"
        places = [first[word] for word in wanted]
        return None if places == sorted(places) else "not in the order given"

    return Constraint(
        id="rlvr:words_in_order",
        request=f"Use these words, for the first time in this order: {', '.join(wanted)}.",
        find_fault=find_fault,
    )


def acrostic(word: str) -> Constraint:
    """Exactly one line per letter, of two words or more, and their first letters spell the word."""
    word = _one_word("word", word)

    def find_fault(response: str) -> Fault:
        lines = [words_of(line) for line in lines_of(response)]
        if short := sum(1 for words in lines if len(words) < 2):
            return f"{short} lines of fewer than two words"
        spelt = "".join(words[0][0] for words in lines)
        return None if spelt == word else f"the lines spell {spelt[:40]!r}"

    return Constraint(
        id="rlvr:acrostic",
        request=f"Write {len(word)} lines of at least two words each, whose first letters spell {word}.",
        find_fault=find_fault,
    )


def exactly_once(words: Sequence[str]) -> Constraint:
    """Each of the words exactly once."""
    wanted = _some_words(words)

    def find_fault(response: str) -> Fault:
        counts = Counter(words_of(response))
        wrong = [f"{word} {counts[word]} times" for word in wanted if counts[word] != 1]
        return ", ".join(wrong) or None

    return Constraint(
        id="rlvr:exactly_once",
        request=f"Use each of these words exactly once: {', '.join(wanted)}.",
        find_fault=find_fault,
    )


def short_words(longest: int, at_least: int) -> Constraint:
    """At least so many words, none of more letters (and digits) than `longest`; an apostrophe is none."""
    whole("longest", longest)
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        words = words_of(response)
        if few := count_fault(len(words), "words", at_least=at_least):
            return few
        long = next((word for word in words if _letters(word) > longest), None)
        return None if long is None else f"{long[:40]!r} has {_letters(long)} letters"

    return Constraint(
        id="rlvr:short_words",
        request=f"Write at least {at_least} words, none of them longer than {longest} letters.",
        find_fault=find_fault,
    )


def growing_lines(exactly: int) -> Constraint:
    """Exactly so many lines, each of more words than the one before."""
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        counts = [len(words_of(line)) for line in lines_of(response)]
        if len(counts) != exactly:
            return f"{len(counts)} lines, not {exactly}"
        grows = all(less < more for less, more in zip([0, *counts], counts, strict=False))
        return None if grows else f"lines of {', '.join(map(str, counts[:20]))} words"

    return Constraint(
        id="rlvr:growing_lines",
        request=f"Write exactly {exactly} lines, each with more words than the one before.",
        find_fault=find_fault,
    )


def nested_brackets(depth: int) -> Constraint:
    """Round brackets, balanced, that nest exactly so deep, each begun by a word: `(so (and so))`."""
    whole("depth", depth)

    def find_fault(response: str) -> Fault:
        level, deepest = 0, 0
        for sign in _BRACKET.finditer(response):
            level += 1 if sign[0][0] == "(" else -1
            deepest = max(deepest, level)
            if level < 0 or sign[0] == "(":
                return "a bracket that closes nothing" if level < 0 else "a bracket that no word follows"
        if level:
            return f"{level} brackets that are not closed"
        return None if deepest == depth else f"{deepest} levels of brackets, not {depth}"

    return Constraint(
        id="rlvr:nested_brackets",
        request=f"Use round brackets nested exactly {depth} deep, with a word right after every opening one.",
        find_fault=find_fault,
    )


_BRACKET = re.compile(r"\([^\W_]?|\)")


def capitalised(at_least: int) -> Constraint:
    """At least so many words, each beginning with a capital letter (or a digit)."""
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        words = _as_written(response)
        if few := count_fault(len(words), "words", at_least=at_least):
            return few
        small = next((word for word in words if word[0].islower()), None)
        return None if small is None else f"{small[:40]!r} begins with a small letter"

    return Constraint(
        id="rlvr:capitalised",
        request=f"Write at least {at_least} words, and begin every word with a capital letter.",
        find_fault=find_fault,
    )


def _letters(word: str) -> int:
    return len(word) - word.count("'")


def _one_word(name: str, value: str) -> str:
    value = text(name, value)
    if words_of(value) != [value.lower().translate(_APOSTROPHES)]:
        raise ConfigError(f"{name} must be one word, not {value!r}")
    return words_of(value)[0]


def _some_words(words: Sequence[str]) -> list[str]:
    if not isinstance(words, list | tuple) or not words:
        raise ConfigError(f"give a list of words, not {words!r}")
    wanted = [_one_word("every word", word) for word in words]
    if len(set(wanted)) < len(wanted):
        raise ConfigError(f"the words must be different, not {', '.join(wanted)}")
    return wanted


BY_ID: dict[str, Callable[..., Constraint]] = {
    "rlvr:different_words": different_words,
    "rlvr:words_between": words_between,
    "rlvr:number_count": number_count,
    "rlvr:without_letter": without_letter,
    "rlvr:numbered_list": numbered_list,
    "rlvr:nth_word": nth_word,
    "rlvr:same_ends": same_ends,
    "rlvr:words_in_order": words_in_order,
    "rlvr:acrostic": acrostic,
    "rlvr:exactly_once": exactly_once,
    "rlvr:short_words": short_words,
    "rlvr:question_count": question_count,
    "rlvr:growing_lines": growing_lines,
    "rlvr:nested_brackets": nested_brackets,
    "rlvr:capitalised": capitalised,
    "rlvr:table": table,
}
