"""Cutting an answer at signs that stand outside of all brackets."""

from __future__ import annotations

OPENERS, CLOSERS = "([{⟦⟨", ")]}⟧⟩"


def places(text: str, signs: str) -> list[int]:
    """Find `signs` outside of all brackets and environments."""
    depth, found = 0, []
    for index, character in enumerate(text):
        if character in OPENERS:
            depth += 1
        elif character in CLOSERS:
            depth -= 1
        elif character in signs and depth == 0 and not _inside_environment(text, index):
            found.append(index)
    return found


def _inside_environment(text: str, index: int) -> bool:
    return text.count("\\begin", 0, index) > text.count("\\end", 0, index)


def split(text: str, signs: str) -> list[str]:
    """`text` cut at `signs` that stand outside of all brackets."""
    if not any(sign in text for sign in signs):
        return [text]
    cuts = places(text, signs)
    return [text[start + 1 : end] for start, end in zip([-1, *cuts], [*cuts, len(text)], strict=True)]


def closing_at(text: str, start: int) -> int:
    """Find the end of the bracket at `start`; `(` may be closed by `]`."""
    depth = 0
    for index in range(start, len(text)):
        if text[index] in OPENERS:
            depth += 1
        elif text[index] in CLOSERS:
            depth -= 1
            if depth == 0:
                return index
    return -1
