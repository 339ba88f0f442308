"""Language mixing: completions in writing that their prompt is not in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from rlvr_gym.rollouts import Group
from rlvr_trainers.metrics import Metrics

FOREIGN_SHARE = 0.1
"""A completion is mixed from this share of foreign letters on: a name or a unit is no other language."""
_TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "HANGUL": "CJK", "BOPOMOFO": "CJK", "FULLWIDTH": "LATIN"}
_SYMBOLS = frozenset(
    {"GREEK", "MATHEMATICAL", "SUPERSCRIPT", "SUBSCRIPT", "MODIFIER", "DOUBLE-STRUCK", "SCRIPT"}
)
"""Letters of formulas belong to no language."""


def scripts(text: str) -> Counter[str]:
    """Count a text's letters by script. Chinese, Japanese and Korean count as one; formulas do not count."""
    if text.isascii():
        return +Counter(LATIN=sum(map(str.isalpha, text)))
    counted: Counter[str] = Counter()
    for sign, times in Counter(text).items():
        if script := _script(sign):
            counted[script] += times
    return counted


def is_mixed(text: str, prompt: str) -> bool:
    """Return whether at least a tenth of the letters are of scripts that the prompt does not use."""
    if text.isascii() and prompt.isascii():
        return False
    found, expected = scripts(text), scripts(prompt)
    foreign = sum(count for script, count in found.items() if script not in expected)
    return bool(expected.total()) and foreign >= FOREIGN_SHARE * found.total() > 0


def language_metrics(groups: Sequence[Group]) -> Metrics:
    """The share of completions in scripts that are not their prompt's; languages of one script are not told apart."""
    mixed = [is_mixed(rollout.text, rollout.task.text) for group in groups for rollout in group]
    return {"detectors/languages/share": sum(mixed) / len(mixed)} if mixed else {}


@lru_cache(maxsize=65_536)
def _script(sign: str) -> str:
    """The script of a letter, "" for what is no letter of a language."""
    if not sign.isalpha():
        return ""
    first = unicodedata.name(sign, "").partition(" ")[0]
    return "" if first in _SYMBOLS else _TOGETHER.get(first, first)
