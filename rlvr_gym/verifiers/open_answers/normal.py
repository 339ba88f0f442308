"""The normal form in which answers to open questions are compared.

As in the evaluation of SQuAD (arXiv 1606.05250), which Search-R1 trains with, there is no case, no punctuation and no
English article in it. Deviations, each because two different answers would be the same without it:

- Punctuation between digits stays, but for the commas of thousands (1.5 is not 15), and so does the minus of a number.
- A percent sign is the word (5% is 5 percent, and not 5).
- Plus signs and # after a letter stay (C++ is not C).
- An article that ends an answer stays, for it belongs to no noun (vitamin A).
- Punctuation and digits are those of all scripts, and composed and decomposed letters are the same.
"""

from __future__ import annotations

import re
import string
import unicodedata

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_THOUSANDS = re.compile(r"(?<![\d.,])(\d{1,3})((?:,\d{3})+)(?![\d,])")
_KEPT = re.compile(
    r"""(?P<between>(?<=\d)[^\w\s](?=\d))  # 1.5, 10:30, 1914-18
      | (?P<minus>(?<![\w.])-(?=\.?\d))    # -5
      | (?P<named>(?<=[^\W\d])(?:\+{1,2}|\#)(?!\w))  # C++, C#
      | (?P<other>[^\w\s]|_)""",
    re.VERBOSE,
)
_SPACED_DASH = re.compile(r"(?<=\d)\s+-\s+(?=\d)")
_PERCENT = re.compile(r"(?<=\d)\s*\\?[%\uff05]|\bper cent\b")
_ARTICLE = re.compile(r"\b(?:a|an|the)\s+(?=\S)")


def normal(text: str) -> str:
    """Write an answer in its normal form, which is empty for one that says nothing."""
    text = " ".join(unicodedata.normalize("NFC", text).translate(_DASHES).lower().split())
    text = _SPACED_DASH.sub("-", text)
    text = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    text = _PERCENT.sub(" percent", text)
    text = " ".join(_KEPT.sub(_kept, text).split())
    return _ARTICLE.sub("", text)


def _kept(sign: re.Match[str]) -> str:
    if sign["other"] is None:
        return sign[0]
    return "" if _is_punctuation(sign["other"]) else sign["other"]


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")
