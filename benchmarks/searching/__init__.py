"""Measurements of search: what a tiny model learns, and how fast documents are found."""
