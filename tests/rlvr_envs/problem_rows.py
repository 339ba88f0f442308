"""Rows of the sets of problems, with the fields that are published; two of each, written for these tests."""

from __future__ import annotations

from typing import Any

NO_PICTURES = {f"image_{number}": None for number in range(1, 10)}
DAPO_QUESTION = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer: "
    "$Answer (without quotes) where $Answer is the answer to the problem.\n\n{}\n\n"
    'Remember to put your answer on its own line after "Answer:".'
)


def aime(number: int, problem: str, answer: str) -> dict[str, Any]:
    return {
        "id": number,
        "problem": problem,
        "solution": f"... \\boxed{{{answer}}}",
        "answer": answer,
        "url": "https://example.org",
        "year": "2024",
    }


def matharena(number: int, problem: str, answer: int) -> dict[str, Any]:
    return {"problem_idx": number, "answer": answer, "problem": problem}


def hendrycks(problem: str, solution: str, kind: str = "Algebra") -> dict[str, Any]:
    return {"problem": problem, "level": "Level 3", "type": kind, "solution": solution}


def olympiad(number: int, question: str, final_answer: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "question": question,
        "solution": ["..."],
        "final_answer": final_answer,
        "context": None,
        **NO_PICTURES,
        "modality": "Text-only",
        "difficulty": "Competition",
        "is_multiple_answer": False,
        "unit": None,
        "answer_type": "Numerical",
        "error": None,
        "question_type": "Open-ended",
        "subfield": "Algebra",
        "subject": "Math",
        "language": "English",
        **more,
    }


def gpqa(number: int, question: str, right: str, *wrong: str) -> dict[str, Any]:
    return {
        "Record ID": f"rec{number}",
        "Question": question,
        "Correct Answer": right,
        **{f"Incorrect Answer {at}": one for at, one in enumerate(wrong, start=1)},
        "Explanation": "...",
        "High-level domain": "Physics",
        "Subdomain": "Optics",
    }


def dapo(question: str, answer: str) -> dict[str, Any]:
    """A row of the first edition."""
    return {
        "data_source": "math_dapo",
        "prompt": [{"content": DAPO_QUESTION.format(question), "role": "user"}],
        "ability": "MATH",
        "reward_model": {"ground_truth": answer, "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": f"id-{question}"},
    }


def processed(question: str, answer: str) -> dict[str, Any]:
    """A row of the second edition."""
    first = dapo(question, answer)
    return {**first, "prompt": question, "solution": answer, "source_prompt": first["prompt"]}


def big_math(problem: str, answer: str, source: str = "MATH", rate: float | None = 0.5) -> dict[str, Any]:
    return {
        "problem": problem,
        "answer": answer,
        "source": source,
        "domain": ["Mathematics -> Algebra"],
        "llama8b_solve_rate": rate,
    }


def eurus(question: str, answer: str, ability: str = "math") -> dict[str, Any]:
    return {
        "data_source": "numina_olympiads",
        "prompt": [
            {"content": "When tackling complex reasoning tasks, ...", "role": "system"},
            {
                "content": f"{question}\n\nPresent the answer in LaTex format: \\boxed{{Your answer}}",
                "role": "user",
            },
        ],
        "ability": ability,
        "reward_model": {"ground_truth": answer, "style": "rule"},
        "extra_info": {"index": 0, "split": "train"},
    }


def numina(problem: str, answer: str | None, **more: Any) -> dict[str, Any]:
    return {
        "problem": problem,
        "solution": "...",
        "answer": answer,
        "problem_type": "Algebra",
        "question_type": "math-word-problem",
        "problem_is_valid": "Yes",
        "solution_is_valid": "Yes",
        "source": "olympiads",
        "synthetic": False,
        **more,
    }


PROBLEMS: dict[str, list[dict[str, Any]]] = {
    "aime24": [
        aime(60, "How many three-letter words of the letters $A$ to $I$ are there?", "729"),
        aime(61, "What is the remainder of $5^{2}$ when it is divided by $1000$?", "025"),
    ],
    "aime25": [
        matharena(1, "Find the sum of all integers from $1$ to $12$.", 78),
        matharena(2, "Find the largest prime below $100$.", 97),
    ],
    "aime26": [
        matharena(1, "Find the number of diagonals of a regular polygon of $20$ sides.", 170),
        matharena(2, "Find the sum of the digits of $10^{9}-1$.", 81),
    ],
    "amc23": [
        {
            "id": 0,
            "question": "How far does one get at $18$ miles per hour in $90$ minutes?",
            "answer": 27.0,
            "url": "u",
        },
        {"id": 1, "question": "What is the product of the roots of $x^2-1$?", "answer": "-1.0", "url": "u"},
    ],
    "math": [
        hendrycks("Solve $2x = 1$.", "Halving, $x = \\boxed{\\frac{1}{2}}$."),
        hendrycks(
            "How many ways are there to seat $4$ people in a row?",
            "There are $\\boxed{4!}$ orders, that is $\\boxed{24}$.",
            "Counting & Probability",
        ),
    ],
    "minerva": [
        {
            "question": "A rod of $2 \\mathrm{~cm}$ is cut in half. How long is a half (in $\\mathrm{mm}$)?",
            "answer": "10",
        },
        {
            "question": "Find the power of the star in units of ergs per second, to two figures.",
            "answer": "4.5e33",
        },
    ],
    "olympiadbench": [
        olympiad(1, "Solve $x^2 = 5x - 6$.", ["2,3"], is_multiple_answer=True),
        olympiad(
            2, "Find all functions $f$ with $f(x+1) = f(x)+1$ and $f(0)=0$ that are linear.", ["$f(x)=x$"]
        ),
    ],
    "gpqa": [
        gpqa(1, "What does a prism split white light into?", "its colours", "two beams", "heat", "nothing"),
        gpqa(2, "Which colour is bent most?", "violet", "red", "green", "yellow"),
    ],
    "dapo-17k": [
        processed("Find the number of divisors of $36$.", "9"),
        processed("Find the least $n$ with $n! > 100$.", "5"),
    ],
    "deepscaler": [
        {"problem": "Find $\\binom{6}{3}$.", "answer": "20", "solution": ""},
        {"problem": "Simplify $\\sqrt{50}$.", "answer": "5\\sqrt{2}", "solution": "..."},
    ],
    "big-math": [
        big_math("Add $\\frac13$ and $\\frac16$.", "\\frac{1}{2}"),
        big_math("Find $x$ if $3x = 12$.", "4", source="cn_k12", rate=0.9),
    ],
    "eurus-2": [
        eurus("Find the area of a circle of radius $3$.", "9\\pi"),
        eurus("Find the mean of $2$ and $10$.", "6"),
    ],
    "numinamath": [
        numina("Find the sum of the angles of a hexagon in degrees.", "720"),
        numina("Factor $x^2-4$.", "(x-2)(x+2)", source="cn_k12"),
    ],
}
