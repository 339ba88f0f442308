"""The forms that an answer can have, units and words beside a value, and the forms that are read by themselves."""
