import json

import pytest

from tests.rlvr_envs.bfcl_rows import BFCL
from tests.rlvr_envs.code_rows import PUBLISHED
from tests.rlvr_envs.problem_rows import PROBLEMS


@pytest.fixture
def published():
    """Rows as the datasets are published, two of each."""
    return {
        "gsm8k": [
            {"question": "Tom has 3 apples and buys 4. How many?", "answer": "3 + 4 = <<3+4=7>>7\n#### 7"},
            {"question": "A car costs $1,200 and a bike $34. Together?", "answer": "1200 + 34\n#### 1,234"},
        ],
        "math500": [
            {
                "problem": "Convert $(0,3)$ to polar coordinates.",
                "solution": "...",
                "answer": "\\left( 3, \\frac{\\pi}{2} \\right)",
                "subject": "Precalculus",
                "level": 2,
                "unique_id": "test/precalculus/807.json",
            },
            {
                "problem": "What is $2^{-2}$?",
                "solution": "...",
                "answer": "\\frac14",
                "subject": "Algebra",
                "level": 1,
                "unique_id": "test/algebra/1.json",
            },
        ],
        "ifeval": [
            {
                "key": 1000,
                "prompt": "Write three words, without commas.",
                "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
                "kwargs": [{}, {"relation": "at least", "num_words": 3}],
            },
            {
                "key": 1005,
                "prompt": "Write a template with a placeholder.",
                "instruction_id_list": ["detectable_content:number_placeholders"],
                "kwargs": [{"num_placeholders": 1, "relation": None}],
            },
        ],
        "ifbench": [
            {
                "key": "7",
                "prompt": "Name two rivers. Include exactly 2 numbers in the response.",
                "instruction_id_list": ["count:numbers", "format:title_case"],
                "kwargs": [{"N": 2.0, "keyword": None}, {"N": None}],
            },
            {
                "key": "8",
                "prompt": "Count from 10 to 50 but only print multiples of 7.",
                "instruction_id_list": ["custom:multiples"],
                "kwargs": [{"N": 3.0}],
            },
        ],
        "jsonl": [
            {"prompt": "1 + 1? Answer in \\boxed{}.", "answer": "2"},
            {"prompt": "Capital of France?", "answer": "Paris", "verifier": "exact"},
        ],
        "search": [
            {
                "id": "5a7a06935542990198eaf050",
                "question": "Which river flows through the capital of France?",
                "answer": "the Seine",
                "supporting_facts": {"title": ["Paris", "Seine"], "sent_id": [0, 0]},
                "context": {
                    "title": ["Paris", "Seine"],
                    "sentences": [
                        ["Paris is the capital of France.", " The Seine flows through it."],
                        ["The Seine is a river.", " It ends in the Channel."],
                    ],
                },
            },
            {
                "id": "5a8b57f25542995d1e6f1371",
                "question": "Is the Channel a sea?",
                "golden_answers": ["yes"],
                "context": [
                    ["Channel", ["The Channel is an arm of the Atlantic."]],
                    ["Paris", ["Paris is a city."]],
                ],
            },
        ],
        "bfcl": BFCL,
        **PUBLISHED,
        **PROBLEMS,
    }


@pytest.fixture
def write_rows(tmp_path):
    """Writes rows to a JSON-lines file and returns its path."""

    def write(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write
