"""Reward models: their settings, and what becomes of pairs."""
