"""The `rlvr` command line, one module per sub-command."""
