import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rlvr_gym import Completion, ConfigError, Outcome, Task, VerifierFault
from rlvr_gym.verdicts import Verdict
from rlvr_gym.verifiers import AnswerContract, Math, judge
from tests.timing import at_most


def verdict(reference: object, completion: str, verifier: Math | None = None) -> Verdict:
    task = Task(prompt="What is 41 + 1?", reference=reference)  # pyright: ignore[reportArgumentType]
    return judge(verifier or Math(), task, Completion(text=completion))


def test_the_last_marker_decides():
    assert verdict("42", r"\boxed{41}. Wait, \boxed{42}").correct
    assert not verdict("41", r"\boxed{41}. Wait, \boxed{42}").correct


def test_joined_markers_are_one_list():
    assert verdict("1,-2", r"The solutions are \boxed{1} and \boxed{-2}").correct
    assert verdict("1,-2", r"The solutions are $\boxed{-2}$, $\boxed{1}$.").correct
    assert not verdict("42", r"\boxed{41} and \boxed{42}").correct
    assert not verdict("42", r"\boxed{41} = \boxed{42}").correct


def test_the_same_answer_given_twice_is_that_answer():
    assert verdict("42", r"\boxed{42}" + "\n\n" + r"$\boxed{42.0}$").correct


def test_an_answer_only_inside_the_thinking_earns_nothing():
    said = verdict("42", r"<think>\boxed{42}</think> So that is it.")
    assert (said.outcome, said.score) == (Outcome.MALFORMED, 0.0)


def test_an_unclosed_box_earns_nothing():
    assert verdict("42", r"\boxed{42").outcome is Outcome.MALFORMED


def test_an_empty_answer_earns_nothing():
    for completion in ["", r"\boxed{}", r"\boxed{ }", "42", "The answer is 42."]:
        assert verdict("42", completion).outcome is Outcome.MALFORMED


def test_the_numbers_of_the_question_echoed_earn_nothing():
    assert not verdict("42", r"41 + 1 \boxed{41, 1}").correct


def test_strict_contracts_ask_for_exactly_one_marker():
    strict = Math(AnswerContract("boxed", strict=True))
    assert verdict("42", r"\boxed{42}", strict).correct
    assert verdict("42", r"\boxed{41}. Wait, \boxed{42}", strict).outcome is Outcome.MALFORMED


@pytest.mark.parametrize(
    ("marker", "completion"),
    [
        ("hashes", "6 * 7 = 42\n#### 42."),
        ("tag", "<think>41?</think><answer> 42 </answer>"),
        ("line", "So.\n**Answer:** $42$"),
        ("whole", " 42\n"),
    ],
)
def test_every_marker_works(marker: str, completion: str):
    assert verdict("42", completion, Math(marker)).correct


def test_an_answer_line_with_a_hedge_earns_nothing():
    assert not verdict("42", "Answer: 41 = 42", Math("line")).correct


def test_a_reference_may_be_a_number():
    assert verdict(42, r"\boxed{42}").correct
    assert verdict(0.5, r"\boxed{\frac12}").correct
    assert not verdict(42, r"\boxed{43}").correct


@pytest.mark.parametrize("reference", [None, True, "", float("inf"), ["42"], {"answer": 42}])
def test_a_reference_of_an_unusable_type_leaves_the_sample_unscored(reference: object):
    said = verdict(reference, r"\boxed{42}")
    assert (said.outcome, said.score) == (Outcome.UNSCORED, None)
    with pytest.raises(VerifierFault, match="a reference must be a text or a finite number"):
        Math().check_reference(reference)  # pyright: ignore[reportArgumentType]


def test_a_reference_that_cannot_be_read_is_found_and_never_makes_an_answer_wrong():
    assert Math().check_reference(r"42 \foo") == r"the reference '42 \\foo' cannot be read"
    assert verdict(r"42 \foo", r"\boxed{42}").outcome is Outcome.UNSCORED
    assert verdict(r"42 \foo", r"\boxed{ 42 \foo }").correct
    assert Math().check_reference("42") is None
    assert Math().check_reference(r"\int_0^1 x dx") is None


def test_the_solution_earns_full_marks():
    for marker in ("boxed", "tag", "hashes", "line", "whole"):
        for reference in [
            "42",
            0.25,
            r"\frac{1}{2}",
            "1,-2",
            "x > 3",
            r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}",
        ]:
            verifier = Math(marker)
            task = Task(prompt="?", reference=reference)
            assert judge(verifier, task, Completion(text=verifier.solution(task))).correct


