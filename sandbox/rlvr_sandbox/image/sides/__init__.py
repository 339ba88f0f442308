"""The two sides: the program's process (`program`, `answers`), the tests' (`tests`, `remote`), their surroundings."""
