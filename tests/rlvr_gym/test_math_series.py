"""Power series, which are compared where they converge fast, and what sympy had no time for."""

import time

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge
from tests.timing import at_most

SAME = [
    (
        r"\sum_{n=0}^{\infty} \frac{(-1)^n x^{2n+1}}{(2n+1)!}",
        r"\sum_{k=0}^{\infty} \frac{(-1)^k x^{2k+1}}{(2k+1)!}",
    ),
    (
        r"\sum_{n=0}^{\infty} (-1)^n \frac{x^{2n+1}}{2n+1}",
        r"\sum_{n=0}^{\infty} \frac{(-1)^n x^{2n+1}}{(2n+1)}",
    ),
    (r"\sum_{n=1}^{\infty} \frac{x^n}{n 2^n}", r"\sum_{n=0}^{\infty} \frac{x^{n+1}}{(n+1) 2^{n+1}}"),
    (r"2\sum_{n=0}^{\infty} \frac{x^{2n+1}}{2n+1}", r"\sum_{n=0}^{\infty} \frac{2x^{2n+1}}{2n+1}"),
    (r"\sum_{n=0}^{\infty} \frac{x^n}{n!}", "e^x"),
    (r"\frac{1}{1-x}", r"\sum_{n=0}^\infty x^n"),
    (r"\frac{1}{\sqrt{1-x^2}}", r"\sum_{n=0}^{\infty} \frac{(2n)!}{4^n (n!)^2} x^{2n}"),
    (r"f(x)=\sum_{n=0}^\infty (n+1)x^n", r"f(t)=\sum_{k=1}^\infty kt^{k-1}"),
    (r"\sum_{n=0}^\infty (xy)^n", r"\frac{1}{1-xy}"),
]
DIFFERENT = [
    (
        r"\sum_{n=0}^{\infty} \frac{(-1)^n x^{2n+1}}{2n+1}",
        r"\sum_{n=0}^{\infty} \frac{(-1)^n x^{2n+2}}{2n+1}",
    ),
    (
        r"\sum_{n=0}^{\infty} \frac{(-1)^n}{(2n)!} x^{4n+1}",
        r"\sum_{n=0}^{\infty} \frac{(-1)^n}{(2n+1)!} x^{4n+1}",
    ),
    (r"\sum_{n=0}^{\infty} \frac{x^n}{n!}", r"\sum_{n=1}^{\infty} \frac{x^n}{n!}"),
    (r"\sum_{n=0}^{\infty} \frac{x^n}{n!}", r"\sum_{n=0}^{\infty} \frac{y^n}{n!}"),
    (r"\sum_{n=0}^{\infty} \frac{x^n}{n!}", r"\sum_{n=0}^{20} \frac{x^n}{n!}"),
    (r"\sum_{n=0}^{\infty} x^{2n}", r"\sum_{n=0}^{\infty} |x|^{n}"),
    (r"\frac{1}{1-x}", r"\sum_{n=0}^\infty (-x)^n"),
]


def outcome(gold: str, answer: str, verifier: Math | None = None) -> Outcome:
    task = Task(prompt="q", reference=gold)
    return judge(verifier or Math(), task, Completion(text=rf"\boxed{{{answer}}}")).outcome


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_power_series_of_one_function_are_the_same_without_asking_sympy(gold: str, answer: str):
    with at_most(1.0):
        assert outcome(gold, answer, Math(timeout_seconds=1e-9)) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_power_series_of_two_functions_are_not_the_same(gold: str, answer: str):
    assert outcome(gold, answer, Math(timeout_seconds=1e-9)) is Outcome.INCORRECT


def test_an_answer_that_overran_its_time_waits_once():
    verifier = Math(timeout_seconds=0.6)
    gold, answer = "1", r"\int_0^1 x^{x^{x^x}} \sin(x^x) dx"
    first = outcome(gold, answer, verifier)
    start = time.perf_counter()
    assert [outcome(gold, answer, verifier) for _ in range(8)] == [first] * 8
    assert first is Outcome.TIMEOUT
    assert time.perf_counter() - start < 0.3
