"""Sampling: which tasks come next, how their episodes are played, and which groups are learned from."""