def test_a_verdict_says_what_was_read():
    assert verdict("42", r"\boxed{ 41 }").answer == "41"
    assert verdict("1,2", r"\boxed{1}, \boxed{3}").answer == "1, 3"


def test_timeouts_must_be_positive():
    with pytest.raises(ConfigError, match="timeout_seconds must be above 0, not 0"):
        Math(timeout_seconds=0)


def test_an_unknown_marker_is_refused_at_once():
    with pytest.raises(ConfigError, match="no answer marker 'bxed'"):
        Math("bxed")


BOMBS = [
    "9**9**9",
    "9^{9^{9}}",
    "10^{10^{10}}",
    "10^{10^{10^{10}}}",
    "99999999!",
    "3!!!!!!!!!",
    "x^{9^{9^9}}",
    "(1+x)^{100000}",
    "(((((x+1)^9+1)^9+1)^9+1)^9+1)^9",
    r"\binom{10^9}{5\cdot 10^8}",
    r"\sqrt[10^9]{2}",
    r"\sin(10^{10^{10}})",
    r"\tan\tan\tan\tan(10^{60})",
    "1e999999999",
    "0." + "1" * 3000,
    "9" * 3999,
    "+".join(["1"] * 1900),
    "-" * 3000 + "1",
    "(" * 1500 + "1" + ")" * 1500,
    r"\frac{1}{" * 300 + "1" + "}" * 300,
    "2^" * 1500 + "2",
    ",".join(["1"] * 1900),
    ",".join(["x^2"] * 60),
    "*".join(f"(x_{k}+1)" for k in range(300)),
    r"\pm 1" * 500,
    "{" * 1000 + "}" * 1000,
    "1_" * 1000,
    "|" * 2000,
    r"\sqrt" * 1000 + "2",
    r"\frac" * 1000 + "12",
    r"\sin" * 1000 + "2",
    r"\sin(" * 45 + "2" + ")" * 45,
    "2" + "%" * 1000,
    "x-" * 900 + "x",
    "x/" * 900 + "x",
    "x" * 2 + "*x" * 900,
    "-(" * 900 + "x" + ")" * 900,
    "-(1+" * 45 + "x" + ")" * 45,
    r"\approx " * 900 + "1",
    "1=" * 900 + "1",
    r"\{" * 40 + "1" + r"\}" * 40,
    "9" * 400 + r"\frac13 \approx " + "9" * 400 + r"\frac13",
    r"\frac13 \approx 1e9999",
    "x_{" + "y" * 3000 + "}",
    "\ud800" * 10,
    r"\text{" + "a" * 3000 + "}",
    "1 " * 2000,
    "$" * 3000,
]


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb[:24])
def test_a_bomb_is_defused_without_a_worker(bomb: str):
    with at_most(2.0):
        for reference in ("42", "42x"):
            said = verdict(reference, rf"\boxed{{{bomb}}}")
            assert said.outcome in (Outcome.INCORRECT, Outcome.MALFORMED)


@pytest.mark.parametrize(
    "text",
    [
        "x" * 1_000_000,
        "{" * 100_000,
        r"\boxed{" + "{" * 100_000 + "}" * 100_000 + "}",
        r"\boxed{" + "9" * 1_000_000 + "}",
        r"\boxed{" + "1+" * 500_000 + "1}",
        r"\boxed{" * 100_000,
        r"\boxed{1}, " * 100_000,
        r"\boxed{" + "(" * 100_000 + "42" + ")" * 100_000 + "}",
    ],
    ids=lambda text: text[:12],
)
def test_a_huge_completion_gets_a_verdict_at_once(text: str):
    with at_most(2.0):
        assert not verdict("42", text).correct


def test_what_sympy_cannot_decide_in_time_is_a_timeout():
    start = time.monotonic()
    said = verdict("42", r"\boxed{\int_0^1 x^{x^{x^x}} dx}", Math(timeout_seconds=0.5))
    assert (said.outcome, said.score) == (Outcome.TIMEOUT, 0.0)
    assert time.monotonic() - start < 5.0


def test_sympy_reads_what_our_grammar_does_not():
    assert verdict(r"\frac12", r"\boxed{\int_0^1 x dx}").correct
    assert verdict("1", r"\boxed{\lim_{x \to 0} \frac{\sin x}{x}}").correct
    assert verdict("-2", r"\boxed{\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}}").correct
    assert verdict("12", r"\boxed{\operatorname{lcm}(4,6)}").correct
    assert not verdict("2", r"\boxed{\int_0^1 x dx}").correct


