"""Rows in the formats that the code datasets are published in, two of each, written by hand."""

import base64
import json
import zlib
from typing import Any

import rlvr_gym as rg
from rlvr_gym.verifiers.code import Problem
from tests.rlvr_envs.plus_rows import BIGCODEBENCH, HUMANEVALPLUS, MBPPPLUS

HUMANEVAL = [
    {
        "task_id": "HumanEval/1000",
        "prompt": 'from typing import List\n\n\ndef total(numbers: List[int]) -> int:\n    """ The sum.\n'
        '    >>> total([1, 2])\n    3\n    """\n',
        "entry_point": "total",
        "canonical_solution": "    return sum(numbers)\n",
        "test": "\n\nMETADATA = {}\n\n\ndef check(candidate):\n    assert candidate([]) == 0\n"
        "    assert candidate([1, 2]) == 3\n    assert candidate([-1, 1, 5]) == 5\n",
    },
    {
        "task_id": "HumanEval/1001",
        "prompt": 'import math\n\n\ndef double(x: float):\n    """ Twice x. """\n    return 2 * x\n\n\n'
        'def halve(x: float):\n    """ Undo double. """\n',
        "entry_point": "halve",
        "canonical_solution": "    return x / 2\n",
        "test": "def check(candidate):\n    for x in (0.5, 1.0, 7.25):\n"
        "        assert math.fabs(candidate(double(x)) - x) < 1e-9\n",
    },
]
MBPP = [
    {
        "text": "Write a function to find the larger of two pairs by their first part.",
        "code": "import math\r\nclass Pair(object):\r\n    def __init__(self, a, b):\r\n        self.a = a\r\n"
        "        self.b = b\r\ndef larger(p, q):\r\n    return max(p.a, q.a)",
        "task_id": 601,
        "test_setup_code": "",
        "test_list": [
            "assert larger(Pair(1, 2), Pair(3, 0)) == 3",
            "assert larger(Pair(5, 2), Pair(3, 0)) == 5",
            "assert larger(Pair(-5, 2), Pair(-3, 0)) == -3",
        ],
        "challenge_test_list": [],
    },
    {
        "text": "Write a function to find the sum of the digits of two numbers.",
        "code": "def sum(a, b):\r\n    return int(a) + int(b)",
        "task_id": 974,
        "test_setup_code": "",
        "test_list": ["assert sum(1, 2) == 3", "assert sum(0, 0) == 0", "assert sum(4, 4) == 8"],
        "challenge_test_list": [],
    },
]
CODE_JSONL = [
    {
        "prompt": "Read two numbers and print their sum.",
        "tests": {
            "kind": "stdio",
            "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "5 -5\n", "output": "0\n"}],
        },
        "solution": "print(sum(map(int, input().split())))",
        "public": 1,
        "level": 1,
    },
    {
        "prompt": "Write `def add(a, b)`.",
        "tests": {
            "kind": "calls",
            "function": "add",
            "tests": [{"arguments": [1, 2], "expected": 3}, {"keywords": {"a": 2, "b": 2}, "expected": 4}],
        },
        "solution": "def add(a, b):\n    return a + b",
        "public": 1,
    },
    {
        "prompt": "Write `def odd(n)`.",
        "tests": {"kind": "asserts", "tests": ["assert odd(3)", "assert not odd(4)"]},
        "solution": "def odd(n):\n    return n % 2 == 1",
        "public": 1,
    },
]


def packed(tests):
    return base64.b64encode(zlib.compress(json.dumps(tests).encode())).decode()


