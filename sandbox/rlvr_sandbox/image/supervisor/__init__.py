"""MUX's side of programs: what it starts, what it counts, and what it collects."""
