"""Functions: tasks whose answer is a call of the right function with the right arguments."""
