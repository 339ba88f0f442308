import pytest

import rlvr_gym as rg
from rlvr_gym.evaluation import Tally, estimate, summarize, wrong_answers
from rlvr_gym.evaluation.statistics.tallies import maj_measure, pass_measure
from tests.rlvr_gym.scripted import ScriptedGenerator, echo_env

SAMPLING = rg.SamplingParams(max_tokens=16)


def evaluate(verifier: rg.Verifier, said: list[str], reference: str = "7", **options) -> rg.EvaluationResult:
    task = rg.Task(id="t", prompt="What is it?", reference=reference)
    env = rg.Environment(rg.TaskSet.from_tasks([task], name="one"), verifier)
    generator = ScriptedGenerator(lambda prompt, sample: said[sample])
    return rg.evaluate(env, generator, n=len(said), sampling=SAMPLING, majority=True, **options)


def sizes(verifier: rg.Verifier, said: list[str]) -> tuple[int, ...]:
    result = evaluate(verifier, said)
    task = rg.Task(id="t", prompt="What is it?", reference="7")
    return wrong_answers(verifier, {"t": task}, result.samples)["t"]


def test_wrong_answers_are_the_same_by_the_verifiers_equivalence_and_not_as_strings():
    numeric = rg.verifiers.Numeric("boxed")
    said = ["\\boxed{1,000}", "\\boxed{1000.0}", "\\boxed{1e3}", "\\boxed{8}", "\\boxed{7.0}", "nothing"]
    assert sizes(numeric, said) == (3, 1)
    assert sizes(rg.verifiers.Exact("boxed"), said[:3]) == (1, 1, 1)


def test_fractions_and_decimals_vote_together_under_the_math_verifier():
    said = ["\\boxed{\\frac12}", "\\boxed{0.5}", "\\boxed{1/2}", "\\boxed{7}", "\\boxed{7}", "\\boxed{x}"]
    result = evaluate(rg.verifiers.Math(), said, k=(1, 6))
    # three halves beat two sevens among all six; as strings the sevens would win
    assert result.maj_at_k[6].value == 0.0
    assert result.maj_at_k[1].value == pytest.approx(1 / 3)


def test_answers_that_a_pattern_reads_differently_each_way_are_not_the_same():
    pattern = rg.verifiers.Regex("boxed")
    assert sizes(pattern, ["\\boxed{a.c}", "\\boxed{abc}", "\\boxed{a.c}"]) == (2, 1)


def test_no_answer_never_wins_over_an_answer():
    said = ["nothing", "nothing", "nothing", "\\boxed{7}"]
    result = evaluate(rg.verifiers.Numeric("boxed"), said, k=(1, 4))
    assert result.maj_at_k[4].value == 1.0
    assert result.maj_at_k[1].value == 0.25


def test_a_verifier_that_names_no_answer_lets_whole_completions_vote():
    verifier = rg.FunctionVerifier(lambda task, completion: completion.text == task.reference)
    assert sizes(verifier, ["5", "5 ", "6", "7"]) == (2, 1)


def test_the_majority_is_not_asked_for_unless_wanted_and_stands_in_the_summary():
    plain = rg.evaluate(echo_env(1), ScriptedGenerator(lambda p, s: "no"), n=2, sampling=SAMPLING)
    assert plain.maj_at_k == {}
    voted = evaluate(rg.verifiers.Numeric("boxed"), ["\\boxed{7}"] * 3, k=(1, 3))
    assert voted.to_json()["maj_at_k"]["3"]["value"] == 1.0
    with pytest.raises(rg.ConfigError, match="needs to know which wrong answers are the same"):
        estimate([Tally(task="t", scores=(0.0,), correct=0)], maj_measure, 1)


def test_unscored_samples_bound_the_majority_from_both_sides():
    tally = Tally(task="t", scores=(1.0, 1.0, 0.0), correct=2, unscored=2, wrong_answers=(1,))
    three = estimate([tally], maj_measure, 3)
    assert three.value == 1.0
    # at worst three agree on the wrong answer against two right ones, at best four are right against one
    worst = estimate(
        [Tally(task="t", scores=(1.0, 1.0, 0.0, 0.0, 0.0), correct=2, wrong_answers=(3,))], maj_measure, 3
    )
    assert three.at_least == worst.value == pytest.approx(0.3)
    assert three.at_most == 1.0


def test_best_of_k_goes_by_score_where_credit_is_partial():
    def credit(task: rg.Task, completion: rg.Completion) -> rg.Verdict:
        return rg.Verdict.wrong(score=float(completion.text))

    env = rg.Environment(
        rg.TaskSet.from_tasks([rg.Task(id="t", prompt="p")], name="one"), rg.FunctionVerifier(credit)
    )
    said = ["0.5", "0.2", "0.8"]
    result = rg.evaluate(env, ScriptedGenerator(lambda p, s: said[s]), n=3, k=(1, 2, 3), sampling=SAMPLING)
    assert [result.best_at_k[k].value for k in (1, 2, 3)] == pytest.approx([0.5, 0.7, 0.8])
    assert [result.pass_at_k[k].value for k in (1, 2, 3)] == [0.0, 0.0, 0.0]


def test_an_estimator_of_ones_own_takes_the_same_road():
    tallies = [Tally(task=str(i), scores=(1.0, 0.0), correct=1) for i in range(10)]
    assert estimate(tallies, pass_measure, 2).value == 1.0
    assert estimate(tallies, lambda tally, k: tally.correct / tally.n / 2, 1).value == 0.25
    with pytest.raises(rg.ConfigError, match="no problem has 3 samples"):
        estimate(tallies, pass_measure, 3)


def test_summaries_of_stored_samples_take_the_votes_along():
    result = evaluate(rg.verifiers.Numeric("boxed"), ["\\boxed{7}", "\\boxed{8}"], k=(1, 2))
    task = rg.Task(id="t", prompt="What is it?", reference="7")
    votes = wrong_answers(rg.verifiers.Numeric("boxed"), {"t": task}, result.samples)
    assert summarize(result.samples, k=(1, 2), wrong_answers=votes).maj_at_k == result.maj_at_k
