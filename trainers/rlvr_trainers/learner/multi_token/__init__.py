"""A policy that learns to predict one token more than the next."""
