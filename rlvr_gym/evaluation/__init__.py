"""Evaluation: estimators, intervals, and the run that feeds them."""
