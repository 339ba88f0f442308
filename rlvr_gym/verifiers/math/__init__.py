"""Mathematical answers: read whole, compared by value, never executed.

`verifier` asks the layers, the cheapest first. A room imports only from those above it:

- `text`: the plain notation and its words (`notation`, `tokens`), where to cut it (`brackets`), copies (`same_text`);
- `expressions`: `nodes`, the `grammar` (which reads by a `cursor`), values (`exact_arithmetic`, `numbers`) and when
  two are equal (`values`), `sameness` of two expressions, also of such with infinite sums (`power_series`);
- `forms`: the `kinds` of answer that there are, `units` and words beside a value (`things`, `counted`), and what is
  read by itself: `numerals`, `clocks`, `texts`, `labels`, `domains` (what is said of the letters of an answer);
- `reading`: `normalise` (any text to the plain notation), `plainer` (without what stands around it) and `answer` (from
  there to forms, one for each thing that a text may be), which asks a module for each way to write one: `atoms`
  (values with a unit), `matrices`, `vectors`, `progressions`, `relations`, `whole_numbers`, `binding` (letters that
  may have another name);
- `comparing`: `forms` (any two), which asks `quantities`, `numerals`, `real_sets`, `rearranging`; `sameness` is what
  they answer; `tolerance`, numbers that may differ; and `simplified`, arithmetic that is left to do;
- on top: `algebra`, the door to sympy, which runs `symbolic` in a worker.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlvr_gym.verifiers.math.verifier import Math

__all__ = ["Math"]


def __getattr__(name: str) -> object:
    """Import the verifier when it is first used: who reads a notation alone does not wait for the whole of it."""
    if name == "Math":
        from rlvr_gym.verifiers.math.verifier import Math

        return Math
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
