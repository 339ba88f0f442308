"""The learner: models by role, log-probabilities, optimizer steps, weights for the sampler."""
