"""Comparing two answers whose forms are known; `forms` asks the others."""