def test_what_sympys_parser_misreads_never_reaches_it():
    assert verdict("46", r"\boxed{\max(12 34)}").outcome is Outcome.MALFORMED
    assert verdict("15", r"\boxed{\max(1,15) \foo}").outcome is Outcome.MALFORMED
    assert not verdict("52_8", r"\boxed{52_1}").correct


def test_model_text_is_never_executed(tmp_path):
    proof = tmp_path / "executed"
    payloads = [
        f"__import__('pathlib').Path('{proof}').touch()",
        f"\\text{{__import__('pathlib').Path('{proof}').touch()}}",
        f"\\max(__import__('pathlib').Path('{proof}').touch())",
        f"\\int \\operatorname{{__import__('pathlib').Path('{proof}').touch()}} dx",
    ]
    for payload in payloads:
        assert not verdict("42", rf"\boxed{{{payload}}}").correct
    assert not proof.exists()


SIGNS = r"""
\frac \sqrt \pi \sin ^ _ { } ( ) [ ] | , ; : = < > \le \ne \in \cup \pm \{ \} \text{ \text{cm}
\text{or} m cm dollars $ \$ % ^\circ ! + - * / . 1 2 42 0.5 1e5 x y e i \infty \begin{pmatrix}
\end{pmatrix} & \\ \left( \right) \overline{3} \binom \log \lfloor \rfloor and or AM 10:30 52_8 … ½
√ ² ₂ ° ∞ ∅ \mathbb{R} \approx ' " \, \! ~ # @ ? million per square A Evelyn \begin{array}{cc}
99999999! 9^9^9 \boxed \langle \rangle \emptyset \equiv \operatorname{foo} \mathrm{d}
"""
SOUP = SIGNS.split()
REFERENCES = [
    "42",
    "x^2+1",
    "(1,2)",
    "x>2",
    r"5\text{ cm}",
    r"\begin{pmatrix}1\\2\end{pmatrix}",
    "10:30 AM",
    "52_8",
    "Evelyn",
]


def test_no_jumble_of_signs_leaves_a_sample_unscored_or_takes_long():
    rng = random.Random(0)
    whole = Math("whole")
    for _ in range(2000):
        signs = rng.choices(SOUP, k=rng.choice([2, 3, 5, 8, 13, 60]))
        jumble = "".join(sign + rng.choice(["", " "]) for sign in signs)
        with at_most(0.5, jumble):
            assert verdict(rng.choice(REFERENCES), jumble, whole).scored, jumble


PAIRS = [
    ("42", "42.0"),
    ("42", "41"),
    (r"\sqrt{2}", "1.41421"),
    (r"\sqrt{2}", "1.4142"),
    ("(x+1)^2", "x^2+2x+1"),
    ("(x+1)^2", "x^2+2x"),
    ("1,-2", "-2,1"),
    (r"\frac12", r"\int_0^1 x dx"),
    ("5 m", "500 cm"),
    ("42", "10^{10^{10}}"),
]


def test_verdicts_do_not_depend_on_thread_order_or_history():
    def judged(pair: tuple[str, str]) -> Verdict:
        return verdict(pair[0], rf"\boxed{{{pair[1]}}}")

    alone = {pair: judged(pair) for pair in PAIRS}
    shuffled = random.Random(0).choices(PAIRS, k=400)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(judged, shuffled)) == [alone[pair] for pair in shuffled]


def test_a_verdict_can_be_had_off_the_main_thread():
    said: list[Verdict] = []
    thread = threading.Thread(target=lambda: said.append(verdict(r"\frac12", r"\boxed{\int_0^1 x dx}")))
    thread.start()
    thread.join()
    assert said[0].correct


def test_importing_it_imports_neither_sympy_nor_mpmath():
    script = "import sys, rlvr_gym.verifiers.math; print(sorted({'sympy', 'mpmath'} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_easy_verdicts_come_at_five_hundred_a_second():
    with at_most(1.0):
        for number in range(500):
            completion = f"So {number} is it. " * 20 + rf"\boxed{{{number}.0}}"
            assert verdict(str(number), completion).correct


def test_an_answer_that_says_nothing_is_not_the_same_as_a_reference_that_says_nothing():
    task = Task(prompt="?", reference="~")
    assert not judge(Math(), task, Completion(text=r"\boxed{\,}")).correct


def test_a_reference_beyond_the_range_of_floats_is_a_number_like_any_other():
    task = Task(prompt="?", reference=10**400)
    assert judge(Math(), task, Completion(text=r"\boxed{10^{400}}")).correct
    assert not judge(Math(), task, Completion(text=r"\boxed{10^{401}}")).correct
