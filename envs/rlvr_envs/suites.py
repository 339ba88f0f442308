"""The suites of `rlvr eval suite=NAME`: published benchmarks that are evaluated together."""

from __future__ import annotations

from rlvr_gym.environments.suites import register_suite

register_suite(
    "math",
    (
        "gsm8k",
        "math500",
        "amc23",
        "aime24",
        "aime25",
        "aime26",
        "minerva",
        "olympiadbench",
    ),
    about="word problems, competitions and university courses",
)
register_suite(
    "code",
    (
        "humaneval",
        "humanevalplus",
        "mbpp",
        "mbppplus",
        "livecodebench",
        "bigcodebench",
    ),
    about="functions and programs, judged by their tests",
)
register_suite(
    "instructions",
    (
        "ifeval",
        "ifbench",
    ),
    about="how to write, as far as a program can check it",
)
register_suite(
    "reasoning",
    (
        "gpqa",
        "aime25",
        "aime26",
        "olympiadbench",
        "reasoninggym",
    ),
    about="long thinking with a short answer",
)
