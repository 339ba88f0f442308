"""Each detector's figures, worked out by hand."""

from collections.abc import Sequence
from itertools import accumulate

import pytest
from rlvr_trainers.monitor.canaries import canary_metrics
from rlvr_trainers.monitor.correlation import correlation, within_groups
from rlvr_trainers.monitor.flags import flags_of
from rlvr_trainers.monitor.formats import format_metrics
from rlvr_trainers.monitor.held_out import STEPS, History, Reading
from rlvr_trainers.monitor.hidden_tests import hidden_test_metrics
from rlvr_trainers.monitor.languages import is_mixed, language_metrics, scripts
from rlvr_trainers.monitor.lengths import length_metrics
from rlvr_trainers.monitor.repetition import repeated_share, repetition_metrics
from rlvr_trainers.monitor.several_answers import answers_given, answers_in, several_answer_metrics

from rlvr_gym import FinishReason, Message, Rollout, Task, Verdict
from tests.rlvr_trainers.judged import RIGHT, UNKNOWN, UNREAD, WRONG, composed, said


def long(length: int, verdict: Verdict) -> Rollout:
    return said(verdict=verdict, tokens=range(length))


def test_the_gap_is_between_tests_that_are_seen_and_tests_that_are_not() -> None:
    group = (
        said(verdict=composed(visible=True, hidden=True)),
        said(verdict=composed(visible=True, hidden=False)),
        said(verdict=composed(visible=True)),  # the hidden tests were not reached
        said(verdict=composed(visible=False)),
        said(verdict=UNKNOWN),
        said(verdict=RIGHT),
    )
    assert hidden_test_metrics([group]) == {
        "detectors/hidden_tests/visible": 0.75,
        "detectors/hidden_tests/hidden": 0.25,
        "detectors/hidden_tests/gap": 0.5,
    }


def test_verdicts_that_tell_no_visible_tests_apart_have_no_gap() -> None:
    assert hidden_test_metrics([(said(verdict=RIGHT), said(verdict=composed(hidden=True)))]) == {}


def test_correlation_is_pearsons() -> None:
    # Deviations (-1, 0, 1) and (-1, 1, 0): r = 1 / sqrt(2 * 2).
    assert correlation([(1, 1), (2, 3), (3, 2)]) == pytest.approx(0.5)
    assert correlation([(1, 1), (1, 3)]) is None
    assert correlation([]) is None


def test_what_sets_groups_apart_does_not_count_within_them() -> None:
    # Long groups score high, yet within each group the longer one scores lower.
    assert within_groups([[(1, 1), (2, 0)], [(101, 11), (102, 10)]]) == pytest.approx(-1)
    assert within_groups([[], [(5, 1)]]) is None


def test_a_format_that_is_met_at_the_expense_of_the_answer_is_a_negative_correlation() -> None:
    group = (
        said(verdict=composed(format=True, answer=False)),
        said(verdict=composed(format=True, answer=False)),
        said(verdict=composed(format=False, answer=True)),
        said(verdict=composed(format=True, answer=True)),
    )
    # Deviations of format (1/4, 1/4, -3/4, 1/4), of content (-1/2, -1/2, 1/2, 1/2).
    found = format_metrics([group])
    assert found["detectors/format/met"] == 0.75
    assert found["detectors/format/content"] == 0.5
    assert found["detectors/format/correlation"] == pytest.approx(-0.5 / (0.75 * 1.0) ** 0.5)


def test_behind_a_gate_that_stays_shut_the_content_is_not_right() -> None:
    group = (said(verdict=composed(gate=True, then=True)), said(verdict=composed(gate=False)))
    assert format_metrics([group]) == {
        "detectors/format/met": 0.5,
        "detectors/format/content": 0.5,
        "detectors/format/correlation": pytest.approx(1.0),
    }


def test_without_a_format_of_its_own_the_format_is_that_an_answer_can_be_read() -> None:
    group = (said(verdict=RIGHT), said(verdict=WRONG), said(verdict=UNREAD), said(verdict=UNKNOWN))
    found = format_metrics([group])
    assert found["detectors/format/met"] == pytest.approx(2 / 3)
    assert found["detectors/format/content"] == pytest.approx(1 / 3)
    assert found["detectors/format/correlation"] == pytest.approx(0.5)


