"""Constraints on length: words, sentences, paragraphs."""

from __future__ import annotations

import re

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions import tokens
from rlvr_gym.verifiers.instructions.constraint import (
    Constraint,
    Fault,
    count_fault,
    range_words,
    text,
    whole,
)


def word_count(*, at_least: int | None = None, less_than: int | None = None) -> Constraint:
    r"""Ask for a number of words: runs of letters, digits and underscores, so that `don't` is two."""
    wanted = range_words(at_least, less_than)

    def find_fault(response: str) -> Fault:
        return count_fault(tokens.count_words(response), "words", at_least=at_least, less_than=less_than)

    return Constraint(
        id="length_constraints:number_words", request=f"Answer with {wanted} words.", find_fault=find_fault
    )


def sentence_count(*, at_least: int | None = None, less_than: int | None = None) -> Constraint:
    """Ask for a number of sentences, as split by Punkt's English model."""
    tokens.check_installed()
    wanted = range_words(at_least, less_than)
    enough = max(at_least or 0, less_than or 0)

    def find_fault(response: str) -> Fault:
        count = tokens.count_sentences(response, up_to=enough)
        return count_fault(count, "sentences", at_least=at_least, less_than=less_than)

    return Constraint(
        id="length_constraints:number_sentences",
        request=f"Answer with {wanted} sentences.",
        find_fault=find_fault,
    )


_DIVIDER = re.compile(r"\s?\*\*\*\s?")


def paragraph_count(exactly: int) -> Constraint:
    """Exactly so many paragraphs, parted by `***`. A divider may stand first or last; two in a row may not."""
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        first, *others = _DIVIDER.split(response)
        *between, last = others or [""]
        if not all(paragraph.strip() for paragraph in between):
            return "an empty paragraph between two dividers"
        count = len(between) + bool(first.strip()) + bool(last.strip())
        return None if count == exactly else f"{count} paragraphs, not {exactly}"

    return Constraint(
        id="length_constraints:number_paragraphs",
        request=f"Write {exactly} paragraphs, separated by the markdown divider ***.",
        find_fault=find_fault,
    )


def paragraph_first_word(word: str, *, paragraph: int, paragraphs: int) -> Constraint:
    r"""Exactly so many paragraphs, parted by blank lines (`\n\n`), of which one begins with a given word.

    The first word ends at the first of `.,?!'"`; quotation marks before it do not count, nor does case. As in
    IFEval, empty paragraphs are not counted, but do take a place where `paragraph` is looked up.
    """
    first_word = text("word", word).lower()
    if whole("paragraph", paragraph) > whole("paragraphs", paragraphs):
        raise ConfigError(f"there is no paragraph {paragraph} of {paragraphs}")

    def find_fault(response: str) -> Fault:
        found = response.split("\n\n")
        count = sum(1 for each in found if each.strip())
        if count != paragraphs:
            return f"{count} paragraphs, not {paragraphs}"
        begins = _first_word(found[paragraph - 1])
        return None if begins == first_word else f"paragraph {paragraph} begins with {begins[:40]!r}"

    return Constraint(
        id="length_constraints:nth_paragraph_first_word",
        request=f"Write {paragraphs} paragraphs, separated by two line breaks and by nothing else. Paragraph "
        f"{paragraph} must start with the word {first_word}.",
        find_fault=find_fault,
    )


def _first_word(paragraph: str) -> str:
    word = next(iter(paragraph.split(maxsplit=1)), "").lstrip("'").lstrip('"')
    return re.split(r"[.,?!'\"]", word, maxsplit=1)[0].lower()
