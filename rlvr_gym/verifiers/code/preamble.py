"""A program after the code that stands before it, its imports from `__future__` first."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from tokenize import TokenInfo

_BETWEEN_STATEMENTS = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING)


def after_preamble(preamble: str, source: str) -> str:
    """`source` after `preamble`; the imports from `__future__` of both stand first, as Python demands.

    Moved are those that stand where Python accepts them in the source alone: after nothing but a docstring and each
    other. Of others (a line of a text, an import too late) nothing changes what Python says. No more is read
    of the source than the tokens up to its first other statement.
    """
    ours, given = _parted(preamble.rstrip("\n"))
    theirs, rest = _parted(source.removeprefix("\ufeff"))
    return "\n".join([*ours, *theirs, given, "", rest])


def _parted(source: str) -> tuple[list[str], str]:
    """The imports from `__future__` that `source` begins with, and the source without them."""
    begins = [0]  # of the lines, as the tokenizer counts them
    for line in io.StringIO(source, newline="\n"):
        begins.append(begins[-1] + len(line))
    imports: list[str] = []
    rest: list[str] = []
    done = 0
    for statement in _first_statements(source):
        words = [token.string for token in statement[:2]]
        if words != ["from", "__future__"]:
            if len(statement) == 1 and statement[0].type == tokenize.STRING:
                continue
            break
        start, end = (begins[row - 1] + column for row, column in (statement[0].start, statement[-1].end))
        imports.append(source[start:end])
        rest.append(source[done:start])
        done = _after_the_end_of_statement(source, end)
    return imports, "".join([*rest, source[done:]])


def _after_the_end_of_statement(source: str, end: int) -> int:
    """Find where the next statement may begin: after a semicolon, or on the next line if nothing else follows."""
    at = _after_blanks(source, end)
    if source.startswith(";", at):
        at = _after_blanks(source, at + 1)
    return next((at + len(newline) for newline in ("\r\n", "\n") if source.startswith(newline, at)), at)


def _after_blanks(source: str, at: int) -> int:
    while at < len(source) and source[at] in " \t\f":
        at += 1
    return at


def _first_statements(source: str) -> Iterator[list[TokenInfo]]:
    """The simple statements of a source, as tokens, one after another; ends where it is no Python."""
    statement: list[TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source, newline="\n").readline):
            ends = token.type in (tokenize.NEWLINE, tokenize.ENDMARKER) or token.string == ";"
            if ends and statement:
                yield statement
                statement = []
            elif not ends and token.type not in _BETWEEN_STATEMENTS:
                statement.append(token)
    except (tokenize.TokenError, SyntaxError):
        return
