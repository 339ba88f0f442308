"""The learning curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rlvr_sandbox.installing import pip_install

from rlvr_gym.cli.completion import complete_run
from rlvr_gym.cli.manual import Manual, documented
from rlvr_gym.cli.outputs import refuse_without_folder
from rlvr_gym.errors import ConfigError
from rlvr_gym.files import read_lines

PANELS = (
    ("reward and pass rate", ("reward/mean", "pass_rate/all")),
    ("degenerate groups, truncated completions", ("groups/degenerate_share", "truncation/share")),
    ("completion length, tokens", ("length/mean", "length/correct", "length/incorrect")),
    ("entropy, nats per token", ("entropy",)),
    ("clipped tokens", ("clip/low_fraction", "clip/high_fraction")),
)
IMITATION = ("mean -log p of what is imitated, nats per token", ("nll",))
"""Takes the place of the last, which imitation has no figures for."""


MANUAL = Manual(
    examples=(
        ("rlvr plot runs/quickstart-reverse", "Into runs/quickstart-reverse/curves.png"),
        ("rlvr plot runs/quickstart-reverse --out curves.svg", "Into another file, of another kind"),
    ),
    page="training",
    topics=("files",),
)


@documented(MANUAL)
def plot(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A training run's folder.", autocompletion=complete_run)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where to write it.  [default: RUN/curves.png]", show_default=False)
    ] = None,
) -> None:
    """Draw the learning curves of a training run."""
    chosen = out or run / "curves.png"
    if not chosen.suffix:
        chosen = chosen.with_name(f"{chosen.name}.png")
    if out is not None:
        refuse_without_folder(out, "the picture cannot go to")
    print(f"wrote {draw(run, chosen)}")


def draw(run: Path, out: Path) -> Path:
    """Draw held-out pass@1 with its interval and the training metrics of `run` into `out`."""
    rows = list(read_lines(run / "metrics.jsonl"))
    if not rows:
        raise ConfigError(f"no metrics in {run}: is it the folder of a training run?")
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ConfigError(f"drawing needs matplotlib: {pip_install('train')}") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = (*PANELS[:-1], IMITATION) if any("nll" in row for row in rows) else PANELS
    figure, axes = plt.subplots(2, 3, figsize=(13, 6.5), layout="constrained")
    _held_out(axes.flat[0], rows)
    for axis, (title, names) in zip(axes.flat[1:], panels, strict=True):
        for name in names:
            _curve(axis, rows, name)
        axis.set_title(title, fontsize=10)
        if axis.lines:
            axis.legend(fontsize=8, frameon=False)
    for axis in axes.flat:
        axis.set_xlabel("step", fontsize=8)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(run.name)
    try:
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot write the picture {out}: {error}") from error
    finally:
        plt.close(figure)
    return out


def _curve(axis: Any, rows: list[dict[str, Any]], name: str) -> None:
    points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    if points:
        axis.plot(*zip(*points, strict=True), label=name, linewidth=1.4)


def _held_out(axis: Any, rows: list[dict[str, Any]]) -> None:
    axis.set_title("held-out pass@1, 95 % interval", fontsize=10)
    measured = [row for row in rows if "eval/pass@1" in row]
    if not measured:
        axis.text(0.5, 0.5, "no evaluation in this run", ha="center", transform=axis.transAxes, fontsize=9)
        return
    steps = [row["step"] for row in measured]
    axis.plot(steps, [row["eval/pass@1"] for row in measured], marker="o", markersize=3, color="tab:green")
    low, high = ([row[f"eval/pass@1/{end}"] for row in measured] for end in ("low", "high"))
    axis.fill_between(steps, low, high, alpha=0.2, color="tab:green")
    axis.set_ylim(-0.02, 1.02)
