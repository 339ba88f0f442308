"""Constraints on the form of a response: bullets, highlights, sections, JSON, titles, placeholders, postscripts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from rlvr_gym.verifiers.instructions.constraint import Constraint, Fault, count_fault, text, whole

_STAR_BULLET = re.compile(r"^[^\S\n]*+\*[^*].*$", re.MULTILINE)
_DASH_BULLET = re.compile(r"^[^\S\n]*+-.*$", re.MULTILINE)


def bullet_count(exactly: int) -> Constraint:
    """Exactly so many bullets: lines that begin with `*` (and not `**`) or with `-`."""
    whole("exactly", exactly)

    def find_fault(response: str) -> Fault:
        count = sum(1 for bullet in (_STAR_BULLET, _DASH_BULLET) for _ in bullet.finditer(response))
        return None if count == exactly else f"{count} bullets, not {exactly}"

    return Constraint(
        id="detectable_format:number_bullet_lists",
        request=f"Include exactly {exactly} bullet points in markdown, such as: * This is a point.",
        find_fault=find_fault,
    )


_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")


def highlight_count(at_least: int) -> Constraint:
    """At least so many highlights within a line, `*so*` or `**so**`, that hold more than white space."""
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        single = sum(1 for found in _HIGHLIGHT.findall(response) if found.strip("*").strip())
        double = sum(1 for found in _DOUBLE_HIGHLIGHT.findall(response) if found[2:-2].strip())
        return count_fault(single + double, "highlights", at_least=at_least)

    return Constraint(
        id="detectable_format:number_highlighted_sections",
        request=f"Highlight at least {at_least} parts with markdown, i.e. *highlighted part*.",
        find_fault=find_fault,
    )


def section_count(at_least: int, *, splitter: str = "Section") -> Constraint:
    """At least so many sections, each begun by the splitter and a number: `Section 1`."""
    whole("at_least", at_least)
    splitter = text("splitter", splitter)
    heading = re.compile(rf"{re.escape(splitter)}\s?\d+")

    def find_fault(response: str) -> Fault:
        count = sum(1 for _ in heading.finditer(response))
        return count_fault(count, "sections", at_least=at_least)

    return Constraint(
        id="detectable_format:multiple_sections",
        request=f"Write {at_least} sections. Mark the beginning of each with {splitter} X, such as: {splitter} 1.",
        find_fault=find_fault,
    )


def json_only() -> Constraint:
    """The whole response is JSON, in a fence (three backticks, `json` after them) or not."""

    def find_fault(response: str) -> Fault:
        document = response.strip()
        for fence in ("```json", "```Json", "```JSON", "```"):
            document = document.removeprefix(fence)
        try:
            json.loads(document.removesuffix("```").strip())
        except (ValueError, RecursionError) as error:
            return f"not JSON: {str(error)[:80]}"
        return None

    return Constraint(
        id="detectable_format:json_format",
        request="Give the whole answer in JSON. You may put it between markdown ticks such as ```.",
        find_fault=find_fault,
    )


def title() -> Constraint:
    """A title within a line, in double angular brackets: `<<poem of joy>>`."""

    def find_fault(response: str) -> Fault:
        found = any(_has_title(line) for line in response.split("\n"))
        return None if found else "no title in << >>"

    return Constraint(
        id="detectable_format:title",
        request="Give a title, wrapped in double angular brackets, such as <<poem of joy>>.",
        find_fault=find_fault,
    )


def _has_title(line: str) -> bool:
    start, end = line.find("<<"), line.rfind(">>")
    return start >= 0 and end >= start + 3 and bool(line[start : end + 2].lstrip("<").rstrip(">").strip())


CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def constrained_response(options: Sequence[str] = CHOICES) -> Constraint:
    """One of the options stands somewhere in the response, to the letter."""
    options = [text("every option", option) for option in options]

    def find_fault(response: str) -> Fault:
        return None if any(option in response for option in options) else "none of the options"

    return Constraint(
        id="detectable_format:constrained_response",
        request=f"Answer with one of the following options: {' '.join(options)}",
        find_fault=find_fault,
    )


def placeholder_count(at_least: int) -> Constraint:
    """At least so many placeholders in square brackets within a line: `[address]`."""
    whole("at_least", at_least)

    def find_fault(response: str) -> Fault:
        count = sum(_placeholders(line) for line in response.split("\n"))
        return count_fault(count, "placeholders", at_least=at_least)

    return Constraint(
        id="detectable_content:number_placeholders",
        request=f"Include at least {at_least} placeholders in square brackets, such as [address].",
        find_fault=find_fault,
    )


def _placeholders(line: str) -> int:
    """Count `[...]`, the shortest from each bracket that opens outside of another."""
    count, end = 0, 0
    while (start := line.find("[", end)) >= 0 and (end := line.find("]", start) + 1):
        count += 1
    return count


_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}


def postscript(marker: str = "P.S.") -> Constraint:
    """A postscript begun by the marker, anywhere; case does not count, nor space within `P. S.` and `P. P. S`."""
    marker = text("marker", marker)
    pattern = re.compile(_POSTSCRIPTS.get(marker) or re.escape(marker.lower()))

    def find_fault(response: str) -> Fault:
        return None if pattern.search(response.lower()) else f"no {marker}"

    return Constraint(
        id="detectable_content:postscript",
        request=f"At the end, add a postscript starting with {marker}",
        find_fault=find_fault,
    )
