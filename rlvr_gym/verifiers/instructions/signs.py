"""Questions and tables: kinds of instructions about signs that have a grammar of their own."""

from __future__ import annotations

import re

from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, whole

_MARK = re.compile(r"[?？؟]")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s?]*\?(?=[\w&=%])")
_CLOSING = "\"'”’»›)]}*_~` \u00a0\u202f"
"""Signs that close a quotation, a bracket or an emphasis, and the spaces that French puts before such signs."""


def question_count(exactly: int) -> Constraint:
    """Exactly so many question marks, each at the end of something with a word in it.

    Between the word and its mark may stand what closes a quotation, a bracket or an emphasis, and other signs:
    `"Dune"?`, `C++?`, `50%?`, `p.m.?`. A mark behind another mark, or alone behind the end of a sentence, asks nothing,
    and one inside of a web address is none.
    """
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        asked = _ADDRESS.sub(" ", response)
        pieces = [piece for line in asked.split("\n") for piece in _MARK.split(line)[:-1]]
        idle = sum(not _asks(piece) for piece in pieces)
        if idle:
            return f"{idle} question marks that follow no word"
        return None if len(pieces) == exactly else f"{len(pieces)} questions, not {exactly}"

    return Constraint(
        id="rlvr:question_count", request=f"Ask exactly {exactly} questions.", find_fault=find_fault
    )


def _asks(piece: str) -> bool:
    """Return whether a question mark right after `piece` ends a question."""
    bare = piece.rstrip()
    ended = bare != piece and bare.rstrip(_CLOSING).endswith((".", "!"))
    return not ended and _LETTER_OR_DIGIT.search(piece) is not None


_RULE_CELL = re.compile(r":?-+:?")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_BAR = re.compile(r"(?<!\\)\|")


def table(columns: int, rows: int) -> Constraint:
    r"""One markdown table: a header, a rule of dashes, and exactly so many rows, no cell of them empty.

    As GitHub reads tables: bars at the ends of lines may be left out, `\|` is a sign of a cell's text, the table ends
    with the first line without a bar, and what stands in a fence is none.
    """
    whole("columns", columns)
    whole("rows", rows)

    def find_fault(response: str) -> Fault:
        found = _tables(response)
        if len(found) != 1:
            return f"{len(found)} tables, not one"
        cells = found[0]
        if not all(len(row) == columns and all(row) for row in cells):
            return f"not {columns} cells, with something in each, in every line of the table"
        return None if len(cells) == rows + 2 else f"{len(cells) - 2} rows, not {rows}"

    return Constraint(
        id="rlvr:table",
        request=f"Include a markdown table with {columns} columns, a header, and exactly {rows} rows below it.",
        find_fault=find_fault,
    )


def _tables(response: str) -> list[list[list[str]]]:
    """The tables of a response: their lines, the rule included, as lists of cells."""
    tables: list[list[list[str]]] = []
    block: list[list[str]] = []
    for line in [*_outside_fences(response), ""]:
        cells = _cells(line)
        if cells:
            block.append(cells)
            continue
        rule = next((i for i, row in enumerate(block[1:], start=1) if _is_rule(row, block[i - 1])), None)
        if rule is not None:
            tables.append(block[rule - 1 :])
        block = []
    return tables


def _outside_fences(response: str) -> list[str]:
    """The lines of a response, blank ones for those in a fence; one that is never closed goes to the end."""
    lines: list[str] = []
    fence = ""
    for line in response.split("\n"):
        mark = _FENCE.match(line)
        outside = not fence and not mark
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence) and not line[mark.end() :].strip():
            fence = ""
        lines.append(line if outside else "")
    return lines


def _is_rule(cells: list[str], header: list[str]) -> bool:
    return len(cells) == len(header) and all(_RULE_CELL.fullmatch(cell) for cell in cells)


def _cells(line: str) -> list[str]:
    """The cells of a table's line; none where it has no bar."""
    cells = [cell.strip() for cell in _BAR.split(line.strip())]
    if len(cells) == 1:
        return []
    return cells[1 if cells[0] == "" else 0 : -1 if cells[-1] == "" else None]
