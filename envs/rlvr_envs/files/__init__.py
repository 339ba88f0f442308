"""Tasks of one's own, from files."""
