"""Rows in the formats of EvalPlus's hub sets and of BigCodeBench, written by hand."""

HELPERS = """\
import numpy as np

def is_floats(x) -> bool:
    # check if it is float; List[float]; Tuple[float]
    if isinstance(x, float):
        return True
    if isinstance(x, (list, tuple)):
        return all(isinstance(i, float) for i in x)
    if isinstance(x, np.ndarray):
        return x.dtype == np.float64 or x.dtype == np.float32
    return False


def assertion(out, exp, atol):
    exact_match = out == exp

    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match

"""
CHECK = """
def check(candidate):
    inputs = {inputs}
    results = {results}
    for i, (inp, exp) in enumerate(zip(inputs, results)):
        assertion(candidate(*inp), exp, 0)
"""
HUMANEVALPLUS = [
    {
        "task_id": "HumanEval/2000",
        "prompt": 'from typing import List\n\n\ndef mean(numbers: List[float]) -> float:\n    """ The mean.\n'
        '    >>> mean([1.0, 2.0])\n    1.5\n    """\n',
        "entry_point": "mean",
        "canonical_solution": "    return sum(numbers) / len(numbers)\n",
        "test": HELPERS
        + CHECK.format(inputs="[[[1.0, 2.0]], [[0.1, 0.2]], [[7]]]", results="[1.5, 0.15, 7.0]"),
    },
    {
        "task_id": "HumanEval/2001",
        "prompt": 'def halves(numbers: list):\n    """ Each number halved. """\n',
        "entry_point": "halves",
        "canonical_solution": "    return [number / 2 for number in numbers]\n",
        "test": HELPERS
        + "\n\ndef ref_func(numbers: list):\n    return [number / 2 for number in numbers]\n"
        + "\n\ndef check(candidate):\n    inputs = [[[1, 2]], [[]], [[0.3]]]\n    for i, inp in enumerate(inputs):\n"
        + "        assertion(candidate(*inp), ref_func(*inp), 0)\n",
    },
]
MBPPPLUS = [
    {
        "task_id": 2,
        "code": "\ndef shared(one, other):\n  return tuple(set(one) & set(other))\n",
        "prompt": "Write a function to find the shared elements of two tuples.",
        "source_file": "",
        "test_imports": [],
        "test_list": ["assert set(shared((3, 4), (4, 5))) == {4}", "assert shared((1,), (2,)) == ()"],
        "test": HELPERS.replace("exact_match = out == exp", "exact_match = set(out) == set(exp)")
        + "\ninputs = [[(3, 4), (4, 5)], [(1, 2), (2, 1)]]\nresults = [(4,), (1, 2)]\n"
        + "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(shared(*inp), exp, 0)\n",
    },
    {
        "task_id": 3,
        "code": "import math\r\ndef diagonal(a):\r\n  return math.sqrt(2) * a",
        "prompt": "Write a function to find the diagonal of a square.",
        "source_file": "",
        "test_imports": ["import math"],
        "test_list": ["assert math.isclose(diagonal(1), math.sqrt(2))", "assert diagonal(0) == 0"],
        "test": HELPERS
        + "\ninputs = [[1], [10]]\nresults = [1.4142135623730951, 14.142135623730951]\n"
        + "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(diagonal(*inp), exp, 0)\n",
    },
]

BIGCODEBENCH = [
    {
        "task_id": "BigCodeBench/9000",
        "complete_prompt": 'import numpy as np\n\n\ndef task_func(numbers):\n    """ The mean, as a float. """\n',
        "instruct_prompt": "The mean of a list of numbers, as a float.\nYou should write self-contained code starting "
        "with:\n```\nimport numpy as np\n\n\ndef task_func(numbers):\n```",
        "canonical_solution": "    return float(np.mean(numbers))",
        "code_prompt": "import numpy as np\n\n\ndef task_func(numbers):\n",
        "test": "import unittest\nimport numpy as np\n\n\nclass TestCases(unittest.TestCase):\n    def setUp(self):\n"
        "        self.numbers = [1, 2, 6]\n    def test_mean(self):\n"
        "        self.assertAlmostEqual(task_func(self.numbers), np.mean(self.numbers))\n"
        "    def test_empty(self):\n        self.assertTrue(task_func([]) != task_func([]))\n"
        "    def test_type(self):\n        self.assertIsInstance(task_func([1]), float)\n",
        "entry_point": "task_func",
        "doc_struct": "{}",
        "libs": "['numpy', 'math']",
    },
    {
        "task_id": "BigCodeBench/9001",
        "complete_prompt": 'import json\n\n\ndef task_func(text):\n    """ Keys, sorted; ValueError for no JSON. """\n',
        "instruct_prompt": "The sorted keys of a JSON object.",
        "canonical_solution": "    return sorted(json.loads(text))\n",
        "code_prompt": "import json\n\n\ndef task_func(text):\n",
        "test": "import unittest\n\n\nclass TestCases(unittest.TestCase):\n    def test_keys(self):\n"
        "        self.assertEqual(task_func('{\"b\": 1, \"a\": 2}'), ['a', 'b'])\n    def test_error(self):\n"
        "        with self.assertRaises(ValueError):\n            task_func('no')\n",
        "entry_point": "task_func",
        "doc_struct": "{}",
        "libs": "['json']",
    },
]
