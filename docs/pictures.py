"""Draw the README's bar chart, for light and dark pages: `python docs/pictures.py`.

The figures are a recorded measurement: 145 attacks on code graders, written apart from this project and kept from its
authors, each tried once on every grader at its defaults. The suite is not published, so that it stays hidden.
`rlvr sandbox check --full` runs the public one, `rlvr_sandbox.conformance`.
"""

from pathlib import Path

ATTACKS = 145
FOOLED = {
    "naive subprocess": 53,
    "SandboxFusion": 52,
    "open-instruct": 33,
    "LiveCodeBench": 26,
    "verl": 23,
    "rlvr-gym": 0,
}
INK = {"light": "#1f2328", "dark": "#e6edf3"}
THEIRS = {"light": "#afb8c1", "dark": "#57606a"}
OURS = {"light": "#1a7f37", "dark": "#3fb950"}
NAMES, BARS, ROW, TOP = 150, 420, 30, 44


def chart(theme: str) -> str:
    """The chart as SVG."""
    ink = INK[theme]
    width, height = NAMES + BARS + 60, TOP + ROW * len(FOOLED) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="14" fill="{ink}">',
        f'<text x="0" y="18" font-weight="600">Attacks that fooled the judge, of {ATTACKS}</text>',
    ]
    for row, (name, count) in enumerate(FOOLED.items()):
        y = TOP + ROW * row
        colour = (THEIRS if count else OURS)[theme]
        length = max(3, BARS * count / max(FOOLED.values()))
        weight = "" if count else ' font-weight="600"'
        parts += [
            f'<text x="{NAMES - 12}" y="{y + 15}" text-anchor="end"{weight}>{name}</text>',
            f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="20" rx="3" fill="{colour}"/>',
            f'<text x="{NAMES + length + 8:.1f}" y="{y + 15}"{weight}>{count}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    for theme in INK:
        (Path(__file__).parent / f"attacks-{theme}.svg").write_text(chart(theme), encoding="utf-8")
