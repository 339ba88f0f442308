"""Attacks on the machine: its processes, memory, files and network, and what is left for the next program."""
