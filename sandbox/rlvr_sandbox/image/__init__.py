"""The supervisor's processes, which run inside the sandbox. Standard library only, no import of the rest.

    host -> mux.py (pid 1) -> zygote.py -> sides/program.py   the program, its own uid
            supervisor/       forks/    -> sides/tests.py     the tests of assert style, another uid

`talk/` is what the two say to each other, `stand_ins/` what each has in the place of the other's objects. `frames.py`,
`messages.py`, `layout.py` and `version.py` are used on the host's side too.
"""
