"""Text: instructions on how to write, and text to change."""
