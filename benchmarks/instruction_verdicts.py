"""Time the verdicts of `ifeval`: every published prompt with a response of about 250 words, strictly and loosely.

    RLVR_DATA=... OMP_NUM_THREADS=1 python benchmarks/instruction_verdicts.py

One process and one thread. Each prompt is judged against several responses; the time of loading is not counted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import rlvr_gym as rg

PARAGRAPH = (
    "The river rises in the hills above the old town, and for most of the year it is no more than a brook. In spring, "
    "when the snow melts, it fills the whole valley. People have built bridges here since the Middle Ages; three of "
    "them still stand. Dr. Miller, who has studied them for years, calls the oldest *a small wonder*. It was made "
    "without a single nail! Would anybody build like that today? Perhaps not. "
)
RESPONSES = (
    "Sure, here is a text for you:\n\n<<The River>>\n\n"
    + "\n\n".join([PARAGRAPH] * 3)
    + "\n\nP.S. Bring a coat.",
    f'"{PARAGRAPH * 3}"',
    (PARAGRAPH * 3).lower(),
    (PARAGRAPH * 3).upper(),
    "\n***\n".join(f"* {PARAGRAPH}" for _ in range(3)),
)


def main() -> None:
    """Print the rates."""
    data = Path(os.environ["RLVR_DATA"]) / "ifeval" / "input_data.jsonl"
    env = rg.make("ifeval", data=str(data))
    asked = [(task, rg.Completion(text=text)) for task in env.tasks for text in RESPONSES]
    for task, completion in asked[: len(RESPONSES) * 60]:  # loads language profiles and the sentence model
        env.verifier.verify(task, completion)
    seconds: list[float] = []
    began, processor = time.perf_counter(), time.process_time()
    for task, completion in asked:
        start = time.perf_counter()
        env.verifier.verify(task, completion)
        seconds.append(time.perf_counter() - start)
    took, busy = time.perf_counter() - began, time.process_time() - processor
    seconds.sort()
    print(
        f"{len(asked):,} verdicts, each strict and loose, of {len(asked[0][1].text.split())} words and more"
    )
    print(f"{len(asked) / took:,.0f} a second, {len(asked) / busy:,.0f} per CPU second")
    print(
        f"median {seconds[len(seconds) // 2] * 1e3:.2f} ms, p99 {seconds[int(len(seconds) * 0.99)] * 1e3:.1f} ms, "
        f"worst {seconds[-1] * 1e3:.0f} ms"
    )


if __name__ == "__main__":
    main()
