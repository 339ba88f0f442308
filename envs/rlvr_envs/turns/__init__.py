"""Several turns: the environment answers the model before the model gives its own answer."""
