"""Data that feeds a step in place of samples: conversations to imitate, and the samples of stored evaluations."""
