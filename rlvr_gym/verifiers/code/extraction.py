"""Find the program in a completion, and read it."""

from __future__ import annotations

import io
import textwrap
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from rlvr_gym.errors import ConfigError
from rlvr_gym.verifiers.answers import Malformed, without_thinking
from rlvr_gym.verifiers.fences import fenced_blocks

MAX_CHARACTERS = 1 << 18
"""No program is longer: what is longer is a repetition that never ended."""


class Blocks(StrEnum):
    """The choice among a completion's fenced blocks, if there are several."""

    LAST = "last"
    """The last one, so that a correction is honoured."""
    ONLY = "only"
    """There must be one; different ones contradict each other and are malformed."""
    CONCATENATED = "concatenated"
    """All of them, one after the other."""

    @staticmethod
    def of(name: Blocks | str) -> Blocks:
        """The choice of that name. Raises ConfigError, naming the choices, where there is none."""
        try:
            return Blocks(name)
        except ValueError:
            raise ConfigError(f"blocks must be one of {', '.join(Blocks)}, not '{name}'") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Extracted:
    """A program as it stands in a completion."""

    source: str
    whole: bool = False
    """True when the program is the whole completion, outside of any fenced block."""


def extract(text: str, blocks: Blocks = Blocks.LAST) -> Extracted | Malformed:
    """The program that a completion ends with.

    Text inside `<think>` never counts. Fenced blocks marked as Python are candidates; where there is none,
    blocks without a language are. `blocks` says which of several is meant. The one that decides being never
    closed, there is no program. A completion without any fence is a program as a whole, or none: whether
    it is, shows when it is run. Takes time linear in the length of `text`.
    """
    text = without_thinking(text)
    found = list(fenced_blocks(text))
    if not found:
        return _within_limits(textwrap.dedent(text).strip(), whole=True)
    candidates = [block for block in found if block.python]
    candidates = candidates or [block for block in found if not block.language]
    if not candidates:
        languages = ", ".join(sorted({block.language for block in found}))
        return Malformed(reason=f"no fenced block of Python in the completion, only of {languages[:80]}")
    if not candidates[-1].closed:
        return Malformed(reason="the last fenced block is never closed")
    return _chosen([block.content for block in candidates if block.closed], blocks)


def marked_blocks(text: str) -> list[str]:
    """The closed fenced blocks that are marked as Python, in order. Text inside `<think>` never counts."""
    blocks = fenced_blocks(without_thinking(text))
    return [block.content for block in blocks if block.closed and block.python]


def _chosen(contents: Sequence[str], blocks: Blocks) -> Extracted | Malformed:
    match blocks:
        case Blocks.LAST:
            return _within_limits(contents[-1])
        case Blocks.ONLY:
            if len(set(contents)) > 1:
                return Malformed(reason=f"{len(contents)} fenced blocks where exactly one is asked for")
            return _within_limits(contents[-1])
        case Blocks.CONCATENATED:
            return _within_limits("\n".join(contents))
        case _:
            assert_never(blocks)


def _within_limits(source: str, *, whole: bool = False) -> Extracted | Malformed:
    if not source.strip():
        return Malformed(reason="no program in the completion" if whole else "the fenced block is empty")
    if len(source) > MAX_CHARACTERS:
        return Malformed(reason=f"a program of {len(source):,} characters; the limit is {MAX_CHARACTERS:,}")
    return Extracted(source=source, whole=whole)


def continued(prompt: str, text: str) -> Extracted | Malformed:
    """The program made of `prompt`, which ends inside of a function, and of the text that continues it.

    For base models, which go on after the function: the program ends where the first statement after the
    function's body begins. Text inside `<think>` never counts.
    """
    body = _within_limits(without_thinking(text), whole=True)
    return body if isinstance(body, Malformed) else Extracted(source=prompt + _of_the_function(body.source))


def _of_the_function(text: str) -> str:
    """`text` up to where the indentation ends that a function's body has."""
    lines = text.split("\n")
    tokens = tokenize.generate_tokens(io.StringIO("def f():\n" + text).readline)
    depth = 0
    try:
        for token in tokens:
            depth += {tokenize.INDENT: 1, tokenize.DEDENT: -1}.get(token.type, 0)
            if token.type == tokenize.DEDENT and depth == 0:
                return "\n".join(lines[: token.start[0] - 2]) + "\n"
    except (tokenize.TokenError, SyntaxError):
        return text  # cut off in the middle of something: no program, and the sandbox will say where
    return text
