"""Modules that an OpenEnv package has as they stand here; they need openenv and nothing of this library."""
