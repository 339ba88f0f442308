"""A run whose held-out prompts stand among the training prompts does not begin."""

import json

import pytest
from rlvr_trainers.recipe import load_recipe
from rlvr_trainers.run.preflight import environments

from rlvr_gym.errors import ConfigError, DataError, KnownOverlap


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


def problems(tmp_path):
    """A set to train on and a benchmark of the same contest; no row is in both."""
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    rows = [{"problem": f"How much is {n} times 7?", "answer": str(7 * n), "solution": ""} for n in range(8)]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    test.write_text(json.dumps({"problem_idx": 1, "problem": "Find a divisor of 91.", "answer": 13}) + "\n")
    return load_recipe(
        "grpo",
        {
            "model": {"path": "tiny"},
            "env": {"id": "deepscaler", "data": str(train), "require_simplified": True},
            "batch": {"prompts": 4, "group_size": 2},
            "eval": {"env": {"id": "aime25", "data": str(test)}},
        },
    )


def test_a_run_on_a_set_that_is_known_to_hold_the_held_out_contest_says_so(tmp_path):
    with pytest.warns(
        KnownOverlap, match=r"'deepscaler' and the held-out 'aime25': both hold problems of AIME\."
    ):
        assert environments(problems(tmp_path))[1] is not None


def test_options_of_the_training_environment_are_not_those_of_another_that_is_held_out(tmp_path):
    held_out = problems(tmp_path).held_out
    assert held_out is not None
    assert held_out.options == {"data": str(tmp_path / "test.jsonl")}


def test_a_known_overlap_is_said_before_any_row_is_read(tmp_path):
    config = problems(tmp_path)
    (tmp_path / "train.jsonl").unlink()
    with (
        pytest.warns(KnownOverlap, match="both hold problems of AIME"),
        pytest.raises(DataError, match=r"train\.jsonl: No such file"),
    ):
        environments(config)
