"""The text of an answer: the plain notation, its brackets and its words, and what is a copy up to spaces."""
