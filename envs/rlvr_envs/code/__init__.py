"""Code: problems whose answer is a program, judged by tests in the sandbox."""
