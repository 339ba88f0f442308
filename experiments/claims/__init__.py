"""The experiments: settings of two or more sides, figures of each for every seed, and the claims that they decide."""
