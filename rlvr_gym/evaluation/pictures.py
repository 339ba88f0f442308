"""Two pass@k curves and their paired difference as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rlvr_sandbox.installing import pip_install

from rlvr_gym.errors import ConfigError
from rlvr_gym.evaluation.compare import Difference, compare, in_common
from rlvr_gym.evaluation.samples import Sample
from rlvr_gym.evaluation.statistics.tallies import Estimate, estimate, pass_measure, tally

Both = tuple[Sequence[Sample], Sequence[Sample]]


def draw_comparison(runs: Both, most: int, names: tuple[str, str], out: Path, *, seed: int = 0) -> None:
    """Draw both pass@k curves with their bands, and B - A with its band, at every power of 2 up to `most`, and there.

    All are of the problems that both `runs` have. Raises ConfigError where `out` cannot be written, where matplotlib
    is not installed, and where `compare` does.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise ConfigError(f"drawing needs matplotlib: {pip_install('train')}") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    ks = sorted({*(2**power for power in range(16) if 2**power <= most), most})
    runs = in_common(*runs)
    dense = compare(*runs, k=ks, common=True, seed=seed)
    figure, (curves, gap) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for samples, name, colour in zip(runs, names, ("tab:blue", "tab:orange"), strict=True):
        points = [estimate(tally(samples), pass_measure, k, seed=seed) for k in ks]
        _band(curves, ks, points, name, colour)
    curves.set_title("pass@k, 95 % intervals", fontsize=10)
    curves.legend(frameon=False, fontsize=9)
    _band(gap, ks, list(dense.differences.values()), f"{names[1]} - {names[0]}", "tab:green")
    gap.axhline(0, color="black", linewidth=0.8)
    gap.set_title(f"{names[1]} minus {names[0]}, paired by problem", fontsize=10)
    for axis in (curves, gap):
        axis.set_xscale("log", base=2)
        axis.set_xticks(ks, [str(k) for k in ks], fontsize=8)
        axis.set_xlabel("k", fontsize=9)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(out, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot write the picture {out}: {error}") from error
    finally:
        plt.close(figure)


def _band(
    axis: Any, ks: Sequence[int], points: Sequence[Estimate | Difference], name: str, colour: str
) -> None:
    axis.plot(ks, [point.value for point in points], marker="o", markersize=3, color=colour, label=name)
    axis.fill_between(
        ks,
        [point.low for point in points],
        [point.high for point in points],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )
