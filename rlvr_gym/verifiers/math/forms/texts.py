"""Answers in words: names, dates, options of a multiple-choice question, "no solution"."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.math.forms.kinds import Words
from rlvr_gym.verifiers.math.forms.numerals import value_of_words
from rlvr_gym.verifiers.math.text.notation import FUNCTIONS, NARY

TEXT = re.compile(r"\\text\{([^{}]*)\}")
_MATHEMATICS = FUNCTIONS | NARY | {"sqrt", "pi", "inf", "infty"}
_NOTHING = re.compile(
    r"(?:there (?:is|are) )?no (?:such )?(?:(?:real|integer|rational|positive|valid) )?"
    r"(?:solutions?|roots?|values?|answers?)(?: exists?)?|none|(?:the )?(?:empty|null) set",
    re.IGNORECASE,
)
_MONTH_NAMES = "january february march april may june july august september october november december"
_ORDINAL_NAMES = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_MONTHS = frozenset(_MONTH_NAMES.split())
_ORDINALS = {name: f"{place}th" for place, name in enumerate(_ORDINAL_NAMES.split(), 1)}
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_SAME_WORDS = {
    "dne": "does not exist",
    "limit does not exist": "does not exist",
    "ℤ": "integers",
    "ℕ": "natural numbers",
    "ℚ": "rational numbers",
}

_MAX_DATE = 40
_REMAINDER = re.compile(r"(\d+)\s*(?:R|r|remainder)\.?\s*(\d+)")
_ANNOUNCED = re.compile(
    r"(?:\\text\{\s*)?(?:the|our|its) ((?:[a-z]+ ){1,6})(?:is|are|equals)(?:\s*\}\s*|\s+)(\S.*)",
    re.IGNORECASE,
)
_DOUBTS = frozenset(
    {"not", "no", "never", "or", "if", "than", "wrong", "incorrect", "false", "other", "opposite", "guess"}
)

_NUMBER_SET = re.compile(r"(?:([ℤℕℚZNQ])|[ℝR](?!$))\s*(?:\^?\{?([+*])\}?|_\{([^{}]*)\}|_(\d))?")
_OPTION = r"(?:the )?(?:(?:correct |final )?(?:option|choice|answer)(?: is)? )?"
_LETTER = re.compile(rf"{_OPTION}(?:\(\s*([A-Ja-j])\s*\)|([A-J]))\s*[).:]?", re.IGNORECASE)
_LETTER_AND_CONTENT = re.compile(
    rf"{_OPTION}(?:\(\s*([A-J])\s*\)\s*[.:]?|([A-J])\s*[).:])\s*([^\s=].*)", re.DOTALL
)
_FURTHER_LETTER = re.compile(r"\(\s*[A-Ja-j]\s*\)|(?<![A-Za-z\\])[A-J](?:[).:]|$|\s*[,∧∨])|^[∧∨,;]")

_JUDGED = re.compile(r"(?:is|are|was|can|cannot|isn't|not|or|and|but|unless|if)(?![A-Za-z])", re.IGNORECASE)
"""Words that continue a sentence about an option, or a hedge, rather than the option's content."""
_OF_THE_ANSWER = re.compile(r"of (?:the|my|our|its) (?:\w+ )?(?:answer|result|solution) ", re.IGNORECASE)


def plain(text: str) -> str:
    r"""`text` without `\text{...}` around words."""
    return " ".join(TEXT.sub(r" \1 ", text).replace("∧", " and ").replace("∨", " or ").split())


def says_nothing(text: str) -> bool:
    """Return whether an answer says that there is no solution."""
    return bool(_NOTHING.fullmatch(plain(text)))


def number_set(text: str) -> Words | None:
    """The integers, natural or rational numbers, or the part of these or the reals that a sign or an index tells."""
    match = _NUMBER_SET.fullmatch(text)
    if not match:
        return None
    name = dict(zip("ZNQ", "ℤℕℚ", strict=True)).get(match[1], match[1])
    return Words(f"{_SAME_WORDS.get(name, 'real numbers')} {match[2] or match[3] or match[4] or ''}".strip())


