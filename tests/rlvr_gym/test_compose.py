import math

import pytest

from rlvr_gym import Completion, ConfigError, FunctionVerifier, Outcome, Task, Verdict, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers import AllOf, Exact, GateThen, Numeric, TagFormat, WeightedSum

TASK = Task(prompt="?", reference="42")


def always(verdict):
    return FunctionVerifier(lambda task, completion: verdict)


def broken(task, completion):
    raise ConnectionError("no sandbox")


RIGHT = always(Verdict.right(answer="42"))
SHAPED = always(Verdict.right())
WRONG = always(Verdict.wrong("is 41", answer="41"))
PARTIAL = always(Verdict.wrong("half", answer="4", score=0.5))
MALFORMED = always(Verdict.malformed("no box"))
TIMEOUT = always(Verdict.timeout("too slow"))
BROKEN = FunctionVerifier(broken)


def ask(verifier):
    return verifier.verify(TASK, Completion(text="-"))


def test_a_weighted_sum_adds_shares_of_the_weights():
    verdict = ask(WeightedSum({"format": (SHAPED, 1), "math": (WRONG, 3)}))
    assert (verdict.outcome, verdict.score, verdict.answer) == (Outcome.INCORRECT, 0.25, "41")
    assert ask(WeightedSum({"a": (PARTIAL, 1), "b": (RIGHT, 1)})).score == 0.75
    assert ask(WeightedSum({"a": (PARTIAL, 2), "b": (WRONG, 8)})).score == 0.1


@pytest.mark.parametrize(
    "weights", [(0.1, 0.2), (1, 1, 1), (0.7, 0.1, 0.2), (1e-9, 3.3, 1e9), (1 / 3, 1 / 7)]
)
def test_full_marks_in_every_part_are_exactly_one(weights):
    verdict = ask(WeightedSum({str(i): (RIGHT, weight) for i, weight in enumerate(weights)}))
    assert (verdict.outcome, verdict.score) == (Outcome.CORRECT, 1.0)


def test_anything_less_stays_below_one_however_small_its_weight():
    verdict = ask(WeightedSum({"math": (RIGHT, 1e30), "format": (WRONG, 1e-30)}))
    assert (verdict.outcome, verdict.score) == (Outcome.INCORRECT, math.nextafter(1, 0))


def test_all_of_gives_everything_or_nothing():
    assert ask(AllOf({"a": RIGHT, "b": SHAPED})).score == 1.0
    assert ask(AllOf({"a": RIGHT, "b": PARTIAL})).score == 0.0


def test_a_gate_lets_the_other_speak_only_once_it_is_satisfied():
    asked = []
    then = FunctionVerifier(lambda task, completion: asked.append(1) or Verdict.wrong("half", score=0.5))
    assert ask(GateThen(SHAPED, then)).score == 0.5
    assert ask(GateThen(PARTIAL, then)).score == 0.0
    assert len(asked) == 1
    assert ask(GateThen(SHAPED, RIGHT)) == Verdict(
        outcome=Outcome.CORRECT, score=1.0, answer="42", parts={"gate": ask(SHAPED), "then": ask(RIGHT)}
    )


@pytest.mark.parametrize(
    "whole",
    [
        WeightedSum({"a": (RIGHT, 1), "b": (BROKEN, 0.001)}),
        AllOf({"a": RIGHT, "b": BROKEN}),
        AllOf({"a": WRONG, "b": BROKEN}),
        GateThen(BROKEN, RIGHT),
        GateThen(SHAPED, BROKEN),
    ],
)
def test_a_part_that_cannot_judge_leaves_the_whole_unscored(whole):
    verdict = ask(whole)
    assert (verdict.outcome, verdict.score) == (Outcome.UNSCORED, None)
    assert "ConnectionError: no sandbox" in verdict.detail


@pytest.mark.parametrize(
    ("parts", "outcome"),
    [
        ((SHAPED, MALFORMED), Outcome.MALFORMED),
        ((MALFORMED, MALFORMED), Outcome.MALFORMED),
        ((MALFORMED, RIGHT), Outcome.INCORRECT),
        ((MALFORMED, WRONG), Outcome.INCORRECT),
        ((MALFORMED, TIMEOUT), Outcome.TIMEOUT),
        ((RIGHT, TIMEOUT), Outcome.TIMEOUT),
        ((RIGHT, WRONG), Outcome.INCORRECT),
        ((RIGHT, SHAPED), Outcome.CORRECT),
    ],
)
def test_the_outcome_of_the_whole_follows_from_its_parts(parts, outcome):
    named = {str(i): part for i, part in enumerate(parts)}
    assert ask(AllOf(named)).outcome is outcome
    assert ask(WeightedSum({name: (part, 1) for name, part in named.items()})).outcome is outcome


def test_parts_are_kept_by_name_and_the_failing_ones_are_told():
    verdict = ask(AllOf({"format": SHAPED, "math": WRONG, "style": always(Verdict.wrong())}))
    assert list(verdict.parts) == ["format", "math", "style"]
    assert verdict.parts["math"] == ask(WRONG)
    assert verdict.detail == "math: is 41; style: incorrect"


def test_compositions_nest():
    inner = GateThen(SHAPED, WRONG)
    verdict = ask(WeightedSum({"inner": (inner, 1), "other": (RIGHT, 1)}))
    assert (verdict.score, verdict.parts["inner"].parts["then"].answer) == (0.5, "41")


def test_the_solution_of_a_composition_satisfies_every_part():
    tagged = {"math": Numeric("tag"), "format": TagFormat()}
    for whole in (
        AllOf(tagged),
        WeightedSum({name: (part, 1) for name, part in tagged.items()}),
        GateThen(TagFormat(), Numeric("tag")),
    ):
        assert whole.solution(TASK) == "<think>...</think>\n<answer>42</answer>"
    assert AllOf({"a": Exact("boxed"), "b": Exact("tag")}).solution(TASK) is None


def test_a_composition_keeps_the_verifier_contract():
    tidy = GateThen(TagFormat(), Numeric("tag"))
    check_verifier(WeightedSum({"tidy": (tidy, 1), "text": (Exact("tag"), 2)}), [TASK])


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_a_weight_must_be_positive(weight):
    with pytest.raises(ConfigError, match="the weight of 'a' must be a positive number"):
        WeightedSum({"a": (RIGHT, weight)})


def test_a_composition_needs_named_parts():
    for build in (lambda: AllOf({}), lambda: AllOf({"": RIGHT}), lambda: WeightedSum({})):
        with pytest.raises(ConfigError, match="at least one part, each with a name"):
            build()


def test_a_composition_checks_the_reference_with_every_part():
    usable, unusable = Task(prompt="?", reference="4"), Task(prompt="?", reference="four")
    parts = {"text": Exact("tag"), "number": Numeric("tag")}
    for whole in (
        AllOf(parts),
        WeightedSum({name: (part, 1) for name, part in parts.items()}),
        GateThen(Exact("tag"), Numeric("tag")),
    ):
        whole.check(usable)
        with pytest.raises(VerifierFault, match="expected a finite decimal number"):
            whole.check(unusable)
