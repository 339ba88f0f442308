"""A run whose held-out prompts stand among the training prompts does not begin."""

import json

import pytest
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.preflight import environments

from rlvr_gym.errors import ConfigError


def write(path, numbers):
    rows = (
        {
            "prompt": f"What is {n} times 7? Put it in \\boxed{{}}.",
            "answer": str(7 * n),
            "id": f"{path.stem}-{n}",
        }
        for n in numbers
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def settings(train, held_out, **more):
    return load_recipe(
        "grpo",
        {
            "model": {"path": "tiny"},
            "env": {"id": "jsonl", "data": train},
            "batch": {"prompts": 4, "group_size": 2},
            "eval": {"env": {"data": held_out}, **more},
        },
    )


def test_a_run_that_holds_out_training_prompts_is_refused(tmp_path):
    train, held_out = write(tmp_path / "a.jsonl", range(20)), write(tmp_path / "b.jsonl", range(18, 30))
    with pytest.raises(
        ConfigError, match=r"of 12 prompts .* 2 stand word for word .* eval\.allow_overlap=true"
    ):
        environments(settings(train, held_out))


def test_a_run_may_be_allowed_to_hold_out_training_prompts(tmp_path):
    train, held_out = write(tmp_path / "a.jsonl", range(20)), write(tmp_path / "b.jsonl", range(18, 30))
    assert environments(settings(train, held_out, allow_overlap=True))[1] is not None


def test_a_run_on_apart_sets_begins(tmp_path):
    train, held_out = write(tmp_path / "a.jsonl", range(20)), write(tmp_path / "b.jsonl", range(20, 30))
    assert environments(settings(train, held_out))[1] is not None


def test_splits_of_one_procedural_set_are_disjoint_whatever_their_prompts_say():
    config = load_recipe("grpo", {"model": {"path": "tiny"}, "env": {"id": "guess"}, "eval": {"every": 5}})
    assert environments(config)[1] is not None
