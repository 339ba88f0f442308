"""Drafts: how the `instructions` environment draws instructions of each kind, and writes a text that follows them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_WORDS = """
a all and any ask away back best big birds blue bring by calm can city cold come could dark day door dream
each early end every eye fall far few find fine fire first five for four free from full gentle give glad go
good grass green hand happy hard have hear heart help hill home hope house hum ice idea if ink into it join
joy jump just keep key kind king know lamp large last leaf light like line long look lost love low made make
many map may mind moon more most mother much music near never new next night no north now oak ocean of often
old on one open our over own page part past path peace pen plain play quick quiet quilt rain read red rest
river road room run sand sea see seven shine ship short silver sing sky slow small snow so soft some song
soon stone street sun sweet table take talk tall ten than then they thin time to together town tree true
turn two under until up us use valley very view visit wait walk warm watch water way we wide wild wind
winter wish with wood word world write year yellow yes yet you young zero zone
"""
VOCABULARY = tuple(_WORDS.split())


class Draft:
    """Lines of words, to be changed by one kind of instruction after another."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.vocabulary = list(VOCABULARY)
        self.lines = [self.words(rng.randint(12, 30))]

    def words(self, count: int) -> list[str]:
        """Return `count` words."""
        return [self.rng.choice(self.vocabulary) for _ in range(count)]

    def text(self) -> str:
        """The draft as a response."""
        return "\n".join(" ".join(line) for line in self.lines)

    def refill(self, allowed: Callable[[str], bool]) -> None:
        """Put other words in the place of those that are not allowed, now and from now on."""
        self.vocabulary = [word for word in self.vocabulary if allowed(word)]
        self.lines = [
            [word if allowed(word) else self.rng.choice(self.vocabulary) for word in line]
            for line in self.lines
        ]

    def grow(self, count: int) -> None:
        """Make the last line longer until there are so many words in all."""
        self.lines[-1] += self.words(max(0, count - sum(map(len, self.lines))))


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnKind:
    """A kind of instruction: how its arguments are drawn, and how a draft is made to follow it.

    Kinds of a lower `stage` write first: 0 lays out lines, 1 sets length and vocabulary, 2 places words, 3 puts signs
    around them, 4 changes letters.
    """

    draw: Callable[[random.Random], dict[str, Any]]
    write: Callable[..., None]
    stage: int


def _different_words(draft: Draft, at_least: int) -> None:
    present = {word for line in draft.lines for word in line}
    unused = [word for word in draft.vocabulary if word not in present]
    draft.lines[-1] += unused[: max(0, at_least - len(present))]


def _words_between(draft: Draft, low: int, high: int) -> None:
    draft.grow(low)
    while sum(map(len, draft.lines)) > high and len(draft.lines[-1]) > 1:
        draft.lines[-1].pop()


def _number_count(draft: Draft, exactly: int) -> None:
    line = draft.lines[-1]
    for _ in range(exactly - sum(word.isdigit() for word in line)):
        line.insert(draft.rng.randrange(1, len(line) + 1), str(draft.rng.randint(2, 999)))


def _without_letter(draft: Draft, letter: str, at_least: int) -> None:
    draft.refill(lambda word: letter not in word)
    draft.grow(at_least)


def _numbered_list(draft: Draft, exactly: int) -> None:
    draft.lines = [[f"{number}.", *draft.words(4)] for number in range(1, exactly + 1)]


def _nth_word(draft: Draft, position: int, word: str) -> None:
    draft.grow(position)
    for line in draft.lines:
        if position <= len(line):
            line[position - 1] = word
            return
        position -= len(line)


def _same_ends(draft: Draft, between: int) -> None:
    draft.grow(between + 2)
    draft.lines[-1][-1] = draft.lines[0][0]


def _words_in_order(draft: Draft, words: list[str]) -> None:
    draft.refill(lambda word: word not in words)
    draft.lines[-1] += words


def _acrostic(draft: Draft, word: str) -> None:
    draft.lines = [
        [draft.rng.choice([each for each in VOCABULARY if each[0] == letter]), *draft.words(3)]
        for letter in word
    ]


def _short_words(draft: Draft, longest: int, at_least: int) -> None:
    draft.refill(lambda word: len(word) <= longest)
    draft.grow(at_least)


def _question_count(draft: Draft, exactly: int) -> None:
    line = max(draft.lines, key=len)
    for place in draft.rng.sample(range(len(line)), min(exactly, len(line))):
        line[place] += "?"


