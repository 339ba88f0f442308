"""Student and teacher: how far two models' distributions are apart, and which models can be compared at all."""
