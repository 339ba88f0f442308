"""From reports to a verdict: what a program answered, against what was expected."""
