r"""Statements after an expression about its letters: `n^2 \text{ for } n \ge 1`, `\forall x`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from rlvr_gym.verifiers.math.forms.texts import TEXT
from rlvr_gym.verifiers.math.text.brackets import closing_at, places, split

_MAX_CHARACTERS = 400
_CONNECTING = (
    r"for|where|with|valid for|when|whenever|if|provided(?: that)?|as long as|such that|assuming|over|here"
)
_ANY = r"(?:all|any|every|each|some|an|a|the|arbitrary|fixed)"
_SIGN = r"(?:real|positive|nonnegative|non-negative|negative|natural|whole|nonzero|non-zero)"
_NOUN = r"(?:constants?|parameters?|numbers?|integers?|reals?|naturals?|values? of)"
_LETTERS = r"[A-Za-zα-ω](?:\s*(?:,|∧)\s*[A-Za-zα-ω])*"
_BEGINS = re.compile(
    rf"\\text\{{\s*\(?\s*(?:{_CONNECTING})(?![A-Za-z])|\\forall|∀|(?<![A-Za-z\\])(?:{_CONNECTING})(?![A-Za-z])"
)
_QUANTIFIED = re.compile(
    rf"(?P<any>(?:{_ANY} )*)(?P<kind>(?:{_SIGN} )*(?:{_NOUN} )?)\s*(?P<letters>{_LETTERS})\s*(?P<tail>[<>≤≥≠∈=].*)?",
    re.DOTALL,
)
_DESCRIBED = re.compile(
    rf"(?P<letters>{_LETTERS})\s*(?:is|are|being|=)?\s*(?P<any>(?:{_ANY} )*)(?P<kind>(?:{_SIGN} )*{_NOUN})"
)
_OF_NUMBERS = re.compile(r"∈\s*(?:([ℤℕℚℝZNQR])\s*(?:\^?\s*\{?\s*([+*])\s*\}?|_\s*\{([^{}]*)\}|_(\d))?)")
_COUNTED = re.compile(r"=\s*(-?\d+)\s*,\s*-?\d+\s*,(?:\s*-?\d+\s*,)*\s*…")
_FUNCTION = re.compile(r"(?:[A-Za-zα-ωΑ-Ω]'*(?:_(?:\w|\{\w+\}))?)\s*(?:\([^()=]*\))?")
_LETTER = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?![A-Za-z])|[α-ω]")
_RELATIONS = "<>≤≥≠∈="
_WORDS = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{2}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """An expression, and what is said of its letters; all of the text, where nothing is said.

    `condition` is a relation, with `x` for the letter; `numbers` is what the letters run over (ℤ, ℕ, ℝ, ...);
    `bound` are the letters that run over something or are any constants, so that another letter says the same.
    """

    expression: str
    condition: str = ""
    numbers: str = ""
    bound: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def stated(text: str) -> Stated:
    """Split off a statement about an expression's letters that follows the expression, in the plain notation."""
    if len(text) <= _MAX_CHARACTERS:
        for expression, behind in _cuts(text):
            if found := _said(expression, behind):
                return found
    return Stated(expression=text)


def agree(a: Stated, b: Stated) -> tuple[str, str] | bool:
    """Return whether two statements are compatible, or the two conditions if those must be compared.

    A statement left out contradicts nothing.
    """
    if a.numbers and b.numbers and a.numbers != b.numbers:
        return False
    return (a.condition, b.condition) if a.condition and b.condition and a.condition != b.condition else True


def _cuts(text: str) -> Iterator[tuple[str, str]]:
    """The places where a statement may begin: at a word, at a comma, at a bracket that closes at the end."""
    for match in _BEGINS.finditer(text):
        before = text[: match.start()].rstrip().removesuffix("(").rstrip(" ,")
        yield before, _plain(text[match.start() :])
    for at in places(text, ","):
        yield text[:at].rstrip(), "," + _plain(text[at + 1 :])
    if text.endswith(")") and (at := _opening(text)) > 0:
        yield text[:at].rstrip(" ,"), "," + _plain(text[at:])


def _plain(text: str) -> str:
    """`text` without `\\text{...}` around words and without brackets around it."""
    text = " ".join(TEXT.sub(r" \1 ", text).split())
    if text.startswith("(") and closing_at(text, 0) == len(text) - 1:
        return text[1:-1].strip()
    return text.removesuffix(")").rstrip() if text.count(")") > text.count("(") else text


