"""The kinds of thing a final answer can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from rlvr_gym.verifiers.math.expressions.nodes import Node
from rlvr_gym.verifiers.math.forms.units import Unit


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, with a unit where one was given."""

    node: Node
    unit: Unit


@dataclass(frozen=True, slots=True)
class Words:
    """Plain text, in lower case, without articles and punctuation."""

    text: str


@dataclass(frozen=True, slots=True)
class Based:
    """A numeral in a base that is written beside it."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, in seconds from midnight, and what is said of the half of the day it is in.

    "half" for AM or PM, "day" for a time that counts from midnight, "open" for none of both.
    """

    seconds: int
    said: Literal["half", "day", "open"]


@dataclass(frozen=True, slots=True)
class Choice:
    """An option, by its letter; `content` is what is said to stand there, where that is said and can be read."""

    letter: str
    content: Form | None = None


@dataclass(frozen=True, slots=True)
class Congruence:
    """`residue` modulo `modulus`."""

    residue: Node
    modulus: Node


@dataclass(frozen=True, slots=True)
class Ratio:
    """`a:b:c`."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Ordered:
    """A tuple, point, vector or interval: `closing` holds its two brackets, `(` and `]` say."""

    closing: str
    items: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A set, or several answers side by side: the order means nothing.

    `joint` is how they were joined: `∧` for a comma or "and", `∨` for "or".
    """

    items: tuple[Form, ...]
    braces: bool = False
    joint: Literal["∧", "∨"] = "∧"


@dataclass(frozen=True, slots=True)
class Union:
    """A union of intervals and sets."""

    items: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """A set of numbers without those of another."""

    whole: Form
    taken: Form


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries; a vector written as a column or a row is one too."""

    rows: tuple[tuple[Form, ...], ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """`nodes[0] signs[0] nodes[1] ...`, such as `0 < x ≤ 5`. `units` are those of its sides; they are not compared."""

    nodes: tuple[Node, ...]
    signs: tuple[str, ...]
    units: tuple[Unit, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """`x = 5`: a value and what it is the value of. `relation` is the same as a relation, where it is one.

    `is_equation` says that it is that relation rather than a value with a name: `x + y = 5`.
    """

    label: str
    value: Form
    relation: Relation | None
    is_equation: bool = False


Form = (
    Scalar
    | Words
    | Based
    | Clock
    | Choice
    | Congruence
    | Ratio
    | Ordered
    | Listed
    | Union
    | Without
    | Matrix
    | Relation
    | Labelled
)
"""Every form a final answer can have."""