LIVECODEBENCH = [
    {
        "question_title": "A. Short Sort",
        "question_content": "Print the larger of two numbers.",
        "platform": "codeforces",
        "question_id": "1873_A",
        "contest_id": "1873",
        "contest_date": "2023-08-21T00:00:00",
        "starter_code": "",
        "difficulty": "easy",
        "public_test_cases": json.dumps([{"input": "1 2\n", "output": "2\n", "testtype": "stdin"}]),
        "private_test_cases": packed(
            [
                {"input": "7 3\n", "output": "7\n", "testtype": "stdin"},
                {"input": "0 -1\n", "output": "0\n", "testtype": "stdin"},
            ]
        ),
        "metadata": "{}",
    },
    {
        "question_title": "largest-pair",
        "question_content": "Return the largest sum of two entries.",
        "platform": "leetcode",
        "question_id": "3000",
        "contest_id": "biweekly-1",
        "contest_date": "2024-09-01T00:00:00",
        "starter_code": "class Solution:\n    def largest(self, nums: List[int], k: int) -> int:\n        ",
        "difficulty": "medium",
        "public_test_cases": json.dumps([{"input": "[1, 2, 3]\n2", "output": "5", "testtype": "functional"}]),
        "private_test_cases": packed([{"input": "[4]\n1", "output": "4", "testtype": "functional"}]),
        "metadata": json.dumps({"func_name": "largest"}),
    },
]
APPS = [
    {
        "problem_id": 0,
        "question": "Print n twice.",
        "solutions": json.dumps(["n = input()\nprint(n)\nprint(n)\n"]),
        "input_output": json.dumps({"inputs": ["3\n", ["4"]], "outputs": ["3\n3\n", ["4", "4"]]}),
        "difficulty": "introductory",
        "url": "https://example.org/0",
        "starter_code": "",
    },
    {
        "problem_id": 1,
        "question": "Return the numbers in order.",
        "solutions": json.dumps(["def ordered(a):\n    return sorted(a)"]),
        "input_output": json.dumps(
            {"fn_name": "ordered", "inputs": [[[2, 1]], [[3]]], "outputs": [[[1, 2]], [[3]]]}
        ),
        "difficulty": "interview",
        "url": "https://example.org/1",
        "starter_code": "\ndef ordered(a):\n\t",
    },
]
CODE_CONTESTS = [
    {
        "name": "1_A. Twice",
        "description": "Print twice n.",
        "public_tests": {"input": ["1\n"], "output": ["2\n"]},
        "private_tests": {"input": ["5\n"], "output": ["10\n"]},
        "generated_tests": {"input": ["0\n", "-3\n"], "output": ["0\n", "-6\n"]},
        "solutions": {"language": [2, 3], "solution": ["int main() {}", "print(2 * int(input()))"]},
        "time_limit": {"seconds": 4, "nanos": 500_000_000},
        "memory_limit_bytes": 1 << 30,
        "input_file": "",
        "output_file": "",
        "source": 2,
        "difficulty": 7,
        "cf_rating": 800,
    },
    {
        "name": "1_B. Thrice",
        "description": "Print thrice n.",
        "public_tests": {"input": ["1\n"], "output": ["3\n"]},
        "private_tests": {"input": [], "output": []},
        "generated_tests": {"input": [], "output": []},
        "solutions": {"language": [], "solution": []},
        "time_limit": None,
        "memory_limit_bytes": 0,
        "input_file": "",
        "output_file": "",
    },
]
GSM8K = [
    {"question": "Tom has 3 apples and buys 4. How many?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
    {"question": "A car costs $1,200 and a bike $34. Together?", "answer": "1200 + 34\n#### 1,234"},
]
PUBLISHED = {
    "bigcodebench": BIGCODEBENCH,
    "humaneval": HUMANEVAL,
    "humanevalplus": HUMANEVALPLUS,
    "mbpp": MBPP,
    "mbppplus": MBPPPLUS,
    "code-jsonl": CODE_JSONL,
    "livecodebench": LIVECODEBENCH,
    "apps": APPS,
    "code_contests": CODE_CONTESTS,
    "repair": MBPP,
    "python-tool": GSM8K,
}


def judged_by(task: rg.Task) -> Any:
    """A task's tests as the sandbox takes them."""
    return Problem.of(task).program("").tests


def hurried(tasks):
    """The same tasks, with less time for the programs that never end."""

    def limited(task):
        if not isinstance(task.reference, dict) or "limits" not in task.reference:
            return task
        limits = {"cpu_seconds": 0.5, "wall_seconds": 2}
        return task.model_copy(update={"reference": {**task.reference, "limits": limits}})

    return rg.TaskSet.from_tasks([limited(task) for task in tasks], name=tasks.name, split=tasks.split)
