"""docs/handbook.md and its pictures, from the records alone."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from experiments.experiment import Claim, Experiment, Finding, Quantity, find, verdict
from experiments.picture import picture
from experiments.records import Records
from rlvr_gym.files import write_atomically

DOCS = Path(__file__).parents[1] / "docs"
_HEAD = """<!-- Written by `python -m experiments` from experiments/results: change an experiment, not this page. -->

# Claims, put to the test

Much is said of training with verifiable rewards, in papers and in the notes that are written from them. Each sentence
here was tried on a small model or on a table of logits, with this project's own algorithms.

<!-- not run: needs minutes -->
```sh
make experiments                    # every run that has no record yet, on two cores; then this page
python -m experiments kl --jobs 1   # one experiment
```

**How it is decided.** The sides of an experiment differ in what the claim is about. They have the same seeds, and the
same number of samples or tokens where that matters. A difference is taken for each seed, and its mean has a 95 %
interval (Student's t; for shares at least as wide as that of [evaluations](concepts/intervals.md)). An expectation is
met if the interval lies wholly on the claimed side of zero, or of a margin that is named; it is reversed if it lies
wholly on the other, and not decided otherwise. A claim *holds* if all its expectations are met, *holds with conditions*
if some are, *does not hold here* if none is and one is reversed. If none is met and none reversed, *these machines
cannot decide it*. A program applies this rule. One in twenty intervals misses, so among many open differences some will
seem settled.

**What it cannot say.** Models here have about 230,000 parameters or fewer, and tasks take seconds. An effect that is
seen here can happen. One that is not seen here may still happen in large models.
"""


def write_page(complete: Sequence[Records], docs: Path = DOCS) -> None:
    """Write the page and the pictures of the experiments that have all their runs."""
    for path, text in files(complete, docs).items():
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text)


def files(complete: Sequence[Records], docs: Path = DOCS) -> dict[Path, str]:
    """Every file of the page with its text."""
    written = {docs / "handbook.md": page(complete)}
    for records in complete:
        found = [finding for claim in records.experiment.claims for finding in findings(records, claim)]
        written[docs / "handbook" / f"{records.experiment.name}.svg"] = picture(found)
    return written


def findings(records: Records, claim: Claim) -> list[Finding]:
    """A row for each expectation of a claim, with its finding."""
    return [find(one, records.runs, records.experiment.seeds) for one in claim.expectations]


def page(complete: Sequence[Records]) -> str:
    """The whole page."""
    seconds = math.fsum(records.cpu_seconds for records in complete)
    parts = [_HEAD, f"\nAll runs of this page took {_minutes(seconds)} of one processor.\n"]
    parts.append("\n| claim | verdict | experiment |\n| --- | --- | --- |\n")
    for records in complete:
        for claim in records.experiment.claims:
            title = records.experiment.title
            parts.append(
                f"| {_cell(claim.says)} | {_verdict(records, claim)} | [{title}](#{_anchor(title)}) |\n"
            )
    return "".join([*parts, *(_section(records) for records in complete)])


def _section(records: Records) -> str:
    """An experiment: its set-up, its claims with their figures, its picture."""
    experiment = records.experiment
    parts = [
        f"\n## {experiment.title}\n\n{experiment.setup}\n\n",
        f"{len(experiment.seeds)} seeds of each side, {_minutes(records.cpu_seconds)} of one processor in all "
        f"(`python -m experiments {experiment.name}`).\n",
    ]
    parts += [_claim(records, claim) for claim in experiment.claims]
    described = f"Differences of {experiment.title}, seed by seed, with their intervals"
    parts.append(f"\n![{described}](handbook/{experiment.name}.svg)\n")
    return "".join(parts)


def _claim(records: Records, claim: Claim) -> str:
    """A claim with its verdict and a row for each expectation."""
    parts = [
        f"\n**{claim.says}** *{claim.stands}*\n\n",
        f"Verdict: **{_verdict(records, claim)}**.{' ' + claim.remark if claim.remark else ''}\n\n",
        "| expected to be more | mean | than | difference | 95 % interval | found |\n",
        "| --- | --- | --- | --- | --- | --- |\n",
    ]
    for one in findings(records, claim):
        low, high = one.interval.low, one.interval.high
        expected, than = one.expectation, f"{_number(one.less)}{_of(one, records.experiment)}"
        margin = f", to within {_number(expected.margin)}" if expected.margin else ""
        parts.append(
            f"| {_cell(expected.says)}{margin} | {_number(one.more)} | {than} "
            f"| {one.difference:+.3g} | {low:+.3g} to {high:+.3g} | {one.state} |\n"
        )
    return "".join(parts)


def _of(finding: Finding, experiment: Experiment) -> str:
    """The side that the smaller figure is of."""
    less = finding.expectation.less
    return f" ({less.side})" if isinstance(less, Quantity) and len(experiment.sides) > 1 else ""


def _verdict(records: Records, claim: Claim) -> str:
    return str(verdict([one.state for one in findings(records, claim)]))


def _minutes(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _cell(text: str) -> str:
    """The text as it stands in a cell of a table."""
    return text.replace("|", "\\|")


def _number(value: float) -> str:
    return f"{value:.3g}"


def _anchor(title: str) -> str:
    """The anchor that mkdocs gives a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())
