from typing import Any

import numpy
import pytest
from pydantic import ValidationError

from rlvr_gym import Completion, FinishReason, FunctionVerifier, Outcome, Task, Verdict
from rlvr_gym.verifiers import judge

TASK = Task(prompt="1 + 1?", reference="2")


def test_every_kind_of_verdict_has_its_score():
    kinds = [
        Verdict.right(),
        Verdict.wrong(),
        Verdict.malformed("-"),
        Verdict.timeout("-"),
        Verdict.unscored("-"),
    ]
    assert [(v.outcome.value, v.score, v.correct, v.scored) for v in kinds] == [
        ("correct", 1.0, True, True),
        ("incorrect", 0.0, False, True),
        ("malformed", 0.0, False, True),
        ("timeout", 0.0, False, True),
        ("unscored", None, False, False),
    ]


@pytest.mark.parametrize(
    ("outcome", "score"),
    [
        (Outcome.INCORRECT, 1.0),
        (Outcome.CORRECT, 0.5),
        (Outcome.UNSCORED, 0.0),
        (Outcome.CORRECT, None),
        (Outcome.INCORRECT, float("nan")),
        (Outcome.INCORRECT, -0.1),
        (Outcome.CORRECT, 1.5),
    ],
)
def test_a_score_that_does_not_go_with_its_outcome_is_refused(outcome, score):
    with pytest.raises(ValidationError):
        Verdict(outcome=outcome, score=score)


def test_partial_credit_is_incorrect_and_below_one():
    assert Verdict.wrong(score=0.75).outcome is Outcome.INCORRECT


def test_a_completion_is_truncated_when_the_sampler_says_so():
    assert Completion(text="4", finish_reason=FinishReason.LENGTH).truncated
    assert not Completion(text="4").truncated


def test_the_text_of_a_completion_can_always_be_encoded():
    assert Completion(text="a\ud800b").text.encode() == "a\ufffdb".encode()


@pytest.mark.parametrize("error", [ValueError("odd"), RecursionError("deep"), MemoryError(), SystemExit(3)])
def test_a_verifier_that_raises_leaves_the_completion_unscored_and_is_named(error):
    def verify(task, completion):
        raise error

    verdict = judge(FunctionVerifier(verify), TASK, Completion(text="2"))
    assert verdict.outcome is Outcome.UNSCORED
    assert "FunctionVerifier" in verdict.detail
    assert type(error).__name__ in verdict.detail


@pytest.mark.parametrize(("said", "expected"), [(True, Outcome.CORRECT), (False, Outcome.INCORRECT)])
def test_a_function_may_say_right_or_wrong_with_a_bool(said, expected):
    assert (
        judge(FunctionVerifier(lambda task, completion: said), TASK, Completion(text="2")).outcome is expected
    )


def test_a_verifier_that_returns_something_else_leaves_the_completion_unscored():
    class Garbage(FunctionVerifier.__mro__[1]):
        def verify(self, task, completion):
            return 1.0

    verdict = judge(Garbage(), TASK, Completion(text="2"))
    assert verdict.outcome is Outcome.UNSCORED
    assert "returned float" in verdict.detail


def test_a_span_is_stored_with_the_steps_that_have_one_and_nowhere_else():
    step = Verdict.right().model_copy(update={"span": (0, 5)})
    whole = Verdict.right().model_copy(update={"parts": {"step 1": step}})
    stored = whole.model_dump(mode="json")
    assert "span" not in stored
    assert stored["parts"]["step 1"]["span"] == [0, 5]
    assert Verdict.model_validate(stored) == whole
    assert Verdict.model_validate_json(whole.model_dump_json()) == whole


def test_a_function_may_return_a_bool_a_score_or_a_verdict():
    said = Verdict.malformed("no answer")
    for returned, verdict in [
        (True, Verdict.right()),
        (False, Verdict.wrong()),
        (1.0, Verdict.right()),
        (0.0, Verdict.wrong()),
        (0.3, Verdict.wrong(score=0.3)),
        (1, Verdict.right()),
        (0, Verdict.wrong()),
        (numpy.float32(0.5), Verdict.wrong(score=0.5)),
        (numpy.True_, Verdict.right()),
        (numpy.array([1, 2]).sum() == 4, Verdict.wrong()),
        (said, said),
    ]:
        assert judge(FunctionVerifier(lambda t, c, r=returned: r), TASK, Completion(text="2")) == verdict


@pytest.mark.parametrize(
    "returned",
    [
        -1.0,
        1.5,
        2,
        float("nan"),
        float("inf"),
        [0.0],
        [1.0],
        {"score": 0.0},
        "no",
        "1",
        (False, "why"),
        None,
        1j,
    ],
    ids=repr,
)
def test_a_function_that_returns_anything_else_is_broken_and_scores_nothing(returned):
    verdict = judge(FunctionVerifier(lambda t, c: returned), TASK, Completion(text="2"))
    assert verdict.outcome is Outcome.UNSCORED
    assert f"the function returned {returned!r}, a {type(returned).__name__}; possible:" in verdict.detail


def test_what_a_broken_function_returned_is_cut_where_it_is_long():
    returned: Any = "x" * 10_000
    verdict = judge(FunctionVerifier(lambda t, c: returned), TASK, Completion(text="2"))
    assert verdict.outcome is Outcome.UNSCORED
    assert len(verdict.detail) < 300
