"""Credit: what a sample, a step or a token of it has earned."""
