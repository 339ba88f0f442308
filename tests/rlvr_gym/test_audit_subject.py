"""The audit's findings about a task: where its answer stands, what its verifier is made of, what is wrong."""

import pytest

import rlvr_gym as rg
from rlvr_gym.audit.families import FAMILIES
from rlvr_gym.audit.subject import Frame, Place, parts_of, subjects
from rlvr_gym.verifiers import AllOf, Exact, GateThen, Math, Numeric, TagFormat, WeightedSum


@pytest.mark.parametrize(
    ("solution", "place", "answer", "other"),
    [
        ("So \\boxed{46}.", Place.BOXED, "46", "So \\boxed{7}."),
        ("<think>46</think><answer>46</answer>", Place.TAG, "46", "<think>46</think><answer>7</answer>"),
        ("6 times 7\n#### 42", Place.HASHES, "42", "6 times 7\n#### 7"),
        ("Answer: B", Place.LINE, "B", "Answer: 7"),
        ("46", Place.WHOLE, "46", "7"),
        ("Here:\n```python\nprint(1)\n```", Place.FENCE, "print(1)", "Here:\n```python\n7\n```"),
    ],
)
def test_a_right_completion_shows_where_the_answer_stands(solution, place, answer, other):
    frame = Frame.of(solution)
    assert (frame.place, frame.answer) == (place, answer)
    assert frame.around(answer) == solution
    assert frame.around("7") == other


@pytest.mark.parametrize(
    ("solution", "reference", "answer", "other"),
    [
        ("The answer is 49.", 49, "49", "The answer is 7."),
        ("It takes -4.5 m", "-4.5", "-4.5", "It takes 7 m"),
        ("Paris", "Paris", "Paris", "7"),
        ("49 is 7 times 7, so 49", 49, "49 is 7 times 7, so 49", "7"),
        ("It is 4.5", 4, "It is 4.5", "7"),
        ("It is 149", 49, "It is 149", "7"),
        ("It is so", True, "It is so", "7"),
        ("It is so", "", "It is so", "7"),
    ],
)
def test_without_a_marker_the_reference_shows_where_the_answer_stands(solution, reference, answer, other):
    frame = Frame.of(solution, reference)
    assert (frame.place, frame.answer) == (Place.WHOLE, answer)
    assert frame.around("7") == other


def test_composed_verifiers_are_taken_apart():
    number, tags, text = Numeric("tag"), TagFormat(), Exact("tag")
    whole = GateThen(tags, WeightedSum({"both": (AllOf({"number": number, "text": text}), 1.0)}))
    assert list(parts_of(whole, rg.Task(prompt="?"))) == [tags, number, text]


def attacks(env, family, count=2):
    chosen = next(one for one in FAMILIES if one.name == family)
    return [attack for subject in subjects(env, env.tasks.take(count)) for attack in chosen.attacks(subject)]


def sums(references, verifier):
    tasks = [rg.Task(id=f"t{i}", prompt="?", reference=each) for i, each in enumerate(references)]
    return rg.Environment(rg.TaskSet.from_tasks(tasks, name="sums"), verifier)


def test_a_part_that_knows_the_answer_is_enough_to_attack_the_whole():
    steps = rg.verifiers.Steps(rg.verifiers.Equations())
    env = sums(["12", "7"], WeightedSum({"answer": (rg.verifiers.Math(), 0.8), "steps": (steps, 0.2)}))
    assert env.solution(env.tasks[0]) is None
    assert "\\boxed{13}" in {attack.text for attack in attacks(env, "near misses", 1)}
    assert "<think>\\boxed{12}</think>" in {attack.text for attack in attacks(env, "thinking", 1)}
    assert not attacks(env, "restated", 1)


def test_other_tasks_golds_are_drawn_so_that_they_differ_from_the_gold():
    env = sums(["2", "2.0", "\\frac{4}{2}", "3"], rg.verifiers.Math())
    texts = [attack.text for attack in attacks(env, "other tasks' golds", 4)]
    assert texts == ["\\boxed{3}"] * 3 + ["\\boxed{2}", "\\boxed{2.0}", "\\boxed{\\frac{4}{2}}"]


def test_near_misses_stay_outside_of_a_tolerance():
    exact = {attack.text for attack in attacks(sums(["100", "7"], Numeric("boxed")), "near misses", 1)}
    forgiving = {
        attack.text for attack in attacks(sums(["100", "7"], Numeric("boxed", absolute=1)), "near misses", 1)
    }
    assert {"\\boxed{101}", "\\boxed{99}", "\\boxed{100.5}", "\\boxed{10}"} <= exact
    assert not {"\\boxed{101}", "\\boxed{99}", "\\boxed{100.5}"} & forgiving
    assert "\\boxed{10}" in forgiving


def test_equivalent_forms_are_those_of_the_verifiers_own_policy():
    def forms(verifier):
        return {attack.text for attack in attacks(sums(["1200"], verifier), "restated")}

    assert "\\boxed{3600/3}" in forms(rg.verifiers.Math())
    assert "\\boxed{3600/3}" not in forms(Numeric("boxed"))
    assert "\\boxed{1,200}" in forms(Numeric("boxed"))
    assert "\\boxed{1,200}" not in forms(Exact("boxed"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_and_every_attack_says_what_it_tries(family):
    env = sums(["12", "7"], rg.verifiers.Math())
    assert family.about
    for attack in attacks(env, family.name):
        assert attack.tries
        assert "\n" not in attack.tries
        assert attack.family == family.name


def test_work_left_is_no_restatement_where_an_answer_must_be_simplified():
    def restated(verifier):
        return {attack.text for attack in attacks(sums(["25"], verifier), "restated")}

    left = restated(Math("boxed")) - restated(Math("boxed", require_simplified=True))
    assert left == {
        f"\\boxed{{{said}}}" for said in ("\\frac{50}{2}", "75/3", "24 + 1", "2500\\%", "\\frac{25}{1}")
    }


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("4.2, 7", False),
        ("7, 4.25", False),
        ("4.31, 7", True),
        ("4.2", True),
        ("x, 7", True),
        ("4.2, 7, 7", True),
    ],
)
def test_what_is_within_a_stated_tolerance_is_not_shown_to_be_wrong(answer, wrong):
    env = sums([{"answer": "4.2, 7", "tolerance": [0.1]}], Math("boxed"))
    (subject,) = subjects(env, env.tasks.take(1))
    assert subject.is_wrong(f"\\boxed{{{answer}}}", answer) is wrong
