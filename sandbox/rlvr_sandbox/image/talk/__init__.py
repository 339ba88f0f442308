"""The talk between tests and program: values, shared containers, references, questions and answers."""
