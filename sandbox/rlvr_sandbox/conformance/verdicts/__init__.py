"""Attacks on the verdict: wrong programs that would be taken for right ones."""
