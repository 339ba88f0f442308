from typing import Any

import pytest
from rlvr_trainers.algorithms.grpo import Grpo
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.loss_settings import PolicyGradientConfig

from rlvr_gym import ConfigError
from rlvr_gym.config import validate


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"surrogate": "cispo"}, "surrogate=cispo needs cispo_cap"),
        ({"cispo_cap": 2.0}, "cispo_cap has no meaning with surrogate=ppo"),
        ({"surrogate": "cispo", "cispo_cap": 2.0, "ratio": "sequence"}, "must be ratio=token"),
        ({"surrogate": "cispo", "cispo_cap": 2.0, "dual_clip": 3.0}, "leave dual_clip out"),
        ({"dual_clip": 1.0}, "greater than 1"),
        ({"kl_coefficient": 0.1, "kl_estimator": "k1"}, "expected gradient of zero"),
        ({"kl_coefficient": 0.1, "kl_place": "reward"}, "is not the gradient of any KL: use k1"),
        (
            {"kl_coefficient": 0.1, "kl_place": "reward", "kl_estimator": "k1"},
            "use advantage=leave_one_out or centred",
        ),
        ({"kl_coefficient": 0.1, "kl_place": "weighted_loss", "kl_estimator": "k2"}, "must be k3"),
        ({"advantage": "max_at_k"}, "needs at_k, how many samples the best is of"),
        ({"at_k": 4}, "at_k has no meaning with advantage=group_std"),
        ({"advantage": "max_at_k", "at_k": 0}, "at_k"),
        ({"clip_lo": 0.1}, "did you mean 'clip_low'?"),
        ({"clip_low": -0.1}, "clip_low"),
    ],
)
def test_a_combination_that_cannot_work_is_refused_with_what_would(settings: dict[str, Any], says: str):
    with pytest.raises(ConfigError) as error:
        validate(PolicyGradientConfig, settings)
    assert says in str(error.value)


def test_a_reference_is_needed_only_when_its_coefficient_is_not_zero():
    assert not PolicyGradientConfig().needs_reference
    assert PolicyGradientConfig(kl_coefficient=0.04).needs_reference


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"kind": "grpoo"}, "algorithm.kind: no 'grpoo'; possible: grpo, gspo, cispo, rloo, reinforce_pp"),
        ({"kind": "cispo"}, "algorithm: surrogate=cispo needs cispo_cap"),
        ({"kind": "gspo", "ratio": "token"}, "kind=gspo weighs sequences"),
        ({"kind": "rloo", "advantage": "centred"}, "kind=rloo leaves one out"),
        ({"kind": "reinforce_pp", "advantage": "group_std"}, "kind=reinforce_pp whitens"),
        ({"kind": "gspo", "clip_hgh": 0.1}, "algorithm.clip_hgh: no such setting; did you mean 'clip_high'?"),
        ({"clip_hgh": 0.1}, "algorithm.clip_hgh: no such setting; did you mean 'clip_high'?"),
    ],
)
def test_a_mistake_in_an_algorithm_is_named_by_the_path_that_was_written(settings: dict[str, Any], says: str):
    with pytest.raises(ConfigError) as error:
        validate(TrainConfig, {"model": {"path": "tiny"}, "env": {"id": "reverse"}, "algorithm": settings})
    assert says in str(error.value)


def test_each_kind_begins_with_its_own_paper_and_grpo_is_what_is_not_named():
    def algorithm(**settings: Any) -> PolicyGradientConfig:
        given = {"model": {"path": "tiny"}, "env": {"id": "reverse"}, "algorithm": settings}
        found = validate(TrainConfig, given).algorithm
        assert isinstance(found, PolicyGradientConfig)
        return found

    assert isinstance(algorithm(), Grpo)
    assert (algorithm().ratio, algorithm().clip_high) == ("token", 0.2)
    gspo = algorithm(kind="gspo")
    assert (gspo.ratio, gspo.clip_low, gspo.clip_high) == ("sequence", 3e-4, 4e-4)
    rloo = algorithm(kind="rloo")
    assert (rloo.advantage, rloo.aggregation, rloo.kl_place, rloo.clip_low) == (
        "leave_one_out",
        "constant",
        "reward",
        None,
    )
    assert algorithm(kind="cispo", cispo_cap=2.0).surrogate == "cispo"
    assert algorithm(kind="reinforce_pp").advantage == "whitened"
