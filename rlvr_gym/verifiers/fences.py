"""The fenced blocks of an answer."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers.answers import AnswerContract


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language in lower case ("" where it names none) and what stands inside."""

    language: str
    content: str
    closed: bool

    @property
    def python(self) -> bool:
        """True when the block is marked as Python."""
        return _is_python(self.language)


_PYTHON = re.compile(r"py(?:thon)?[0-9.]*", re.ASCII)


def _is_python(language: str) -> bool:
    return _PYTHON.fullmatch(language) is not None


def fenced_blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of `text`, in order, as CommonMark reads them: in lists and block quotes too.

    A list item or a quote that ends takes its block with it, closed. More than CommonMark: a fence may stand at any
    depth of indentation, what stands in a fence on a list item's first line may be indented less than the item, and
    a fence that names Python may open behind other text on its line. Takes time linear in the length of `text`.
    """
    lines = re.split(r"\r\n|\r|\n", text)
    at = 0
    while at < len(lines):
        fence = _opening(lines[at])
        at += 1
        if fence is None:
            continue
        fence = _as_written(fence, lines, at)
        content: list[str] = []
        closed = False
        while at < len(lines) and not closed:
            line, _, inside = _within(fence.parts, lines[at])
            closes = _closes(line, fence.sign)
            closed = closes or not inside
            if inside or closes:  # else the line, which stands behind the quote or the item, is read anew
                at += 1
            if not closed:
                content.append(line)
        yield Block(fence.language, "\n".join(content), closed)


@dataclass(frozen=True, slots=True)
class _Quote:
    """A `>` that every line in the fence has as well."""


@dataclass(frozen=True, slots=True)
class _Indentation:
    """White space, or the markers of list items, whose place white space takes on the lines that follow."""

    columns: int
    item: bool


_Part = _Quote | _Indentation


@dataclass(frozen=True, slots=True)
class _Fence:
    sign: str
    language: str
    parts: tuple[_Part, ...] = ()
    """The quotes and list markers on the line before the sign."""


_CONTAINERS = re.compile(r"(?:[ \t]*(?:>|(?:[-*+]|[0-9]{1,9}[.)])(?=[ \t]))){0,40}[ \t]*", re.ASCII)
"""No fence stands deeper than 40 quotes and list items: reading a line takes time for each."""
_CONTAINER = re.compile(r"([ \t]*)(>|[-*+]|[0-9]{1,9}[.)]|\Z)", re.ASCII)
_OPENING = re.compile(r"(?:(`{3,})([^`\n]*)|(~{3,})([^\n]*))")
_OPENING_AFTER_TEXT = re.compile(r"(`{3,})(python3?|py3?)[ \t]*", re.ASCII | re.IGNORECASE)
_LANGUAGE = re.compile(r"\{?\.?([\w+#.-]*)", re.ASCII)


def _opening(line: str) -> _Fence | None:
    """The fence that a line opens."""
    before = _CONTAINERS.match(line)
    assert before is not None  # it matches nothing at all as well
    if opening := _OPENING.fullmatch(line, before.end()):
        sign, info = opening[1] or opening[3], opening[2] or opening[4] or ""
        language = _LANGUAGE.match(info.strip())
        return _Fence(sign, language[1].lower() if language else "", _parts(before[0]))
    at = line.find("```")
    after = _OPENING_AFTER_TEXT.fullmatch(line, at) if at >= 0 else None
    return _Fence(after[1], after[2].lower()) if after else None


def _parts(before: str) -> tuple[_Part, ...]:
    """The quotes of a line, and between them the indentation, to which the markers of list items count."""
    parts: list[_Part] = []
    column = columns = 0
    item = False
    for container in _CONTAINER.finditer(before):
        blanks, marker = container.groups()
        width = _columns(blanks, column)
        column += width + len(marker)
        if parts and not columns and width:
            width -= 1  # the blank after a `>` is a part of it
        columns += width
        if marker == ">":
            parts += [_Indentation(columns, item), _Quote()]
            columns, item = 0, False
        elif marker:
            columns, item = columns + len(marker), True
    return (*parts, _Indentation(columns, item))


def _as_written(fence: _Fence, lines: Sequence[str], at: int) -> _Fence:
    """The fence, its list items only as deep as the first line inside is indented."""
    while at < len(lines) and not lines[at].strip(" \t"):
        at += 1
    if at == len(lines):
        return fence
    parts: list[_Part] = []
    for part in fence.parts:
        if isinstance(part, _Indentation) and part.item:
            line, column, _ = _within(parts, lines[at])
            part = replace(part, columns=min(part.columns, _columns(_blanks(line), column)))
        parts.append(part)
    behind_text = _is_python(fence.language) and not _within(parts, lines[at])[2]
    return replace(fence, parts=() if behind_text else tuple(parts))


def _within(parts: Sequence[_Part], line: str) -> tuple[str, int, bool]:
    """Strip a fence's quotes and list items off a line; return the rest, its column, and True.

    Returns False, with the rest so far, if the line is not inside all of them.
    """
    column = 0
    for part in parts:
        match part:
            case _Quote():
                blanks = _blanks(line)
                if not line.startswith(">", len(blanks)):
                    return line, column, False
                column += _columns(blanks, column) + 1
                line, taken = _outdented(line[len(blanks) + 1 :], column, 1)
            case _Indentation(columns, item):
                rest, taken = _outdented(line, column, columns)
                if item and taken < columns and rest:
                    return line, column, False
                line = rest
        column += taken
    return line, column, True


def _closes(line: str, sign: str) -> bool:
    stripped = line.strip(" \t")
    return len(stripped) >= len(sign) and not stripped.strip(sign[0]) and _columns(_blanks(line), 0) <= 3


def _blanks(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _columns(blanks: str, column: int) -> int:
    """Width of blanks that begin at a column: a tab reaches to the next multiple of four."""
    return len((" " * (column % 4) + blanks).expandtabs(4)) - column % 4


def _outdented(line: str, column: int, columns: int) -> tuple[str, int]:
    """The line without so many columns of blanks, or all it has, and how many these are; half a tab leaves blanks."""
    at = taken = 0
    while taken < columns and line[at : at + 1] in (" ", "\t"):
        taken += 4 - (column + taken) % 4 if line[at] == "\t" else 1
        at += 1
    return " " * (taken - columns) + line[at:], min(taken, columns)


def last_fenced(text: str) -> str:
    """Return the content of the last fenced block, or all of `text` if there is none, stripped.

    Raises ValueError if the last block is never closed. Takes time linear in the length of `text`.
    """
    last = next(iter(deque(fenced_blocks(text), maxlen=1)), None)
    if last is None:
        return text.strip()
    if not last.closed:
        raise ValueError("the last fenced block is never closed")
    return last.content.strip()


def fenced_answer(contract: AnswerContract, text: str, *, most: int) -> str | Verdict:
    """Apply `last_fenced` to the final answer of a completion; a verdict if there is no answer to read.

    `most` is the largest number of characters allowed.
    """
    said = contract.read_one(text)
    if isinstance(said, Verdict):
        return said
    try:
        answer = last_fenced(said)
    except ValueError as error:
        return Verdict.malformed(str(error))
    if len(answer) > most:
        return Verdict.malformed(f"longer than {most:,} characters")
    return answer if answer else Verdict.malformed("the last fenced block is empty")
