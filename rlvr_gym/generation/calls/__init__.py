"""Calls of tools in what a policy sampled: a module for each form in which families of models write them."""
