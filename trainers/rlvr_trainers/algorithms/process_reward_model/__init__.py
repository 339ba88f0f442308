"""Process reward models: their settings, and what becomes of labelled steps."""