def option(text: str, lower_case: bool) -> tuple[str, str] | None:
    """The letter of an option and the text that follows it: `(C)`, `C.`, `Option C`, `(C) 12`.

    A small letter is an option in brackets, or anywhere where `lower_case` is set. Text that names another
    option is none.
    """
    written = plain(text)
    if match := _LETTER.fullmatch(written):
        letter = match[1] or match[2]
        bare = len(written) == 1
        return (letter.upper(), "") if letter.isupper() or not bare or lower_case else None
    match = _LETTER_AND_CONTENT.fullmatch(written)
    if not match or _FURTHER_LETTER.search(match[3]) or _JUDGED.match(match[3]):
        return None
    return match[1] or match[2], match[3]


def several_options(text: str) -> str | None:
    """The letters of several options, `ABD` or `A, B and D`, in the order of the alphabet."""
    if len(text) > _MAX_DATE:
        return None
    letters = re.sub(r"\band\b|[\s,()]", "", plain(text))
    if (
        not 2 <= len(letters) <= 10
        or not re.fullmatch("[A-J]+", letters)
        or list(letters) != sorted(set(letters))
    ):
        return None
    return letters


def words(text: str) -> Words | None:
    """Text that is made of words only. Letters that could as well be a product are none."""
    inside = TEXT.fullmatch(text.strip())
    tokens = re.sub(r"[-']", " ", TEXT.sub(r" \1 ", text)).split()
    longest = max((len(token) for token in tokens), default=0)
    if text in _SAME_WORDS:
        return Words(_SAME_WORDS[text])
    if not all(token.isalpha() and token.isascii() for token in tokens) or _MATHEMATICS.intersection(tokens):
        return None
    if value_of_words(" ".join(tokens)) is not None:
        return None
    if longest < (2 if inside else 3 if len(tokens) == 1 else 4):
        return None
    return _canonical(tokens)


def date_or_ordinal(text: str) -> Words | None:
    """`20 June`, `June 20th, 2020`, `3rd`: words, though there are numbers in them."""
    if len(text) > _MAX_DATE or not text[-1:].isalnum():
        return None
    tokens = plain(text).replace(",", " ").split()
    month = any(token.casefold() in _MONTHS for token in tokens) and 2 <= len(tokens) <= 5
    return _canonical(tokens) if month or _ORDINAL.fullmatch(text) else None


def with_remainder(text: str) -> Words | None:
    """`17 R 3`."""
    match = _REMAINDER.fullmatch(plain(text)) if len(text) <= _MAX_DATE else None
    return Words(f"{match[1]} remainder {match[2]}") if match else None


def announced(text: str) -> str | None:
    """Return the value that a sentence announces: 12 in `The area is 12`, None in `The square of the answer is 12`."""
    match = _ANNOUNCED.fullmatch(text)
    if not match or _OF_THE_ANSWER.search(match[1]) or is_doubt(match[1]):
        return None
    return match[2]


def is_doubt(name: str) -> bool:
    """Return whether the words before a value deny or doubt it rather than name it: `the wrong answer`.

    The segment `NO` does not.
    """
    return not _DOUBTS.isdisjoint(word.lower() for word in re.findall("[A-Za-z][a-z]+", name))


def words_and_signs(text: str) -> Words | None:
    """Text without mathematics: words, at most with numbers, brackets and punctuation among them."""
    written = plain(text)
    if re.search(r"""[^\w\s.,;:!?'"()-]|_""", written) or not re.search(r"[^\W\d_]", written):
        return None
    return _canonical(re.sub(r"[^\w\s-]", " ", written).split())


def _canonical(tokens: list[str]) -> Words:
    """In lower case and without a leading article; `the 20th of June` is `june 20`."""
    lower = [token.casefold() for token in tokens]
    while len(lower) > 1 and lower[0] in ("the", "a", "an", "all"):
        lower.pop(0)
    lower = [_ORDINALS.get(token, _ORDINAL.sub(r"\1th", token)) for token in lower]
    if len(lower) > 1 and any(token in _MONTHS for token in lower):
        rest = [token.removesuffix("th") for token in lower if token not in (*_MONTHS, "of", "the")]
        if all(token.isdecimal() for token in rest):
            lower = [*(token for token in lower if token in _MONTHS), *rest]
    text = " ".join(lower)
    return Words(_SAME_WORDS.get(text, text))
