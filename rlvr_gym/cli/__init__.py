"""The `rlvr` command line: `main` finds a sub-command in `commands`, by the names in `known`."""
