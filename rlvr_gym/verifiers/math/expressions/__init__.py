"""Expressions: their grammar, their values, and when two of them are the same."""
