"""Steps of reasoning: where they stand, what is judged of them, and what cannot be farmed."""

from collections.abc import Sequence

import pytest

from rlvr_gym import Completion, ConfigError, Outcome, Task, Verdict
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import Exact, WeightedSum
from rlvr_gym.verifiers.attacks import Expectation
from rlvr_gym.verifiers.equations import check_equations
from rlvr_gym.verifiers.steps import Equations, Step, Steps

TASK = Task(id="sum", prompt="Add.", reference="7")
STEPS = Steps(Equations())


def verdict_of(text: str, verifier: Steps = STEPS) -> Verdict:
    return verifier.verify(TASK, Completion(text=text))


def spans(text: str, verifier: Steps = STEPS) -> list[str]:
    return [
        text[part.span[0] : part.span[1]] for part in verdict_of(text, verifier).parts.values() if part.span
    ]


@pytest.mark.parametrize("by", ["line", "paragraph", "tag"])
def test_the_contract_holds(by):
    check_verifier(Steps(Equations(), by=by), [TASK], seconds=5.0)


def test_each_step_has_its_verdict_and_its_place():
    text = "First 1 + 2 = 3.\nThen 3 * 4 = 13.\nSo 7 + 7 = 14."
    verdict = verdict_of(text)
    assert [(name, part.score) for name, part in verdict.parts.items()] == [
        ("step 1", 1.0),
        ("step 2", 0.0),
        ("step 3", 1.0),
    ]
    assert spans(text) == text.split("\n")
    assert verdict.score == pytest.approx(2 / 3)
    assert verdict.detail == "step 2: 3 * 4 = 13 does not hold"


def test_all_steps_right_is_full_marks_and_composes_with_the_answer():
    both = WeightedSum({"answer": (Exact("boxed"), 1), "steps": (STEPS, 1)})
    said = both.verify(TASK, Completion(text="1 + 2 = 3\n3 + 4 = 7\n\\boxed{7}"))
    assert said.correct
    assert both.verify(TASK, Completion(text="1 + 2 = 3\n3 + 4 = 8\n\\boxed{7}")).score == 0.75


def test_text_that_claims_nothing_belongs_to_the_next_step_that_does():
    text = "Let us see.\nNow think.\n1 + 1 = 2\n\\boxed{2}"
    assert spans(text) == ["Let us see.\nNow think.\n1 + 1 = 2"]


def test_paragraphs_and_tags_are_steps_where_they_are_asked_for():
    text = "1 + 1 = 2\nand 2 + 1 = 3\n \n3 + 1 = 5"
    assert spans(text, Steps(Equations(), by="paragraph")) == ["1 + 1 = 2\nand 2 + 1 = 3", "3 + 1 = 5"]
    tagged = "1 + 1 = 3 <step>1 + 1 = 2\n2 + 2 = 4</step> <step>5 + 5 = 10</step> <step>1 + 1 = 4"
    found = verdict_of(tagged, Steps(Equations(), by="tag"))
    assert found.correct
    assert len(found.parts) == 2


def test_a_step_said_again_earns_nothing_more():
    assert [part.score for part in verdict_of("1 + 1 = 2\n1  +  1 = 2\n1 + 1 = 2").parts.values()] == [
        1,
        0,
        0,
    ]


@pytest.mark.parametrize(
    "text",
    ["no step", "", "<think>1 + 1 = 2</think>", "5 = 5\n6 = 6", "\n".join(f"{n} + 1 = {n + 1}" for n in range(65)),
     "1 + 1 = 2\n" * 20_000, "x + 1 = 2"],
)  # fmt: skip
def test_without_a_judged_step_the_completion_is_one_step_worth_nothing(text: str):
    verdict = verdict_of(text)
    assert verdict.outcome is Outcome.MALFORMED
    (step,) = verdict.parts.values()
    assert (step.score, step.span) == (0.0, (0, len(text)))


def test_its_own_attacks_fail():
    for verifier in (STEPS, Steps(Equations(), by="tag"), Steps(Equations(), by="paragraph")):
        for attack in verifier.audit_attacks(TASK):
            assert attack.expectation is Expectation.FAIL
            assert not verdict_of(attack.text, verifier).correct, attack.tries


class Unreachable:
    timeout_seconds = 1.0

    def judge_step(self, task: Task, steps: Sequence[Step], index: int) -> Verdict:
        return Verdict.unscored("no answer") if index else Verdict.right()


def test_a_step_that_could_not_be_judged_leaves_the_whole_unscored():
    verdict = verdict_of("one\ntwo", Steps(Unreachable()))
    assert verdict.outcome is Outcome.UNSCORED
    assert verdict.detail == "step 2: no answer"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("12 * 3 = 36", 1),
        ("So 3 + 4 = 7 apples, then 7 - 1 = 6.", 2),
        ("1/2 + 1/3 = 5/6 = 10/12", 2),
        ("<<48/2=24>>24", 1),
        ("$3 + $4 = $7", 1),
        (r"\(2 \times 3 = 6\)", 1),
        ("2 x 3 = 6", 1),
        ("1) 2 + 2 = 4", 1),
        ("1,000 + 1 = 1,001", 1),
        ("2/3 = 0.666667", 1),
    ],
)
def test_equations_that_hold_are_found(text: str, count: int):
    assert (check_equations(text).count, check_equations(text).false) == (count, None)


@pytest.mark.parametrize(
    ("text", "false"),
    [
        ("1 + 1 = 3", "1 + 1 = 3"),
        ("total 3 + 4 = 8", "3 + 4 = 8"),
        ("10/3 = 3.33", "10/3 = 3.33"),
        ("1 + 1 = 2 = 3 - 2", "2 = 3 - 2"),
        ("9^9^9^9 = 3", "9^9^9^9 = 3"),
    ],
)
def test_equations_that_do_not_hold_are_named(text: str, false: str):
    assert check_equations(text).false == false


@pytest.mark.parametrize(
    "text",
    [
        "x + 3 = 4", "half of 12 = 6", "f(2) = 5", "AB = 5", "5 = 2x", "3 apples + 4 apples = 8 apples", "2^{3} = 9",
        "3! = 7", "50% of 10 = 6", "x - 3 = 2", "10 = 2 (mod 4)", "7 / 2 = 3 R 1", "7 / 2 = 3 remainder 1",
        "8:30 + 1 = 9:30", "1 + 1 == 3", "1 + 1 != 3", "2 + 3 = 5y", "log 10 + 1 = 2", "5 = 5", "(3 + 4 = 8", "3 + = 4",
        "a = 1 + 1 = 3", "sin 30 = 1/2 + 1",
    ],
)  # fmt: skip
def test_what_may_mean_something_else_is_passed_over(text: str):
    assert check_equations(text).count == 0
    assert check_equations(text).false is None


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="by must be one of line, paragraph, tag"):
        Steps(Equations(), by="word")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="most must be at least 1"):
        Steps(Equations(), most=0)
