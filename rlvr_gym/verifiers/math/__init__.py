"""Mathematical answers: read whole, compared by value, never executed.

`verifier` asks the layers, the cheapest first. A module imports only those above it in the part it stands in, and
those of the parts before:

- text: `same_text` (copies), `notation` (the plain notation), `normalise` (any text to it), `brackets` (where to cut
  it), `domains` (what is said of its letters behind it);
- expressions: `nodes`, `tokens`, `expression` (the grammar), `exact_arithmetic` and `numbers` (values),
  `sameness` (of two expressions);
- kinds of answer: `units`, `things`, `forms` (what an answer can be), `counted` (words beside a value), and one module
  for each way to write one: `numerals`, `clocks`, `texts`, `labels`, `atoms` (values with a unit), `matrices`,
  `vectors`, `progressions`, `relations`, `binding` (letters that may have another name);
- `reading`: from the plain notation to forms, one for each thing that a text may be;
- comparing: `power_series`, `quantities`, `real_sets`, `rearranging`, and `comparing` of any two forms;
- on top: `simplified` (arithmetic left to do), and `algebra`, the door to sympy, which runs `symbolic` in a worker.
"""

from rlvr_gym.verifiers.math.verifier import Math

__all__ = ["Math"]
