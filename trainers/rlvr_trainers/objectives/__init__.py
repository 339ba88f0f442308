"""Objectives: losses whose denominators are those of the whole optimizer step."""
