"""Signs whose meaning depends on what stands beside them: products of vectors, "and" and "or", sums."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge

VECTORS = [
    (r"\vec a\times\vec b", r"-\vec b\times\vec a"),
    (r"q\vec v\times\vec B", r"q(\vec v\times\vec B)"),
    (r"2\vec a\times\vec b", r"-2\vec{b} \times \vec{a}"),
    (r"\vec a\times\vec a", "0"),
    (r"\vec a\cdot\vec b", r"\vec b\cdot\vec a"),
    (r"2\times\vec v", r"2\vec v"),
    (r"\mathbf{2}\times\mathbf{3}", "6"),
    (r"\boldsymbol\omega\times\mathbf r", r"\boldsymbol{\omega} \times \mathbf{r}"),
    (r"\nabla\times F", r"\nabla \times F"),
]
OTHER_VECTORS = [
    (r"\nabla\times F", r"\nabla\cdot F"),
    (r"\nabla × F", "∇·F"),
    (r"\nabla\times(\nabla\times F)", r"\nabla\times(\nabla\cdot F)"),
    (r"\vec a\times\vec b", r"\vec b\times\vec a"),
    (r"\vec a\times\vec b", r"\vec a\cdot\vec b"),
    (r"\vec a\times\vec b", r"\vec a\vec b"),
    (r"\vec a\times(\vec b\times\vec c)", r"(\vec a\times\vec b)\times\vec c"),
    (r"(\vec a\times\vec b)\times\vec c", r"(\vec a\times\vec b)\cdot\vec c"),
    (r"\hat n\times\vec E", r"\hat n\cdot\vec E"),
    (r"\overrightarrow{AB}\times\overrightarrow{AC}", r"\overrightarrow{AB}\cdot\overrightarrow{AC}"),
    (r"\boldsymbol\omega\times\mathbf r", r"\boldsymbol\omega\cdot\mathbf r"),
]
SUMS = [
    (r"\sum_{k=1}^n k", r"\frac{n(n+1)}{2}"),
    (r"\sum_{k=1}^n k a", r"a\sum_{j=1}^n j"),
    (r"\sum_{i=1}^{n} i^2", r"\frac{n(n+1)(2n+1)}{6}"),
    (r"\sum_{k=0}^n \binom nk", r"2^n"),
    (r"\prod_{k=1}^n k", "n!"),
    (r"\sum_{k=1}^{n} a_k", r"\sum_{i=1}^{n} a_i"),
    (r"\sum_{i=1}^{n} (a_i - b_i)", r"\sum_{k=1}^{n} (a_k-b_k)"),
    (r"\sum_{k=m}^{n} 1", "n-m+1"),
    (r"\lim_{n\to\infty}(1+\frac1n)^n", r"\lim_{m \to \infty} (1+\frac1m)^m"),
    (r"\sup_{x\in A} f(x)", r"\sup_{y\in A}f(y)"),
    (r"\int_0^\infty g(x)\,dx", r"\int_0^\infty g(t) dt"),
]
OTHER_SUMS = [
    (r"\sum_{k=1}^n k a", r"\sum_{k=1}^n k b"),
    (r"\sum_{k=1}^{n} x_k y", r"\sum_{k=1}^{n} x_k z"),
    (r"\sum_{k=1}^n a_k", r"n a_k"),
    (r"\sum_{k=1}^{10} a_k", r"10 a_k"),
    (r"\sum_{k=1}^n a_k", r"\sum_{k=1}^n a_{k+1}"),
    (r"\sum_{k=1}^{n} a_k", r"\sum_{i=1}^{n} a_k"),
    (r"\sum_{k=1}^n k", r"\sum_{k=0}^{n-1} k"),
    (r"\lim_{n\to\infty}(1+\frac1n)^n", r"\lim_{m\to\infty}(1+\frac1n)^m"),
    (r"\lim_{x\to a} f(x)", r"\lim_{a\to x} f(x)"),
    (r"\max_x f(x,t)", r"\max_t f(x,t)"),
    (r"\int_0^\infty g(x)\,dx", r"\int_0^\infty g(x) dt"),
]
IN_PIECES = [
    (r"|x-200|", "200-x"),
    (r"|x+500|", "x+500"),
    (r"\max(x,1000)", "1000"),
    (r"\min(x,1000)", "x"),
    (r"\lfloor x/200\rfloor", r"\lfloor x/300\rfloor"),
]
JOINED = [
    (r"p\land q", r"q\land p"),
    (r"p\land(q\lor r)", r"(r\lor q) \land p"),
    ("1, 2 or 3", "1, 2, 3"),
    (r"(x>1 \text{ and } x<3) \text{ or } x>5", r"(1,3)\cup(5,\infty)"),
    (
        r"x=1 \text{ and } y=2 \text{ or } x=3 \text{ and } y=4",
        r"x=3 \text{ and } y=4 \text{ or } x=1 \text{ and } y=2",
    ),
]
JOINED_OTHERWISE = [
    (r"p\land q", r"p\lor q"),
    (r"a \text{ and } b", r"a \text{ or } b"),
    (r"p\land(q\lor r)", r"(p\land q)\lor r"),
    (r"p\land(q\lor r)", r"p\land q\land r"),
    (r"(x>1 \text{ and } x<3) \text{ or } x>5", r"x>1 \text{ or } x<3 \text{ or } x>5"),
    (
        r"x=1 \text{ and } y=2 \text{ or } x=3 \text{ and } y=4",
        r"x=1 \text{ and } y=4 \text{ or } x=3 \text{ and } y=2",
    ),
]
GROUPED_OTHERWISE = [
    (r"3\cdot{x+1}^2", r"3\cdot x+1^2"),
    (r"\text{now here}", r"\text{nowhere}"),
    (r"\text{not able}", r"\text{notable}"),
]


def outcome(gold: str, answer: str) -> Outcome:
    completion = Completion(text=rf"So $\boxed{{{answer}}}$.")
    return judge(Math("boxed"), Task(prompt="q", reference=gold), completion).outcome


@pytest.mark.parametrize(("gold", "answer"), VECTORS)
def test_products_of_vectors_follow_their_own_rules(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), OTHER_VECTORS)
def test_a_cross_product_is_no_other_product(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is not Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), SUMS)
def test_a_sum_of_unknown_length_is_its_closed_form_whatever_its_index_is_called(
    gold: str, answer: str
) -> None:
    assert outcome(gold, answer) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), OTHER_SUMS)
def test_a_sum_of_other_terms_or_over_another_letter_is_another_sum(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is not Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), IN_PIECES)
def test_functions_that_agree_near_zero_only_are_not_the_same(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.INCORRECT


@pytest.mark.parametrize(("gold", "answer"), JOINED)
def test_the_order_of_what_is_joined_means_nothing(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.CORRECT


@pytest.mark.parametrize(("gold", "answer"), JOINED_OTHERWISE)
def test_and_is_not_or_and_brackets_between_them_count(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is Outcome.INCORRECT


@pytest.mark.parametrize(("gold", "answer"), GROUPED_OTHERWISE)
def test_braces_and_blanks_that_mean_something_are_not_layout(gold: str, answer: str) -> None:
    assert outcome(gold, answer) is not Outcome.CORRECT
