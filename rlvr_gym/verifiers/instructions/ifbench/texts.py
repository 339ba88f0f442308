"""Words and sentences as IFBench takes them apart, and arguments as its rows store them."""

from __future__ import annotations

import string
import unicodedata

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.instructions.constraint import whole

SIGNS = string.punctuation
_NO_SIGNS = str.maketrans("", "", SIGNS)


def bare(text: str) -> str:
    """Text without ASCII punctuation."""
    return text.translate(_NO_SIGNS)


def bare_words(text: str) -> list[str]:
    """Words in lower case, ASCII punctuation left out, parted by white space."""
    return bare(text.lower()).split()


def stripped(word: str) -> str:
    """A word without the ASCII punctuation and blanks around it."""
    return word.strip(f"{SIGNS} ")


def ascii_letters(text: str) -> str:
    """Text without its diacritical marks, and without whatever else is not ASCII."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def number(name: str, value: float, *, smallest: int = 1) -> int:
    """A whole number, which may be stored as a float. Raises ConfigError for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return whole(name, value, smallest=smallest)  # pyright: ignore[reportArgumentType] - it checks the type


def checked_percentage(value: float) -> float:
    """A percentage. Raises ConfigError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ConfigError(f"percentage must be from 0 to 100, not {value!r}")
    return value
