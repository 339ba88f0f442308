"""Sequences that are computed together: microbatches, bundles that share prefixes, and their masks and budgets."""
