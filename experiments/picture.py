"""The picture of an experiment: the difference of every expectation, seed by seed, and the interval of its mean."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from experiments.experiment import Finding, State

_COLOURS = {State.MET: "#1a7f37", State.REFUTED: "#cf222e", State.OPEN: "#8c6d1f"}
_GREY = "#6e7781"
"""Read on light and on dark pages."""
_TEXT, _AXIS, _ROW, _TOP = 440, 320, 40, 34


def picture(findings: Sequence[Finding]) -> str:
    """One row for each expectation, as SVG. Rows have scales of their own; what is claimed lies to the right."""
    width, height = _TEXT + _AXIS + 20, _TOP + _ROW * len(findings) + 6
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{_GREY}">',
        f'<text x="{_TEXT}" y="16">the reverse</text>',
        f'<text x="{_TEXT + _AXIS}" y="16" text-anchor="end">as claimed</text>',
    ]
    for row, finding in enumerate(findings):
        lines += _row(finding, _TOP + _ROW * row)
    return "\n".join([*lines, "</svg>\n"])


def _row(finding: Finding, top: int) -> list[str]:
    """Seeds as dots, the interval as a bar, and a line at the difference that is to be exceeded."""
    threshold, middle = -finding.expectation.margin, top + _ROW / 2 - 4
    seen = (*finding.differences, finding.interval.low, finding.interval.high, threshold)
    reach = max(abs(value - threshold) for value in seen) or 1.0
    centre = _TEXT + _AXIS / 2

    def place(value: float) -> float:
        return round(centre + (value - threshold) / reach * (_AXIS / 2 - 8), 1)

    low, high, colour = place(finding.interval.low), place(finding.interval.high), _COLOURS[finding.state]
    return [
        f'<text x="{_TEXT - 12}" y="{middle + 4:g}" text-anchor="end">{escape(finding.expectation.says)}</text>',
        f'<line x1="{centre:g}" y1="{top}" x2="{centre:g}" y2="{top + _ROW - 8}" stroke="{_GREY}" '
        'stroke-dasharray="3 3"/>',
        f'<line x1="{low}" y1="{middle:g}" x2="{high}" y2="{middle:g}" stroke="{colour}" stroke-width="3"/>',
        *(
            f'<circle cx="{place(value)}" cy="{middle:g}" r="3" fill="{colour}" fill-opacity="0.45"/>'
            for value in finding.differences
        ),
        f'<line x1="{place(finding.difference)}" y1="{middle - 7:g}" x2="{place(finding.difference)}" '
        f'y2="{middle + 7:g}" stroke="{colour}" stroke-width="2"/>',
    ]
