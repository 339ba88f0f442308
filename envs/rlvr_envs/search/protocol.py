"""Search-R1's protocol (arXiv 2503.09516): what a turn asks for, and documents as it is shown them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from rlvr_envs.search.corpus import Document
from rlvr_gym.verifiers.answers import without_thinking

STOPS = ("</search>", "</answer>")
HOW_TO = (
    "Answer the given question. You must conduct reasoning inside <think> and </think> first every time you get new "
    "information. After reasoning, if you find you lack some knowledge, you can call a search engine by <search> query "
    "</search> and it will return the top searched results between <information> and </information>. You can search as "
    "many times as you want. If you find no further external knowledge needed, you can directly provide the answer "
    "inside <answer> and </answer>, without detailed illustrations. For example, <answer> Beijing </answer>. Question: "
)
HOW_TO_CALL = (
    "Answer the given question. Look up what you do not know with the tool `search`. When you know the answer, give it "
    "inside <answer> and </answer>, without detailed illustrations. Question: "
)
AGAIN = (
    "That was neither a search nor an answer. To search, put a query between <search> and </search>. To answer, put "
    "the answer between <answer> and </answer>."
)
MOST_CHARACTERS = 1000
"""Characters of the longest query that is searched for."""
_INFORMATION = re.compile(
    r"<\s*(information|tool_response)\b[^<>]*>.*?(?:<\s*/\s*\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_CLOSING = re.compile(r"</(search|answer)\s*>", re.IGNORECASE)
_OPENING = re.compile(r"<search\s*>", re.IGNORECASE)
_TAG = re.compile(r"<(?=\s*/?\s*(?:[^\W\d_]|\|))")
_TOKEN = re.compile(r"[A-Za-z]{1,6}|[0-9]{1,3}|[^\sA-Za-z0-9]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """A turn that searches."""

    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Final:
    """A turn that answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unclear:
    """A turn that does neither."""


def read_turn(text: str) -> Query | Final | Unclear:
    """Read a turn by the first tag that it closes, outside of its thinking and of information it repeats."""
    said = own_words(without_thinking(text))
    closing = _CLOSING.search(said)
    if closing is None:
        return Unclear()
    if closing[1].lower() == "answer":
        return Final()
    *_, opening = (None, *_OPENING.finditer(said, 0, closing.start()))
    return Unclear() if opening is None else Query(text=said[opening.end() : closing.start()].strip())


def own_words(text: str) -> str:
    """A turn without the information that it repeats or makes up."""
    return _INFORMATION.sub("\n", text)


def fenced(found: str) -> str:
    """The results of a search as the policy is shown them in place of a tool's answer."""
    return f"\n\n<information>{found}</information>\n\n"


def shown(documents: Sequence[Document], tokens: int) -> str:
    """Documents as text of at most `tokens` tokens in all, of which the last may be cut; tags in them are escaped.

    A token is a sign, six letters of a word or three digits: tokenizers, which an environment does not know, mostly
    take fewer.
    """
    lines: list[str] = []
    for number, document in enumerate(documents, start=1):
        title = f"(Title: {_escaped(document.title)}) " if document.title else ""
        text = f"Doc {number}{title or ': '}{_escaped(document.text)}"
        ends = [token.end() for token in islice(_TOKEN.finditer(text), tokens + 1)]
        if len(ends) > tokens:
            lines += [f"{text[: ends[tokens - 1]]} [cut]"] if tokens else []
            break
        lines.append(text)
        tokens -= len(ends)
    return "\n".join(lines)


def _escaped(text: str) -> str:
    """A text in which no tag begins, whoever's it would be."""
    return _TAG.sub("&lt;", text)
