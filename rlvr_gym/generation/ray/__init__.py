"""Sampling on the nodes of a Ray cluster. Nothing imports this room but runs that ask for it, for it imports Ray."""
