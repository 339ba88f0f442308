"""Search: questions whose answers stand in documents that the model has to look for."""
