"""`rlvr label-steps`: data for a process reward model, from an environment and a policy."""
