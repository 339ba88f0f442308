"""No attack gets a wrong completion past a bundled environment, and no right one is refused."""

import pytest

import rlvr_gym as rg
from rlvr_gym.audit.report import Failure
from rlvr_gym.audit.runner import audit
from rlvr_gym.registry import options, short_name
from tests.rlvr_envs.code_rows import PUBLISHED, hurried
from tests.rlvr_envs.problem_rows import PROBLEMS

pytestmark = pytest.mark.long

REGISTERED = [short_name(id) for id in rg.list_environments() if id.startswith("rlvr/")]
FEWER_TURNS = {"repair": {"max_turns": 2}, "python-tool": {"max_turns": 2}}
ALIKE = PROBLEMS.keys() - {"aime24", "minerva", "olympiadbench", "gpqa"}
"""Sets of problems that are judged as one of these is, and audited among the slow tests."""
VARIANTS = [
    *((name, FEWER_TURNS.get(name, {})) for name in REGISTERED if name not in ALIKE),
    *(pytest.param(name, {}, marks=pytest.mark.slow) for name in sorted(ALIKE)),
    ("arithmetic", {"style": "symbols", "operations": "-*"}),
    ("countdown", {"style": "symbols", "numbers": 3}),
    ("search", {"reward": "f1", "protocol": "tags"}),
]


@pytest.mark.parametrize(("name", "chosen"), VARIANTS, ids=str)
def test_every_bundled_environment_stands_a_short_audit(
    name, chosen, published, write_rows, request, monkeypatch
):
    if "data" in options(name):
        chosen = {**chosen, "data": write_rows(published[name])}
    env = rg.make(name, **chosen)
    monkeypatch.setenv("RLVR_SANDBOX_SLOTS", "1")  # the judging process opens a sandbox of its own
    tasks, per_family = 2, 40
    if name in PUBLISHED:
        request.getfixturevalue("runs_programs")
        env.tasks = hurried(env.tasks)
        # All cheating programs once; the other environments run the same sandbox.
        tasks, per_family = 1, 40 if name == "humaneval" else 10
    report = audit(env, tasks=tasks, per_family=per_family)
    assert report.sound(strict=True), [example for family in report.families for example in family.examples]


def test_the_weak_verifier_of_the_demonstration_is_caught_by_lists_of_digits():
    report = audit(rg.make("hackable", verifier="weak"), tasks=2, per_family=40)
    assert not report.sound()
    caught = {family.name for family in report.families if Failure.FALSE_POSITIVE in family.failures}
    assert {"enumerations", "hedges", "thinking", "content without format"} <= caught