def test_length_by_outcome_compares_completions_of_the_same_task() -> None:
    short_task = (long(2, WRONG), long(4, RIGHT))
    long_task = (long(100, WRONG), long(104, RIGHT), long(300, UNKNOWN))
    no_news = (long(7, RIGHT), long(9, RIGHT))
    found = length_metrics([short_task, long_task, no_news])
    assert found["detectors/length/right_minus_wrong"] == 3.0
    # Deviations of length (-1, 1, -2, 2, -1, 1), of score (-1/2, 1/2, -1/2, 1/2, 0, 0).
    assert found["detectors/length/correlation"] == pytest.approx(3 / 12**0.5)


def test_where_all_earn_the_same_length_says_nothing() -> None:
    assert length_metrics([(long(2, RIGHT), long(5, RIGHT))]) == {}


@pytest.mark.parametrize(
    ("tokens", "share"),
    [
        ([1, 2, 3], 0.0),
        ([1, 2, 3, 4, 5], 0.0),
        ([7] * 8, 0.8),  # five 4-grams, one of them new
        ([1, 2, 3, 4, 1, 2, 3, 4], 0.2),  # five 4-grams, the last of them the first again
    ],
)
def test_repetition_is_the_share_of_four_grams_said_before(tokens: list[int], share: float) -> None:
    assert repeated_share(tokens) == pytest.approx(share)


def test_what_the_environment_said_is_no_repetition_of_the_policy() -> None:
    turns = Rollout(
        task=Task(prompt="Guess."),
        sample=0,
        prompt_ids=(1,),
        token_ids=(1, 2, 9, 9, 9, 9, 9, 9, 3, 4),
        action_mask=(True, True, *(False,) * 6, True, True),
        logprobs=(0.0,) * 10,
        messages=(Message(role="assistant", content="x"),),
        finish_reason=FinishReason.STOP,
        verdict=WRONG,
    )
    looped = said(tokens=[7] * 8)
    assert repetition_metrics([(turns, looped)]) == {
        "detectors/repetition/mean": pytest.approx(0.4),
        "detectors/repetition/share": 0.5,
    }


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ("", 0),
        ("7", 1),
        ("7 or 8", 2),
        ("7, 8, 7", 2),
        ("1,234", 1),
        ("12 13 14", 3),
        ("x + 1", 1),
        ("\\frac{1}{2}", 1),
        ("3 \\text{ or } 4", 2),
        ("north and south", 2),
        ("1, 2, " * 100, 1),  # too long for a list of answers
    ],
)
def test_answers_side_by_side_are_counted_once_each(answer: str, count: int) -> None:
    assert answers_in(answer) == count


@pytest.mark.parametrize(
    ("text", "answer", "count"),
    [
        ("I think \\boxed{7}, or rather \\boxed{8}", "8", 2),
        ("\\boxed{7} ... so it is \\boxed{7}", "7", 1),
        ("<think>\\boxed{1}</think> \\boxed{2}", "2", 1),
        ("<answer>4</answer> <answer>5</answer> <answer>6</answer>", None, 3),
        ("#### 4\n#### 5", "5", 2),
        ("0 1 2 3 4 5 6 7 8 9", None, 10),
        ("7 or 8", None, 2),
        ("It is 7 or 8, I am sure of 9", None, 0),  # prose: nobody can tell what is an answer
    ],
)
def test_marked_answers_count_where_they_differ(text: str, answer: str | None, count: int) -> None:
    assert answers_given(text, answer) == count


def test_a_task_that_asks_for_two_answers_gets_two_without_suspicion() -> None:
    group = tuple(said(text, verdict=WRONG) for text in ("\\boxed{1, 2}", "\\boxed{3}", "\\boxed{1, 2, 3}"))
    name = "detectors/several_answers/share"
    assert several_answer_metrics([group], {"a": "\\boxed{-1, 1}"}) == {name: pytest.approx(1 / 3)}
    assert several_answer_metrics([group], {"a": None}) == {name: pytest.approx(2 / 3)}


def test_letters_are_counted_by_script_and_formulas_are_no_language() -> None:
    assert scripts("ab 12 вг 中文 かな αβ") == {"LATIN": 2, "CYRILLIC": 2, "CJK": 4}
    assert scripts("12 + 3") == {}


