"""The sub-commands, one module each; `main` imports the one that is asked for."""
