"""The supervisor's processes, which run inside the sandbox. Standard library only, no import of the rest.

    host -> mux.py (pid 1) -> zygote.py -> program.py   the program, its own uid
                                        -> tests.py     the tests of assert style, another uid

`frames.py`, `values.py` and `version.py` are used on both sides.
"""
