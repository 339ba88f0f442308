"""Experiments on what is said of training with verifiable rewards, one module for each group of claims.

`python -m experiments` runs what has no record yet and writes docs/handbook.md from the records; `make experiments`
does the same. `claims/` holds the experiments, `results/` a record for each, and the other modules run and judge them.
"""
