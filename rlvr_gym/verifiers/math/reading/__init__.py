"""Reading: from a text to the form that it has, a module for each way to write one; `answer` asks them all."""
