"""A text and its copy are the same answer, whatever they say, up to spaces, needless braces and sizes."""

import pytest

from rlvr_gym import Completion, Outcome, Task
from rlvr_gym.verifiers import Math, judge

COPIES = [
    (r"\hat{\theta}=\alpha_{0}/\bar{x}", r"\hat{\theta} = \alpha_0 / \bar{x}"),
    (r"\hat{\beta}_{1}", r"\hat\beta_1"),
    (r"\log(\sqrt[9]{10^{11}})=\frac{11}{9}", r"\log( \sqrt[9]{10^{11}} ) = \frac{11}{9}"),
    (r"\lim_{x\to0}\frac{\sin x}{x}=1", r"\lim_{x \to 0} \frac{\sin x}{x} = 1"),
    (r"\lim_{n\to\infty}a_n", r"\lim\limits_{n \to \infty} a_{n}"),
    (r"\left(\sin t,\cos t\right)", r"( \sin t , \cos t )"),
    (r"\left\langle e^{t},t^{2}\right\rangle", r"\langle e^t, t^2 \rangle"),
    (r"\sum_{i=1}^{n}a_i+\cdots", r"\sum_{i = 1}^n a_{i} + \cdots"),
    (r"a_1+a_2+\dots+a_n", r"a_{1} + a_{2} + \dots + a_{n}"),
    (r"\prod_{p}\frac{1}{1-p^{-s}}", r"\prod_p \frac{1}{ 1 - p^{-s} }"),
    (
        r"f(x)=\begin{cases}1&x>0\\0&x\le0\end{cases}",
        r"f(x) = \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases}",
    ),
    (r"\int_{0}^{1}f(x)\,dx", r"\int_0^1 f(x) dx"),
    (r"\iint_D f\,dA", r"\iint_{D} f \, dA"),
    (r"\nabla\cdot\mathbf{F}=0", r"\nabla \cdot \mathbf{F} = 0"),
    (
        r"\frac{\partial u}{\partial t}=k\frac{\partial^2u}{\partial x^2}",
        r"\frac{\partial u}{\partial t} = k \frac{\partial^{2} u}{\partial x^{2}}",
    ),
    (r"\mathbb{E}[X]=\mu", r"\mathbb{E} [ X ] = \mu"),
    (r"\operatorname{Var}(X)=\sigma^{2}", r"\operatorname{Var} ( X ) = \sigma^2"),
    (r"X\sim N(0,1)", r"X \sim N( 0, 1 )"),
    (r"p\Rightarrow q", r"p \Rightarrow q"),
    (r"\neg p\lor q", r"\neg p \lor q"),
    (r"\forall\epsilon>0", r"\forall \epsilon > 0"),
    (r"\overrightarrow{AB}\perp\overrightarrow{CD}", r"\overrightarrow{AB} \perp \overrightarrow{CD}"),
    (r"\triangle ABC\cong\triangle DEF", r"\triangle ABC \cong \triangle DEF"),
    (r"\|x\|_{2}\le1", r"\|x\|_2 \le 1"),
    (r"\binom{n}{k}=\binom{n}{n-k}", r"\binom{n}{k} = \binom{n}{ n-k }"),
    (r"x_{1}x_{2}\cdots x_{n}", r"x_1 x_2 \cdots x_n"),
    (r"\underbrace{1+\dots+1}_{n}", r"\underbrace{1 + \dots + 1}_n"),
    (r"\big(\tfrac{a}{b}\big)\circ g", r"\left( \tfrac{a}{b} \right) \circ g"),
    (r"\ce{H2O}", r"\ce{H2O} "),
    (r"A\times{(B\times C)}", r"A \times (B \times C)"),
    (r"x\in{\{1,2\}}", r"x \in \{ 1, 2 \}"),
    (r"y'={-2y}", r"y' = -2y"),
    (r"\dot{x}=Ax+Bu", r"\dot{x} = A x + B u"),
    (r"\det(A-\lambda I)=0", r"\det( A - \lambda I ) = 0"),
    (r"e^{{ab}}\star c", r"e^{ab} \star c"),
    (r"\displaystyle\oint_{C}F", r"\oint_C F"),
    (r"G\cong\mathbb{Z}/2\mathbb{Z}", r"G \cong \mathbb{Z} / 2 \mathbb{Z}"),
    (r"\ker\phi=\{e\}", r"\ker \phi = \{ e \}"),
    (r"O(n\log n)", r"O( n \log n )"),
    (r"\lfloor x\rfloor\oplus1", r"\lfloor x \rfloor \oplus 1"),
    (r"P(A\mid B)\propto P(B\mid A)", r"P( A \mid B ) \propto P( B \mid A )"),
]
OTHERS = [
    ("12 34", "1234"),
    ("1 1/2", "11/2"),
    (r"2 \frac12", r"\frac{21}{2}"),
    (r"\frac{1}{23}", r"\frac123"),
    (r"\{1, 234\}", r"\{1,235\}"),
    (r"\hat{\theta}", r"\theta"),
    (r"\hat{\theta}=\alpha_{0}/\bar{x}", r"\hat{\theta} = \alpha_1 / \bar{x}"),
    (r"\hat{\theta}=\alpha_{0}/\bar{x}", r"\bar{\theta} = \alpha_0 / \bar{x}"),
    (r"\log(\sqrt[9]{10^{11}})=\frac{11}{9}", r"\log(\sqrt[9]{10^{12}})=\frac{11}{9}"),
    (r"{a \over b}c", r"a \over bc"),
    ("{1", "1"),
]


@pytest.mark.parametrize(("gold", "copy"), COPIES)
def test_a_copy_with_other_spaces_braces_and_sizes_is_right_whatever_it_says(gold: str, copy: str):
    for a, b in ((gold, copy), (copy, gold)):
        assert (
            judge(Math(), Task(prompt="q", reference=a), Completion(text=rf"\boxed{{{b}}}")).outcome
            is Outcome.CORRECT
        )


@pytest.mark.parametrize(("gold", "other"), OTHERS)
def test_a_text_that_says_something_else_is_no_copy(gold: str, other: str):
    said = judge(Math("tag"), Task(prompt="q", reference=gold), Completion(text=f"<answer>{other}</answer>"))
    assert not said.correct


def test_a_digit_of_a_numeral_with_a_base_may_stand_in_text():
    for gold, answer in [
        ("2A_{16}", r"2\text{A}_{16}"),
        (r"\text{FF}_{16}", "FF_{16}"),
        ("2A_{16}", r"\mathrm{2A}_{16}"),
    ]:
        assert judge(
            Math(), Task(prompt="q", reference=gold), Completion(text=rf"\boxed{{{answer}}}")
        ).correct
    wrong = Completion(text=r"\boxed{2\text{B}_{16}}")
    assert not judge(Math(), Task(prompt="q", reference="2A_{16}"), wrong).correct
