"""Right programs in all the ways people write them, which a sandbox must not refuse."""