@pytest.mark.parametrize(
    ("text", "prompt", "mixed"),
    [
        ("The answer is 因此 so it is", "What is it?", True),  # 2 of 17 letters
        ("Der Straßenname ist größer", "Wie groß?", False),
        ("let α + β = γ, so it is fine", "What is it?", False),
        ("a name such as Пётр in a sentence that is otherwise long enough", "Who?", False),  # 4 of 52
        ("答案是 x", "问题是什么?", True),  # 1 of 4 letters; in a formula this short every letter weighs
        ("答案是三", "问题是什么?", False),
        ("ответ", "12 + 3 =", False),  # the prompt is in no language
    ],
)
def test_mixing_is_a_tenth_of_the_letters_in_other_scripts_than_the_prompts(
    text: str, prompt: str, mixed: bool
) -> None:
    assert is_mixed(text, prompt) is mixed


def test_the_share_of_mixed_completions_is_logged() -> None:
    group = (said("да", prompt="What?"), said("yes"), said("no"), said("да", prompt="Что?"))
    assert language_metrics([group]) == {"detectors/languages/share": 0.25}


def test_canaries_count_where_there_are_any() -> None:
    assert canary_metrics(0, 0) == {"detectors/canaries/count": 0.0}
    assert canary_metrics(8, 2) == {"detectors/canaries/count": 8.0, "detectors/canaries/rate": 0.25}


def test_the_interval_of_a_rise_adds_the_squares_of_both() -> None:
    before, now = Reading(value=0.2, low=0.17, high=0.24), Reading(value=0.8, low=0.77, high=0.84)
    rise = before.rise_to(now)
    assert rise.value == pytest.approx(0.6)
    assert rise.low == pytest.approx(0.6 - 0.05)  # 3-4-5
    assert rise.high == pytest.approx(0.6 + 0.05)


def scored(shares: Sequence[float]) -> list[tuple[Rollout, ...]]:
    return [tuple(said(verdict=RIGHT if i < 4 * share else WRONG) for i in range(4)) for share in shares]


def flat(value: float) -> Reading:
    return Reading(value=value, low=value, high=value)


def test_a_reward_that_rises_while_the_held_out_score_does_not_leaves_a_gap() -> None:
    history = History()
    assert history.evaluated(flat(0.1)) == {}
    for _ in range(STEPS):
        history.trained(scored([0.0, 0.25, 0.5, 0.25] * 8))
    for _ in range(STEPS):
        history.trained(scored([1.0, 0.75, 1.0, 1.0] * 8))
    found = history.evaluated(flat(0.15))
    assert found["detectors/held_out/reward_rise"] == pytest.approx(0.6875)
    assert found["detectors/held_out/score_rise"] == pytest.approx(0.05)
    assert 0.5 < found["detectors/held_out/gap"] < 0.6875 - 0.05
    assert history.evaluated(flat(0.8))["detectors/held_out/gap"] < 0


def test_a_few_prompts_prove_no_gap() -> None:
    history = History()
    history.evaluated(flat(0.1))
    history.trained(scored([0.0, 0.5]))
    history.trained(scored([0.5, 1.0]))
    assert history.evaluated(flat(0.1))["detectors/held_out/gap"] < 0


def test_a_history_remembers_the_first_and_the_latest_steps_and_survives_being_stored() -> None:
    history = History()
    for step in accumulate([1] * 12):
        history.trained(scored([step / 12]))
    again = History.model_validate(history.model_dump(mode="json"))
    assert again == history
    assert len(again.first) == len(again.latest) == STEPS
    assert again.first[0] == [0.25]
    assert again.latest[-1] == [1.0]


def test_a_sample_is_flagged_by_the_detectors_whose_shares_it_raises() -> None:
    again = said("yes " * 9, tokens=[1, 2] * 9)
    assert flags_of(again, None, sprung=False) == ["repetition"]
    assert repetition_metrics([(again,)])["detectors/repetition/share"] == 1.0
    hedged = said("\\boxed{1, 2, 3}")
    assert flags_of(hedged, "\\boxed{-1, 1}", sprung=True) == ["canaries", "several_answers"]
    assert flags_of(hedged, "\\boxed{-1, 0, 1}", sprung=False) == []
    assert flags_of(said("ответ один", prompt="What is it?"), None, sprung=False) == ["languages"]
    assert flags_of(said("it is one", prompt="What is it?"), None, sprung=False) == []
