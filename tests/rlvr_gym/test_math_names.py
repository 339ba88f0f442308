"""Names before a value, letters that an answer binds, and what is said behind it of where it holds."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge

BOUND = [
    ("f(x)=x+1", "f(t)=t+1"),
    ("f(n)=n^2", "f(x)=x^2"),
    ("f(x)=ax+b", "f(t)=at+b"),
    ("f(x,y)=x-y", "f(u,v)=u-v"),
    ("f(x,y)=x-y", "f(y,x)=y-x"),
    ("g(t)=(t,t^2)", "g(s)=(s,s^2)"),
    ("P(x)=x^3-1", "P(z)=z^3-1"),
    ("f(x)=x+1, g(x)=2x", "f(t)=t+1, g(s)=2s"),
    ("f(x)=2x", "y=2x"),
    ("f(x)=2x", "2x"),
    ("f(x)=0", r"f(x)\equiv 0"),
    ("f(x)=x^x", "f(t)=t^t"),
    (r"2\pi n, n\in\mathbb{Z}", r"2\pi k, k\in\mathbb{Z}"),
    (r"\frac{\pi}{4}+n\pi, n\in\mathbb{Z}", r"\frac{\pi}{4}+k\pi, k \in \mathbb{Z}"),
    (r"x=2\pi n, n\in\mathbb{Z}", r"x=2\pi m, m\in\mathbb{Z}"),
    (r"2\pi n \text{ where } n \text{ is an integer}", r"2\pi k, k\in\mathbb{Z}"),
    (r"2\pi n, n\in\mathbb{Z}", r"2\pi k \text{ for any integer } k"),
    (r"2\pi n, n\in\mathbb{Z}", r"2\pi n"),
    (r"\sum_{k=1}^{10} k^2", r"\sum_{j=1}^{10} j^2"),
    (r"\sum_{k=1}^{5} kx", r"\sum_{m=1}^{5} mx"),
    (r"f(x)=cx", r"f(x)=cx \text{ for some constant } c"),
    ("f(x)=cx", "f(t)=ct"),
    (r"cx \text{ for some constant } c", r"kx \text{ for some constant } k"),
]
FREE = [
    ("f(x)=x+1", "f(t)=t-1"),
    ("f(x)=x+1", "f(t)=x+1"),
    ("f(x)=ax+b", "f(t)=ct+b"),
    ("f(x)=x+a", "f(a)=a+x"),
    ("f(x,y)=x-y", "f(y,x)=x-y"),
    ("f(x)=x+1", "g(x)=x+1"),
    ("f(x)=x+1", "g(t)=t+1"),
    ("f(x)=2x", "f(x,y)=2x"),
    ("x=5", "y=5"),
    ("a=1, b=2", "a=1, c=2"),
    ("P(1)=1/2, P(2)=1/3", "P(1)=1/2, P(3)=1/3"),
    ("f(1)=2, f(2)=3", "f(1)=2, f(3)=3"),
    ("f(2)=5", "f(3)=5"),
    ("a_1=2, a_2=3", "a_1=2, a_3=3"),
    ("P(A)=1/2", "P(B)=1/2"),
    ("AB=5", "CD=5"),
    (r"\angle A=50", r"\angle B=50"),
    (r"2\pi n, n\in\mathbb{Z}", r"\pi k, k\in\mathbb{Z}"),
    (r"2\pi n, n\in\mathbb{Z}", r"2\pi k"),
    (r"a+2\pi n, n\in\mathbb{Z}", r"b+2\pi n, n\in\mathbb{Z}"),
    (r"\sum_{k=1}^{10} k^2", r"\sum_{j=1}^{10} k^2"),
    (r"\sum_{k=1}^{5} kx", r"\sum_{m=1}^{5} my"),
    ("x^2+a", "x^2+b"),
    ("2n", "2k"),
]
HOLDS = [
    ("n^2", r"n^2 \text{ for } n \ge 1"),
    (r"f(x)=2x \text{ for all } x", "f(x)=2x"),
    ("f(x)=2x", r"f(x)=2x \quad \forall x"),
    ("n^2", r"n^2 \text{ for all } n"),
    ("n^2", r"n^2, \text{ where } n \ge 1"),
    (r"n^2 \text{ for } n \ge 1", "n^2 , \\text{ for } n \\geq 1"),
    (r"n^2 \text{ for } n > 0", r"n \cdot n"),
]
HOLDS_ELSEWHERE = [
    (r"n^2 \text{ for } n \ge 1", r"n^2 \text{ for } n \ge 5"),
    (r"x \text{ for } x > 0", r"x \text{ for } x < 0"),
    ("n^2", r"n^3 \text{ for } n \ge 1"),
    ("42", r"42 \text{ for } x > 3"),
    ("42", r"42 \text{ for all } x"),
]
PRODUCTS = [
    (r"n \cdot 2^{n-1}", r"n2^{n-1}"),
    (r"n2^{n-1}", r"n \cdot 2^{n-1}"),
    (r"2^{n-1}(n+2)", r"n2^{n-1}+2^n"),
    (r"n \cdot 3^n", "n3^n"),
    (r"k \cdot 10^{k}", "k10^k"),
    (r"nm 2^{n+m}", r"nm \cdot 2^{n+m}"),
]


def outcome(gold: str, answer: str) -> Outcome:
    return judge(Math(), Task(prompt="q", reference=gold), Completion(text=rf"\boxed{{{answer}}}")).outcome


@pytest.mark.parametrize(("gold", "answer"), BOUND)
def test_a_bound_letter_may_have_another_name(gold: str, answer: str):
    assert outcome(gold, answer) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), FREE)
def test_a_free_letter_and_the_name_of_a_value_may_not(gold: str, answer: str):
    assert outcome(gold, answer) is Outcome.INCORRECT
    assert outcome(gold, gold) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), HOLDS)
def test_where_an_expression_holds_may_be_said_behind_it(gold: str, answer: str):
    assert outcome(gold, answer) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), HOLDS_ELSEWHERE)
def test_what_holds_elsewhere_or_says_nothing_of_a_letter_is_not_the_reference(gold: str, answer: str):
    assert outcome(gold, answer) in (Outcome.INCORRECT, Outcome.MALFORMED)


@pytest.mark.parametrize(("gold", "answer"), PRODUCTS)
def test_a_power_with_a_letter_in_its_exponent_may_follow_a_letter(gold: str, answer: str):
    assert outcome(gold, answer) is Outcome.CORRECT
    assert outcome(gold, f"{answer}+1") is Outcome.INCORRECT


def test_a_number_behind_a_letter_is_no_factor_without_one():
    for answer in ("x6", "x2^2", "x0x"):
        assert outcome("6x", answer) is not Outcome.CORRECT
        assert outcome("4x", answer) is not Outcome.CORRECT
