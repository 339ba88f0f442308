"""Domains stated after an answer, letters that they bind, and names longer than letters."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge

HELD = [
    ("n^2", r"n^2, n\ge 1"),
    ("n^2", r"n^2 \quad (n\ge1)"),
    ("n^2", r"n^2 \text{ for all positive integers } n"),
    ("n^2", r"n^2 \text{ where } n \text{ is a positive integer}"),
    ("n^2", r"n^2,\ n\in\mathbb N"),
    (r"n^2 \text{ for } n\in\mathbb N", r"n^2 \text{ for } n\ge1"),
    ("2^n", r"2^n \text{ for } n = 0, 1, 2, \ldots"),
    ("x+1", r"x+1, x\neq 1"),
    ("x+1", r"x+1 \quad (x\ne1)"),
    ("x+1", r"x+1 \text{ provided that } x\ne 1"),
    ("x+1", r"x+1 \text{ as long as } x\ne1"),
    ("x+1", r"x+1 \text{ (for } x\neq 1)"),
    ("x^2", r"x^2 \text{ for } 0\le x\le1"),
    (r"\frac1{1-x} \text{ for } |x|<1", r"\frac{1}{1-x}"),
    (r"x^2 \text{ for } x>0", r"x^2, x>0"),
    (r"f(x)=x^2, x>0", r"f(t)=t^2, t>0"),
    (r"x^2 \text{ for } 0<x<1", r"x^2 \text{ for } x\in(0,1)"),
    (r"x^2 \text{ for positive } x", r"x^2, x>0"),
    ("f(x)=x", r"f(x)=x\ \forall x\in\mathbb{R}"),
    ("f(x)=x", r"f(x)=x \ (x\in\mathbb R)"),
]
HELD_ELSEWHERE = [
    (r"x^2, x>0", r"x^2, x<0"),
    (r"x^2, x>0", r"x^2, x\ge 0"),
    (r"x^2 \text{ for } 0<x<1", r"x^2 \text{ for } 0<x<2"),
    (r"f(x)=2x \text{ for } x\in[0,1]", r"f(x)=2x \text{ for } x\in[0,2]"),
    (r"\frac1{1-x},|x|<1", r"\frac{1}{1-x}, |x|>1"),
    (r"2\pi n, n\in\mathbb Z", r"2\pi n, n\in\mathbb N"),
    (r"f(x)=x, x>0", r"f(t)=t, t<0"),
    ("n^2", r"n^2 \text{ for } n=3"),
    ("n^2", r"n^2 \text{ for } n < 0 \text{ only maybe}"),
    ("f(x)=2x", r"f(x)=2x \text{ for no } x"),
    ("f(x)=2x", r"f(x)=2x \text{ for all } x \text{ except } 3"),
    ("5", "5, x>3"),
    ("x=3", r"x=3 \text{ for } x>4"),
    ("x>2", "x>2, x<5"),
    ("x", "x, x>0"),
    ("x+1", "x+1, x+2"),
]
ANY_CONSTANT = [
    (r"f(x)=cx, c\in\mathbb{R}", r"f(x)=ax, a\in\mathbb R", Outcome.CORRECT),
    (r"f(x)=kx \text{ for any constant } k", r"f(x)=cx \text{ for any real } c", Outcome.CORRECT),
    (
        r"f(x)=x+c \text{ where } c \text{ is a real constant}",
        r"f(x)=x+k \text{ with } k \text{ a constant}",
        Outcome.CORRECT,
    ),
    (r"x^2+C", r"x^2+C, C\in\mathbb R", Outcome.CORRECT),
    (r"f(x)=cx, c\in\mathbb{R}", r"f(x)=ax^2, a\in\mathbb R", Outcome.INCORRECT),
    (r"(2t, t+1), t\in\mathbb R", r"(2s, s+1), s\in\mathbb R", Outcome.CORRECT),
    (r"(2t, t+1), t\in\mathbb R", r"(2s, t+1), s\in\mathbb R", Outcome.INCORRECT),
    (r"\{2n \mid n\in\mathbb Z\}", r"\{2k \mid k\in\mathbb Z\}", Outcome.CORRECT),
    (r"\{2n \mid n\in\mathbb Z\}", r"\{2n+1 \mid n\in\mathbb Z\}", Outcome.INCORRECT),
    ("a_n=2n-1", "a_k=2k-1", Outcome.CORRECT),
    ("a_n=2n-1", "a_k=2n-1", Outcome.INCORRECT),
    ("a_n=2^n", "b_n=2^n", Outcome.INCORRECT),
    ("u_n=2u_{n-1}", "u_k=2u_{k-1}", Outcome.CORRECT),
    ("u_n=2u_{n-1}", "u_k=2u_{k-2}", Outcome.INCORRECT),
    (r"f(x)=\sin x", r"f(\theta)=\sin\theta", Outcome.CORRECT),
    ("f'(x)=2x", "f'(t)=2t", Outcome.CORRECT),
    ("f'(x)=2x", "y=2x", Outcome.INCORRECT),
    ("f(x)=0", r"f \equiv 0", Outcome.CORRECT),
]
NAMES = [
    "E[X]", r"\mathbb{E}[X]", r"\operatorname{Var}(X)", r"\mathbb{P}(X=2)", "f^{-1}(3)", "f(f(2))", r"(f\circ g)(2)",
    "g(f(1))", r"\det(A)", r"\det A", r"\operatorname{tr}(A)", r"n(A\cup B)", r"\max f", r"f_{\max}", r"f_{\text{max}}",
    r"\lim_{x\to 0}f(x)", r"v_{\text{average}}", r"\dim V", r"\text{Area}",
]  # fmt: skip
OTHER_NAMES = [
    (r"\det A=5", r"\det B=5"),
    (r"\operatorname{Var}(X)=3", r"\operatorname{Var}(Y)=3"),
    (r"\operatorname{Var}(X)=3", "E[X]=3"),
    ("E[X^2]=3", "E[X]=3"),
    ("f(f(2))=5", "f(g(2))=5"),
    ("f^{-1}(3)=5", "f(3)=5"),
    (r"\max f=3", r"\min f=3"),
    (r"f_{\max}=3", r"f_{\min}=3"),
    (r"\lim_{x\to 0}f(x)=3", r"\lim_{x\to 1}f(x)=3"),
    (r"n(A\cup B)=5", r"n(A\cap B)=5"),
    (r"\frac{AB}{C}=2", r"\frac{A}{BC}=2"),
]


def outcome(gold: str, answer: str) -> Outcome:
    completion = Completion(text=rf"So $\boxed{{{answer}}}$.")
    return judge(Math("boxed"), Task(prompt="q", reference=gold), completion).outcome


@pytest.mark.parametrize(("gold", "answer"), HELD)
def test_what_is_said_of_the_letters_behind_an_expression_does_not_change_it(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.CORRECT
    assert outcome(answer, gold) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), HELD_ELSEWHERE)
def test_what_holds_elsewhere_or_says_more_is_another_answer(gold: str, answer: str) -> None:
    assert outcome(gold, answer) in (Outcome.INCORRECT, Outcome.MALFORMED)


@pytest.mark.parametrize(("gold", "answer", "expected"), ANY_CONSTANT)
def test_letters_that_are_bound_may_have_another_name_and_free_ones_not(
    gold: str, answer: str, expected: Outcome
) -> None:
    assert outcome(gold, answer) is expected


@pytest.mark.parametrize("name", NAMES)
def test_a_value_may_have_a_name_with_brackets_or_words_in_it(name: str) -> None:
    assert outcome("5", f"{name}=5") is Outcome.CORRECT
    assert outcome(f"{name}=5", "5") is Outcome.CORRECT
    assert outcome(f"{name}=5", f"{name}=6") is Outcome.INCORRECT


@pytest.mark.parametrize(("gold", "answer"), OTHER_NAMES)
def test_another_name_is_another_answer(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.INCORRECT
