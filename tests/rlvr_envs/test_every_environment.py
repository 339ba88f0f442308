import pytest

import rlvr_gym as rg
from rlvr_gym.environments.conformance import check_environment
from rlvr_gym.registry import options, short_name
from tests.rlvr_envs.code_rows import PUBLISHED, hurried

OURS = [id for id in rg.list_environments() if id.startswith("rlvr/")]
VARIANTS = [
    ("arithmetic", {"style": "symbols", "operations": "+-*", "digits": 3}),
    ("reverse", {"style": "symbols", "digits": 2}),
    ("reverse", {"reward": "per_digit"}),
    ("countdown", {"style": "symbols", "numbers": 3}),
    ("ambiguous", {"style": "symbols"}),
    ("hackable", {"style": "symbols", "digits": 2}),
    ("ifeval", {"mode": "loose", "score": "instruction"}),
    ("instructions", {"split": "test", "count": 3}),
    ("guess", {"high": 1000, "max_turns": 10}),
    ("humaneval", {"style": "continue"}),
    ("lookup", {"style": "symbols", "hops": 2}),
    ("search", {"reward": "f1", "protocol": "tags"}),
    *((short_name(id), {}) for id in OURS),
]


@pytest.mark.parametrize(("name", "chosen"), VARIANTS, ids=lambda value: str(value))
def test_every_registered_environment_keeps_its_contract(name, chosen, published, write_rows, request):
    if "data" in options(name):
        chosen = {**chosen, "data": write_rows(published[name])}
    env = rg.make(name, **chosen)
    if name in PUBLISHED:
        request.getfixturevalue("runs_programs")
        env.tasks = hurried(env.tasks)
    check_environment(env, seconds=30.0)  # with everything else that a machine may be doing


@pytest.mark.parametrize("id", OURS)
def test_every_registered_environment_has_a_card(id):
    card = rg.list_environments()[id]
    assert card is not None
    assert all([card.summary, card.source, card.licence, card.answer])


@pytest.mark.parametrize("id", OURS)
def test_a_card_tells_how_many_turns_there_are(id):
    data = {"data": "nowhere/at/all.jsonl"} if "data" in options(id) else {}
    env = rg.make(id, **data)
    assert env.card is not None
    assert env.card.turns == env.max_turns


@pytest.mark.parametrize("id", OURS)
def test_nothing_is_read_before_the_first_task_is_asked_for(id):
    data = {"data": "nowhere/at/all.jsonl"} if "data" in options(id) else {}
    env = rg.make(id, **data)
    if data:
        with pytest.raises(rg.DataError, match=r"cannot read tasks from nowhere/at/all\.jsonl"):
            env.reset(seed=0)


@pytest.mark.parametrize("id", [id for id in OURS if {"style", "seed"} <= options(id).keys()])
def test_symbols_are_short_lines_of_printable_ascii(id):
    for task in rg.make(id, style="symbols").tasks.take(20):
        assert task.text.isascii()
        assert task.text.isprintable()
        assert len(task.text) <= 20
        solution = rg.make(id, style="symbols").solution(task)
        assert solution is not None
        assert solution.isascii()
        assert solution.isprintable()
