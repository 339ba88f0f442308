"""The supervised stage before reinforcement learning: for tiny models and for cold starts."""

from __future__ import annotations

from rlvr_gym.clock import PhaseClock
from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import TrainingError
from rlvr_gym.seeding import derive_seed
from rlvr_trainers.algorithms.demonstrations import Demonstrations, labels_of
from rlvr_trainers.config import TrainConfig
from rlvr_trainers.learner.learner import Learner
from rlvr_trainers.learner.models import Models
from rlvr_trainers.learner.policy import Policy
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.objectives.cross_entropy import CrossEntropyObjective
from rlvr_trainers.run.display import Display
from rlvr_trainers.sampling.stream import TaskStream
from rlvr_trainers.settings import BatchConfig, OptimizerConfig


def warm_up(policy: Policy, env: Environment, config: TrainConfig, display: Display, mesh: Mesh) -> None:
    """Maximise the log-likelihood of the environment's own solutions, averaged over tokens.

    Deterministic given the run's seed; interrupted, it starts again.
    """
    settings = config.warmup
    assert settings is not None
    stream = TaskStream(env.tasks, seed=derive_seed(config.run.seed, "warm-up"))
    learner = Learner(
        Models(policy=policy),
        CrossEntropyObjective,
        batch=BatchConfig(
            prompts=1,
            microbatch_tokens=config.batch.microbatch_tokens,
            save_compute=config.batch.save_compute,
        ),
        optimizer=OptimizerConfig(
            kind=config.optimizer.kind,
            learning_rate=settings.learning_rate,
            max_grad_norm=config.optimizer.max_grad_norm,
        ),
        total_updates=settings.steps,
        temperature=1.0,
        max_mismatch=config.run.max_mismatch,
        mesh=mesh,
        rate_setting="warmup.learning_rate",
    )
    shown = Demonstrations(policy)
    display.start("warm-up", settings.steps)
    for step in range(1, settings.steps + 1):
        tasks = [task for _ in range(settings.batch_size) for task in stream.draw(1)]
        labels = labels_of(env, tasks, noise=settings.label_noise, seed=config.run.seed)
        try:
            metrics = learner.update(shown.batch(tasks, labels), PhaseClock(), seed=step)
        except TrainingError as error:
            raise TrainingError(f"warm-up step {step}: {error}") from error
        display.advance(step, f"loss {metrics['loss']:.3f}")
    display.stop()
