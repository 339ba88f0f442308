"""A run as its user meets it: what is refused before it starts, records, checkpoints, display, scores."""
