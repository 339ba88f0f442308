import pytest
from rlvr_envs.code.code_tasks import ask, asserts

import rlvr_gym as rg


def names(tests, solution, setup=""):
    found = asserts(tests, solution, setup=setup)
    return found.names, found.setup


def test_the_names_are_what_the_solution_defines_and_the_tests_use():
    solution = (
        "import math\nLIMIT = 3\ndef helper(): ...\nclass Pair: ...\nasync def later(): ...\ndef f(p): ..."
    )
    assert names(["assert f(Pair()) == math.pi"], solution) == (("Pair", "f"), "import math")
    assert names(["assert f(1)"], solution) == (("f",), "")


def test_what_the_setup_uses_is_the_programs_too():
    assert names(["assert depth(root) == 1"], "class Node: ...\ndef depth(n): ...", "root = Node()") == (
        ("Node", "depth"),
        "root = Node()",
    )


def test_an_import_of_the_solution_is_done_by_the_tests_themselves():
    assert names(["assert f() == sys.maxsize"], "import sys\ndef f(): ...", "x = 1") == (
        ("f",),
        "import sys\nx = 1",
    )


def test_pythons_own_names_are_pythons_unless_nothing_else_is_the_programs():
    assert names(["assert set(f()) == set()"], "def set(): ...\ndef f(): ...") == (("f",), "")
    assert names(["assert sum(1, 2) == 3"], "def sum(a, b): ...") == (("sum",), "")


def test_names_that_the_tests_bind_are_not_the_programs():
    test = "import math\ndef check(g):\n    y = g(1)\n    assert y == [x for x in y]\ncheck(f)"
    assert names([test], "def f(n): ...\nx = y = check = 0\ndef g(): ...") == (("f",), "")


def test_a_name_that_is_nobodys_is_an_error():
    with pytest.raises(rg.DataError, match="the tests use np, which neither they nor the solution define"):
        asserts(["assert f() == np.nan"], "def f(): ...")


def test_tests_that_use_nothing_of_the_program_are_an_error():
    with pytest.raises(rg.DataError, match="they would pass for any program"):
        asserts(["assert 1 + 1 == 2"], "def f(): ...")


def test_the_starter_code_stands_between_question_and_format():
    assert ask("What?\n", "So.", starter_code="def f():\n") == (
        "What?\n\nBegin with this code:\n\n```python\ndef f():\n```\n\nSo."
    )
    assert ask("What?", "So.") == "What?\n\nSo."
