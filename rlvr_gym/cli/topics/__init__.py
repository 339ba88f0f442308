"""The topics of `rlvr help`: their names, and their texts."""
