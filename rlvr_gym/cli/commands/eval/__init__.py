"""`rlvr eval`: its options, the command, and what it prints and writes."""
