"""Parts of a run's settings that do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlvr_trainers.algorithms.distillation.settings import Distill
from rlvr_trainers.algorithms.grpo import TreeGrpo
from rlvr_trainers.algorithms.ppo import Ppo
from rlvr_trainers.algorithms.process_reward_model.settings import ProcessRewardModelling
from rlvr_trainers.algorithms.reward_model.settings import RewardModelling
from rlvr_trainers.algorithms.sft import Sft
from rlvr_trainers.loss_settings import PolicyGradientConfig

if TYPE_CHECKING:
    from rlvr_trainers.config import TrainConfig

NOTHING_TO_JUDGE_BY = {
    "reward_model": "algorithm.kind=reward_model needs pairs: of data (data.path=FILE), or stored samples "
    "(data.runs=[FOLDER])",
    "process_reward_model": "algorithm.kind=process_reward_model needs labelled steps: of data (data.path=FILE), or "
    "of stored samples whose verdicts have steps (data.runs=[FOLDER])",
}
"""The complaint of an algorithm that trains a model to judge and is given no data."""


def refuse_misfits(config: TrainConfig) -> None:
    """Raise ValueError where parts of a run do not go together: shards, nodes, and the models of its algorithm."""
    algorithm = config.algorithm
    _shards_have_their_place(config)
    _nodes_have_their_place(config)
    match algorithm:
        case TreeGrpo():
            _group_is_all_leaves(config, algorithm)
        case Ppo():
            _critic_has_its_place(config, algorithm)
        case Distill():
            _teacher_has_its_place(config, algorithm)
        case RewardModelling() | ProcessRewardModelling():
            _judging_is_learned_from_data(config)
        case _:
            pass
    if isinstance(algorithm, PolicyGradientConfig):
        _group_holds_k(config, algorithm)
    if isinstance(algorithm, Sft) and algorithm.multi_token_weight and config.mesh.shard > 1:
        raise ValueError(
            f"mesh.shard={config.mesh.shard} splits the policy alone, and algorithm.multi_token_weight trains a module "
            "on it too: use processes without shards"
        )
    if config.reward.steps != "off":
        _steps_have_a_meaning(config)


def _shards_have_their_place(config: TrainConfig) -> None:
    if config.mesh.shard == 1:
        return
    if config.generator.engine == "vllm":
        raise ValueError(
            f"mesh.shard={config.mesh.shard} needs an engine beside the processes that hold the shards: "
            "generator.engine=vllm would start within them; use vllm_servers, or transformers"
        )
    if config.model.weights_dtype == "bfloat16":
        raise ValueError(
            f"model.weights_dtype=bfloat16 would sum gradients over the {config.mesh.shard} processes of mesh.shard "
            "in bfloat16: keep weights in float32, of which each process holds only its part"
        )
    if config.model.compile:
        raise ValueError(
            f"model.compile compiles whole layers, and mesh.shard={config.mesh.shard} splits their weights: choose "
            "one of them"
        )


def _group_is_all_leaves(config: TrainConfig, algorithm: TreeGrpo) -> None:
    leaves = algorithm.trees * algorithm.kept
    if config.batch.group_size != leaves:
        raise ValueError(
            f"batch.group_size is {config.batch.group_size}, and algorithm.kind=tree_grpo keeps algorithm.trees x "
            f"algorithm.keep = {algorithm.trees} x {algorithm.kept} = {leaves} samples of a prompt: give {leaves}"
        )


def _group_holds_k(config: TrainConfig, algorithm: PolicyGradientConfig) -> None:
    if algorithm.at_k is not None and config.batch.group_size < algorithm.at_k:
        raise ValueError(
            f"batch.group_size is {config.batch.group_size}, and algorithm.at_k={algorithm.at_k} is of the best of "
            f"that many samples of a prompt: give at least {algorithm.at_k}, better twice as many"
        )


def _nodes_have_their_place(config: TrainConfig) -> None:
    if config.rollouts.ray is None:
        return
    asked = f"rollouts.ray={config.rollouts.ray}"
    if config.mesh.shard > 1:
        raise ValueError(
            f"{asked} takes weights from one process, and mesh.shard={config.mesh.shard} splits them: use "
            "generator.engine=vllm_servers without rollouts.ray, or a model in one piece"
        )
    if config.generator.engine == "vllm_servers":
        raise ValueError(
            f"{asked} starts the samplers itself, and generator.engine=vllm_servers has servers of its own: leave "
            "out rollouts.ray, or take generator.engine=transformers or vllm"
        )
    if config.generator.draft is not None:
        raise ValueError(f"{asked} takes no draft to its nodes: leave out generator.draft")
    if not config.samples and config.eval is None:
        raise ValueError(
            f"nothing is sampled by algorithm.kind={config.algorithm.kind} here: leave out {asked}"
        )


def _critic_has_its_place(config: TrainConfig, algorithm: Ppo) -> None:
    if config.buffer.max_staleness:
        raise ValueError(
            "buffer.max_staleness lets samples of older weights in, which algorithm.kind=ppo does not correct for: "
            "leave it at 0"
        )
    if config.batch.microbatch_tokens == "auto" and algorithm.critic != "none":
        raise ValueError(
            "batch.microbatch_tokens=auto measures the policy alone, and algorithm.kind=ppo trains a critic: give "
            "a number of tokens, such as 16384"
        )
    if config.dynamic_sampling is not None:
        raise ValueError(
            "dynamic_sampling replaces groups whose samples all earned the same, and algorithm.kind=ppo learns "
            "from those too: leave it out"
        )


def _teacher_has_its_place(config: TrainConfig, algorithm: Distill) -> None:
    if config.batch.microbatch_tokens == "auto":
        raise ValueError(
            "batch.microbatch_tokens=auto measures the policy alone, and algorithm.kind=distill computes with a "
            "teacher too: give a number of tokens, such as 16384"
        )
    if config.dynamic_sampling is not None:
        raise ValueError(
            "dynamic_sampling replaces groups whose samples all earned the same, and algorithm.kind=distill "
            "learns from those too: leave it out"
        )
    if config.overlong.penalty_share is not None:
        raise ValueError(
            "overlong.penalty_share changes rewards, and algorithm.kind=distill learns from a teacher alone: "
            "leave it out"
        )
    if config.buffer.max_staleness and algorithm.vocabulary == "sampled":
        raise ValueError(
            "buffer.max_staleness lets samples of older weights in, and algorithm.vocabulary=sampled estimates a "
            "divergence from samples of these: leave it at 0, or set algorithm.vocabulary=full"
        )


def _judging_is_learned_from_data(config: TrainConfig) -> None:
    kind = config.algorithm.kind
    if config.data is None or config.data.named is None:
        raise ValueError(NOTHING_TO_JUDGE_BY[kind])
    if config.eval is not None:
        raise ValueError(
            "eval samples from the model, and a reward model says nothing: leave it out (eval=null), and measure "
            "it on data (algorithm.held_out=FILE)"
        )


def _steps_have_a_meaning(config: TrainConfig) -> None:
    asked, algorithm = f"reward.steps={config.reward.steps}", config.algorithm
    if not isinstance(algorithm, PolicyGradientConfig):
        raise ValueError(f"{asked} has no meaning with algorithm.kind={algorithm.kind}: leave it out")
    if algorithm.advantage not in ("group_std", "centred"):
        raise ValueError(
            f"{asked} normalises rewards within the group: algorithm.advantage={algorithm.advantage} must be "
            "group_std or centred"
        )
    if algorithm.ratio == "sequence":
        raise ValueError(
            f"{asked} tells tokens apart, and algorithm.ratio=sequence does not: use token or sequence_token"
        )
    if config.reward.steps == "alone" and (
        config.overlong.penalty_share is not None or algorithm.kl_place == "reward"
    ):
        raise ValueError(
            f"{asked} leaves out the outcome's reward, and with it overlong.penalty_share and "
            "algorithm.kl_place=reward, which are added to that: use reward.steps=added"
        )
