"""Probes: small environments in which a flaw of training or of a verifier shows."""
