"""Agents that are programs of their own: they ask a chat server for completions, and answer the task with a text."""
