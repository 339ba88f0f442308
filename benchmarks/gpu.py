"""One command that checks on a GPU what only a GPU can show, and prints one table; it exits with 1 if a check fails.

    python benchmarks/gpu.py                        # made to take under four minutes on one GPU
    python benchmarks/gpu.py --device cpu --small   # the same code on small models, to try it out

Sampler against trainer in float32 and bfloat16, gradients against the CPU's, prefixes computed once, packed rows,
compiled layers, activations on the CPU, FSDP2 in a group of one, optimizers against the CPU's; then tokens a second and
peak memory of sampling, scoring and updating a model of about 0.5B parameters in bfloat16, as a share of the rate at
which the card multiplies matrices, and TRL's trainer on the same work where it is installed. Models and prompts are
made on the spot, and nothing needs to be installed but torch >= 2.6, transformers >= 5.16 and what rlvr-gym itself
imports. Parts that would begin after --seconds are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpu_parts.made import Row

ROOT = Path(__file__).resolve().parents[1]
# So that nothing of this project needs to be installed.
sys.path[:0] = [str(ROOT / folder) for folder in ("trainers", "sandbox", "envs", ".")]


def main() -> int:
    """Run all parts, print the table, and say by the exit status whether all checks passed."""
    asked = _options()
    try:
        import torch

        if asked.device == "cuda" and not torch.cuda.is_available():
            print("no GPU here: nothing is measured (--device cpu --small tries the same code out)")
            return 0
        from gpu_parts import checks, made, speed
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed here, and this needs it: pip install '.[train]'")
        return 1
    checked, large = (made.SMALL, made.SMALL) if asked.small else (made.CHECKED, made.LARGE)
    parts = {name: (part, checked) for name, part in checks.PARTS.items()}
    parts |= {name: (part, large) for name, part in speed.PARTS.items()}
    if asked.only and asked.only not in parts:
        print(f"no part '{asked.only}'; possible: {', '.join(parts)}")
        return 1
    print(
        f"{made.machine(asked.device)}\n\n| what | found | limit | |\n| --- | --- | --- | --- |", flush=True
    )
    began, failed = time.monotonic(), 0
    for name, (part, sizes) in parts.items():
        if asked.only not in (None, name):
            continue
        if time.monotonic() - began > asked.seconds:
            print(f"| {name} | not run: {asked.seconds} seconds are over | | |")
        else:
            failed += _show(name, part(sizes, asked.device))
    print(f"\n{time.monotonic() - began:.0f} seconds; checks that failed: {failed}")
    return 1 if failed else 0


def _show(name: str, rows: Iterator[Row]) -> int:
    """Print a part's lines as they come; returns the number of checks that failed, a part that breaks off included."""
    failed = 0
    try:
        for row in rows:
            print(row, flush=True)
            failed += not row.passed
    except Exception as error:  # noqa: BLE001 - other parts can still be measured, and the status says that one failed
        traceback.print_exc()
        print(f"| {name} | {type(error).__name__}: {str(error).partition(chr(10))[0]} | | FAILED |")
        return failed + 1
    return failed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="small models, to try the command out")
    parser.add_argument("--only", help="the name of a part, such as gradients")
    parser.add_argument("--seconds", type=int, default=200, help="parts that would begin later are left out")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
