"""Algorithms: which models, what credit and which objective, one small file each."""