def _opening(text: str) -> int:
    """Find where the bracket that closes at the end opens."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[at], 0)
        if depth == 0:
            return at
    return -1


def _said(expression: str, behind: str) -> Stated | None:
    """Read all of `behind` as a statement about letters of `expression`; None if it says anything else."""
    connected = not behind.startswith(",")
    said = re.sub(rf"^\(?,?\s*(?:(?:{_CONNECTING})(?![A-Za-z])|\\forall|∀|\()*\s*", "", behind).strip(" ,")
    said = re.sub(r"^(?:\\forall|∀)\s*", "", said)
    connected = connected or said != behind.lstrip(", (")
    if not expression or not _is_one(expression) or (not connected and re.fullmatch("[A-Za-z]", expression)):
        return None
    if match := _DESCRIBED.fullmatch(said):
        return _stated(expression, match["letters"], match["kind"], "")
    if match := _QUANTIFIED.fullmatch(said):
        tail = match["tail"] or ""
        of_several = len(match["letters"]) > 1 and tail != "" and "∈" not in tail
        if (connected or tail) and not of_several and not _WORDS.search(tail):
            return _stated(expression, match["letters"], match["any"] + match["kind"], tail)
    names = {*_LETTER.findall(said)} - {"e"}
    formula = re.search("[<>≤≥≠]", said) and not _WORDS.search(said)
    if len(names) == 1 and formula and re.fullmatch(r"[\w\s.|<>≤≥≠πe+*/^{}\\-]+", said):
        return _stated(expression, names.pop(), "", said)
    return None


def _is_one(expression: str) -> bool:
    """Return whether the text is one expression: not a list, and no relation except a function's name before `=`."""
    if len(split(expression, ",∧∨;")) > 1:
        return False
    sides = split(expression, _RELATIONS)
    return len(sides) == 1 or (
        len(sides) == 2 and expression[len(sides[0])] == "=" and bool(_FUNCTION.fullmatch(sides[0].strip()))
    )


def _stated(expression: str, written: str, kind: str, relation: str) -> Stated | None:
    letters = tuple(re.findall(r"[A-Za-zα-ω]", written))
    name, sign, value = expression.partition("=")
    if not all(_stands_in(letter, expression) for letter in letters):
        return None
    if sign and name.strip() in letters and not all(_stands_in(letter, value) for letter in letters):
        return None  # `x = 3 for x > 4` says nothing of an expression in x
    if "constant" in kind or "parameter" in kind:
        return Stated(expression=expression, bound=letters) if not relation or "∈" in relation else None
    numbers = _numbers(kind)
    if match := _OF_NUMBERS.fullmatch(relation):
        numbers, relation = (
            _named(
                "ℤℕℚℝ"["ZNQR".find(match[1])] if match[1] in "ZNQR" else match[1],
                match[2] or match[3] or match[4],
            ),
            "",
        )
    elif relation.startswith("="):
        if not (counted := _COUNTED.fullmatch(relation)):
            return None
        relation = f"≥ {counted[1]}"
    runs = numbers and not all(_is_argument(letter, expression) for letter in letters)
    condition = (
        _of_x(letters[0], relation if relation[:1] not in _RELATIONS else f"{letters[0]} {relation}")
        if relation
        else _condition(kind)
    )
    return Stated(expression=expression, condition=condition, numbers=numbers, bound=letters if runs else ())


def _numbers(kind: str) -> str:
    """Return the set that letters run over when they are called positive integers, real numbers, and so on."""
    if "natural" in kind or ("integer" in kind and re.search(r"(?<!-)positive", kind)):
        return "ℕ"
    return "ℤ" if "integer" in kind else "ℝ" if re.search(r"real|numbers?", kind) else ""


def _named(numbers: str, part: str | None) -> str:
    if numbers == "ℤ" and (part or "").replace(" ", "") in ("+", ">0", "≥1"):
        return "ℕ"
    return f"{numbers}{part or ''}"


def _condition(kind: str) -> str:
    """The relation that words for the sign of a number say."""
    if "integer" in kind:
        return ""
    signs = {
        "nonneg": "x ≥ 0",
        "non-neg": "x ≥ 0",
        "positive": "x > 0",
        "negative": "x < 0",
        "nonzero": "x ≠ 0",
    }
    signs["non-zero"] = "x ≠ 0"
    return next((relation for word, relation in signs.items() if word in kind), "")


def _of_x(name: str, relation: str) -> str:
    """A relation with `x` for its letter, whatever it was."""
    return re.sub(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])", "x", relation)


def _is_argument(letter: str, expression: str) -> bool:
    """Return whether a letter is the argument of the function that an expression defines."""
    name, sign, _ = expression.partition("=")
    return bool(sign) and bool(re.search(rf"\([^()]*(?<![A-Za-z]){letter}(?![A-Za-z])[^()]*\)", name))


def _stands_in(name: str, text: str) -> bool:
    return bool(re.search(rf"(?<![A-Za-z\\])[A-Za-z]{{0,2}}{name}[A-Za-z]{{0,2}}(?![A-Za-z])", text))
