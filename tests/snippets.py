r"""Run the fenced blocks of a Markdown page from top to bottom, as a reader would who types them.

- `python`: run, in one module for the whole page.
- `sh`: run with bash. `console`: lines that begin with `$ ` are run (`\` at the end continues a line), and what stands
  below each must be what it prints; `...` stands for anything.
- Every other language is shown only.

A comment on the line before a block changes that, and says so in the page's source:

- `<!-- not run: REASON -->`: it needs what a test has not got. The reason begins with one of `REASONS`.
- `<!-- file: NAME -->`: its text becomes a file, and is not run.
- `<!-- run: COMMAND -->`: this is run in place of a block that would take minutes.
- `<!-- output varies -->`: a console block's commands are run, and what they print is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

REASONS = (
    *("another library", "needs a GPU", "needs a network", "needs data", "needs minutes"),
    *("needs several machines", "a pattern"),
)
RUN = ("python", "sh", "console")
BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
MARK = re.compile(r"<!-- (not run|file|run|output varies)(?:: ((?:(?!-->).)*?))? -->\s*\Z", re.DOTALL)

PRELUDE = r"""
import os as _os, re as _re, subprocess as _subprocess

def _shell(command, expected=None):
    done = _subprocess.run(["bash", "-euo", "pipefail", "-c", command], stdout=-1, stderr=-1, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    if expected is not None:
        parts = [_re.escape(part) for part in expected.rstrip().split("...")]
        said = "\n".join(line.rstrip() for line in (done.stdout + done.stderr).rstrip().splitlines())
        assert _re.fullmatch(".*".join(parts), said, _re.DOTALL), f"{command}\nprinted\n{said}\nand not\n{expected}"
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block with the comment before it."""

    language: str
    text: str
    line: int
    mark: str | None = None
    said: str = ""


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    for found in BLOCK.finditer(text):
        mark = MARK.search(text[: found.start()].rstrip(" "))
        indent = found["indent"]
        body = "".join(line.removeprefix(indent) for line in found["text"].splitlines(keepends=True))
        yield Block(
            language=found["language"],
            text=body,
            line=text.count("\n", 0, found.start()) + 1,
            mark=mark[1] if mark else None,
            said=(mark[2] or "") if mark else "",
        )


def program(text: str) -> str | None:
    """A Python program that does what the page says; None for a page without anything to run."""
    parts = [part for block in blocks(text) if (part := _part(block))]
    return PRELUDE + "\n".join(parts) if parts else None


def _part(block: Block) -> str | None:
    if block.mark == "not run":
        return None
    if block.mark == "file":
        return f"open({block.said!r}, 'w', encoding='utf-8').write({block.text!r})"
    if block.mark == "run":
        return f"_shell({block.said!r})"
    if block.language == "python":
        return block.text
    if block.language == "sh":
        return f"_shell({block.text!r})"
    if block.language == "console":
        compared = block.mark != "output varies"
        return "\n".join(
            f"_shell({command!r}, {expected if compared else None!r})"
            for command, expected in commands(block.text)
        )
    return None


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it should print."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        found.append(("\n".join(lines[: end + 1]), "\n".join(lines[end + 1 :])))
    return found