def _growing_lines(draft: Draft, exactly: int) -> None:
    draft.lines = [draft.words(2 + 2 * number) for number in range(exactly)]


def _nested_brackets(draft: Draft, depth: int) -> None:
    line = max(draft.lines, key=len)
    for place in range(1, min(depth, len(line) - 1) + 1):
        line[place] = f"({line[place]}"
    line[-1] += ")" * depth


def _capitalised(draft: Draft, at_least: int) -> None:
    draft.grow(at_least)
    draft.lines = [
        [re.sub("[a-z]", lambda letter: letter[0].upper(), word, count=1) for word in line]
        for line in draft.lines
    ]


def _table(draft: Draft, columns: int, rows: int) -> None:
    body = [draft.words(columns) for _ in range(rows + 1)]
    body.insert(1, ["---"] * columns)
    draft.lines += [["|", *(part for cell in row for part in (cell, "|"))] for row in body]


def _some(rng: random.Random, count: int) -> list[str]:
    return rng.sample([word for word in VOCABULARY if len(word) > 3], count)


def _spellable(rng: random.Random) -> str:
    """A word for each of whose letters there is a word to begin a line with."""
    initials = {word[0] for word in VOCABULARY}
    return rng.choice([word for word in VOCABULARY if len(word) > 2 and initials.issuperset(word)])


TRAIN: dict[str, DrawnKind] = {
    "different_words": DrawnKind(
        draw=lambda rng: {"at_least": rng.randint(10, 40)}, write=_different_words, stage=2
    ),
    "words_between": DrawnKind(
        draw=lambda rng: {"low": (low := rng.randint(10, 60)), "high": low + rng.randint(0, 5)},
        write=_words_between,
        stage=1,
    ),
    "number_count": DrawnKind(draw=lambda rng: {"exactly": rng.randint(2, 7)}, write=_number_count, stage=2),
    "without_letter": DrawnKind(
        draw=lambda rng: {"letter": rng.choice("abcdghiklmnoprstuwy"), "at_least": rng.randint(8, 30)},
        write=_without_letter,
        stage=1,
    ),
    "numbered_list": DrawnKind(
        draw=lambda rng: {"exactly": rng.randint(2, 8)}, write=_numbered_list, stage=0
    ),
    "nth_word": DrawnKind(
        draw=lambda rng: {"position": rng.randint(2, 12), "word": _some(rng, 1)[0]}, write=_nth_word, stage=2
    ),
    "same_ends": DrawnKind(draw=lambda rng: {"between": rng.randint(4, 25)}, write=_same_ends, stage=3),
    "words_in_order": DrawnKind(
        draw=lambda rng: {"words": _some(rng, rng.randint(2, 5))}, write=_words_in_order, stage=2
    ),
}

TEST: dict[str, DrawnKind] = {
    "acrostic": DrawnKind(draw=lambda rng: {"word": _spellable(rng)}, write=_acrostic, stage=0),
    "exactly_once": DrawnKind(
        draw=lambda rng: {"words": _some(rng, rng.randint(2, 4))}, write=_words_in_order, stage=2
    ),
    "short_words": DrawnKind(
        draw=lambda rng: {"longest": rng.randint(3, 6), "at_least": rng.randint(8, 30)},
        write=_short_words,
        stage=1,
    ),
    "question_count": DrawnKind(
        draw=lambda rng: {"exactly": rng.randint(2, 6)}, write=_question_count, stage=3
    ),
    "growing_lines": DrawnKind(
        draw=lambda rng: {"exactly": rng.randint(2, 6)}, write=_growing_lines, stage=0
    ),
    "nested_brackets": DrawnKind(
        draw=lambda rng: {"depth": rng.randint(1, 4)}, write=_nested_brackets, stage=3
    ),
    "capitalised": DrawnKind(draw=lambda rng: {"at_least": rng.randint(8, 30)}, write=_capitalised, stage=4),
    "table": DrawnKind(
        draw=lambda rng: {"columns": rng.randint(2, 4), "rows": rng.randint(2, 6)}, write=_table, stage=3
    ),
}

KINDS = {"train": TRAIN, "test": TEST}
"""The kinds of each split, by what stands after `rlvr:` in their ids."""

LAYOUTS = frozenset({"numbered_list", "acrostic", "growing_lines", "table"})
"""Kinds that say what the lines are; no response follows two of them."""
