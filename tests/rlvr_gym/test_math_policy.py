"""Two thousand answers to accept and as many to refuse, that the verifier was not written for."""

from itertools import groupby

import pytest

from rlvr_gym import Completion, Task
from rlvr_gym.verifiers import Math, judge
from tests.rlvr_gym.math_policy import Case, cases

KINDS = {kind: list(of_kind) for kind, of_kind in groupby(cases(), key=lambda case: case.kind)}


def judged_otherwise(case: Case) -> str | None:
    """Describe the verdict on a case if it is not the expected one, else return None."""
    said = judge(Math(case.contract), Task(prompt="?", reference=case.gold), Completion(text=case.completion))
    if said.correct == case.right and said.scored:
        return None
    return f"{case.gold!r} and {case.completion!r} are {said.outcome}: {said.detail}"


def test_there_are_hundreds_to_accept_and_hundreds_to_refuse_and_none_twice():
    every = list(cases())
    assert sum(case.right for case in every) >= 2000
    assert sum(not case.right for case in every) >= 2000
    assert len({case[1:4] for case in every}) == len(every)


@pytest.mark.parametrize("kind", KINDS)
def test_the_policy_holds_where_nobody_looked(kind: str):
    assert [wrong for case in KINDS[kind] if (wrong := judged_otherwise(case))] == []
