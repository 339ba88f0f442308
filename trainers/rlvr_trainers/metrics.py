"""Named figures of a step."""

Metrics = dict[str, float]
