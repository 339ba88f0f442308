"""Reasoning: procedural problems of reasoning-gym, judged by checks of our own."""
