"""Recipes: bundled ones, files of one's own, and what they extend."""

from pathlib import Path

import pytest
from rlvr_trainers.algorithms.grpo import TreeGrpo
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.loss_settings import PolicyGradientConfig
from rlvr_trainers.recipe import load_recipe, recipe_names

from rlvr_gym import ConfigError
from rlvr_gym.config import parse_overrides

NEEDED = parse_overrides(["model.path=tiny", "env.id=reverse"])
TAUGHT = {
    "distill": parse_overrides(["algorithm.teacher=tiny"]),
    "reward_model": parse_overrides(["data.path=pairs.jsonl"]),
    "prm": parse_overrides(["data.path=steps.jsonl"]),
}
"""Further needs of recipes that learn from another model, or from data alone."""


def weighed(config: TrainConfig) -> PolicyGradientConfig:
    """The settings of a policy update."""
    assert isinstance(config.algorithm, PolicyGradientConfig)
    return config.algorithm


@pytest.mark.parametrize("name", recipe_names())
def test_every_bundled_recipe_needs_models_an_environment_or_data_and_nothing_else(name: str) -> None:
    needed = NEEDED | TAUGHT.get(name, {})
    assert load_recipe(name, needed | {"env": {"id": "reverse", "digits": 2}}).env.id == "reverse"


def test_the_presets_are_those_that_the_papers_describe() -> None:
    loaded = {
        name: load_recipe(name, NEEDED | TAUGHT.get(name, {}))
        for name in recipe_names()
        if name not in ("quickstart", "addition", "hackable")
    }
    assert set(loaded) == {
        "cispo",
        "dapo",
        "distill",
        "dpo",
        "dr_grpo",
        "gspo",
        "grpo",
        "grpo_process",
        "grpo_r1",
        "gspo_token",
        "mtp",
        "online_dpo",
        "pass_at_k",
        "ppo",
        "prm",
        "reinforce_pp",
        "reinforce_pp_baseline",
        "reward_model",
        "rft",
        "rloo",
        "sft",
        "tree_grpo",
    }
    grpo, r1, dapo = loaded["grpo"], loaded["grpo_r1"], loaded["dapo"]
    assert (grpo.batch.group_size, weighed(grpo).kl_coefficient, grpo.batch.updates) == (64, 0.04, 1)
    assert (r1.batch.group_size, weighed(r1).clip_high, r1.optimizer.learning_rate) == (16, 10.0, 3e-6)
    assert (weighed(dapo).clip_low, weighed(dapo).clip_high) == (0.2, 0.28)
    assert (dapo.reward.right, dapo.reward.wrong, dapo.optimizer.warmup_steps) == (1, -1, 20)
    assert dapo.dynamic_sampling is not None
    assert dapo.overlong.penalty_share == 0.2
    assert (weighed(loaded["dr_grpo"]).advantage, weighed(loaded["dr_grpo"]).aggregation) == (
        "centred",
        "constant",
    )
    assert loaded["grpo_process"].reward.steps == "alone"
    best = weighed(loaded["pass_at_k"])
    assert (best.advantage, best.at_k, best.aggregation) == ("max_at_k", 4, "constant")
    assert (weighed(loaded["cispo"]).surrogate, weighed(loaded["cispo"]).cispo_cap) == ("cispo", 5.0)
    whitened = weighed(loaded["reinforce_pp_baseline"])
    assert (whitened.advantage, whitened.kl_estimator, whitened.kl_place) == ("whitened", "k2", "loss")
    gspo = loaded["gspo"]
    assert weighed(loaded["gspo_token"]) == weighed(gspo).model_copy(update={"ratio": "sequence_token"})
    assert (weighed(gspo).ratio, weighed(gspo).clip_low, weighed(gspo).clip_high) == (
        "sequence",
        3e-4,
        4e-4,
    )
    tree, grown = loaded["tree_grpo"], loaded["tree_grpo"].algorithm
    assert isinstance(grown, TreeGrpo)
    assert (grown.trees, grown.branches, grown.rounds, grown.keep, grown.fork) == (2, 2, 1, 3, "turns")
    assert (tree.batch.group_size, grown.kl_coefficient, grown.kl_estimator) == (6, 0.001, "k3")
    assert (weighed(loaded["rloo"]).advantage, weighed(loaded["rloo"]).kl_place) == (
        "leave_one_out",
        "reward",
    )


def test_a_recipe_of_ones_own_holds_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "extends: dapo\nbatch: {prompts: 8}\noptimizer: {learning_rate: 1e-5}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "extends: base.yaml\nmodel: {path: tiny}\nenv: {id: reverse, digits: 3}\ndynamic_sampling: null\n"
    )
    mine = load_recipe(str(tmp_path / "mine.yaml"), parse_overrides(["batch.prompts=4"]))
    assert (mine.batch.prompts, mine.batch.group_size, mine.batch.minibatches) == (4, 16, 4)
    assert mine.optimizer.learning_rate == 1e-5
    assert mine.dynamic_sampling is None
    assert weighed(mine).clip_high == 0.28


def test_recipes_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("extends: ./a.yaml\n")
    with pytest.raises(ConfigError, match=r"in a circle: .*a\.yaml > .*b\.yaml > .*a\.yaml"):
        load_recipe(str(tmp_path / "a.yaml"))


def test_a_missing_or_unreadable_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recipe file .*none\.yaml"):
        load_recipe(str(tmp_path / "none.yaml"))
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match=r"list\.yaml must hold a mapping"):
        load_recipe(str(tmp_path / "list.yaml"))
    (tmp_path / "odd.yaml").write_text("extends: dappo\n")
    with pytest.raises(ConfigError, match=r"no recipe 'dappo'; did you mean 'dapo'\?"):
        load_recipe(str(tmp_path / "odd.yaml"))


def test_every_wrong_field_is_listed_at_once() -> None:
    wrong = parse_overrides(["model.pth=x", "env.id=reverse", "batch.prompts=0", "run.keep=many"])
    with pytest.raises(ConfigError) as refusal:
        load_recipe("grpo", wrong)
    said = str(refusal.value)
    for path in ("model.path", "model.pth", "batch.prompts", "run.keep"):
        assert f"  {path}: " in said
