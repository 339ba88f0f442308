"""Many episodes at once, judged concurrently: the one interface that trainers and evaluators use."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rlvr_gym.environment import Environment, Info
from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message
from rlvr_gym.verdicts import Completion, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What one lane answered to one turn: Gymnasium's five-tuple by name."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: Info

    @property
    def done(self) -> bool:
        """Whether the lane's episode is over."""
        return self.terminated or self.truncated

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, once the episode is over."""
        return self.info.get("verdict")


class GroupVectorEnv(gymnasium.vector.VectorEnv[tuple[str, ...], Sequence[str], np.ndarray]):
    """`groups` tasks with `group_size` lanes each; lane `g * group_size + s` is sample s of group g.

    Autoreset is disabled: a finished lane stays finished until the next `reset`. `step` judges all lanes
    concurrently; `send` and `recv` do the same lane by lane, so that judging overlaps with sampling.

    Args:
        env: the environment every lane is a copy of.
        groups: how many tasks.
        group_size: how many lanes per task.
        workers: how many threads judge. Verifiers that can be slow do their work in processes of their
            own, so threads are enough.
        timeout_seconds: a lane whose turn is not answered by then, counted from when judging it began, is
            finished with an `unscored` verdict; its thread is abandoned and replaced.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012 - base's shape

    def __init__(
        self,
        env: Environment,
        groups: int,
        group_size: int,
        *,
        workers: int = 8,
        timeout_seconds: float = 60.0,
    ) -> None:
        if groups < 1 or group_size < 1:
            raise ConfigError(f"groups and group_size must be at least 1, not {groups} and {group_size}")
        self.env = env
        self.spec = env.spec
        self.groups, self.group_size = groups, group_size
        self.num_envs = groups * group_size
        self.timeout_seconds = timeout_seconds
        self.single_observation_space = env.observation_space
        self.single_action_space = env.action_space
        self.observation_space = batch_space(env.observation_space, self.num_envs)
        self.action_space = batch_space(env.action_space, self.num_envs)
        self._lanes = [env.lane() for _ in range(self.num_envs)]
        self._done = np.ones(self.num_envs, dtype=bool)
        self._judging: dict[int, _Job] = {}
        self._threads = _DaemonThreads(workers)

    def lanes_of(self, group: int) -> range:
        """The lanes of a group."""
        return range(group * self.group_size, (group + 1) * self.group_size)

    def messages(self, lane: int) -> tuple[Message, ...]:
        """The prompt of a lane's current episode as chat messages."""
        return self._lanes[lane].messages

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], Info]:
        """Begin an episode in every lane; all lanes of a group get the same task.

        `options={"tasks": [...]}` gives one id, index or Task per group; else tasks are drawn from `seed`.
        """
        options = options or {}
        if unknown := set(options) - {"tasks"}:
            raise ConfigError(f"unknown reset options {sorted(unknown)}; possible: 'tasks' (one per group)")
        if isinstance(seed, list):
            raise ConfigError("give one seed: lanes of a group share their task")
        tasks = options.get("tasks", [None] * self.groups)
        if len(tasks) != self.groups:
            raise ConfigError(f"{len(tasks)} tasks for {self.groups} groups")
        self._judging.clear()
        if seed is not None:
            super().reset(seed=seed)
        root = int(self.np_random.integers(2**31))
        observations: list[str] = []
        infos: Info = {}
        for lane, env in enumerate(self._lanes):
            group = lane // self.group_size
            choice = {} if tasks[group] is None else {"task": tasks[group]}
            observation, info = env.reset(seed=derive_seed(root, group) % 2**31, options=choice)
            observations.append(observation)
            infos = self._add_info(infos, info, lane)
        self._done[:] = False
        return tuple(observations), infos

    def send(self, lane: int, action: str | Completion) -> None:
        """Hand a lane its turn; judging begins in the background at once."""
        if self._done[lane]:
            raise gymnasium.error.ResetNeeded(f"lane {lane} is finished: call reset() first")
        if lane in self._judging:
            raise ConfigError(f"lane {lane} is still judging its last turn: call recv({lane}) first")
        env = self._lanes[lane]
        self._judging[lane] = self._threads.submit(lambda: env.step(action))

    def recv(self, lane: int) -> Step:
        """Wait for the answer to the turn that `send` handed to `lane`."""
        job = self._judging.pop(lane)
        try:
            observation, reward, terminated, truncated, info = job.result(self.timeout_seconds)
        except FutureTimeoutError:
            self._threads.replace(job)
            verdict = Verdict.unscored(f"the verifier gave no answer within {self.timeout_seconds:g} s")
            stuck = self._lanes[lane]
            info = {"task": stuck.task.id if stuck.task else "", "scored": False, "verdict": verdict}
            observation, reward, terminated, truncated = "", 0.0, True, False
            self._lanes[lane] = self.env.lane()
        self._done[lane] = terminated or truncated
        return Step(
            observation=observation, reward=reward, terminated=terminated, truncated=truncated, info=info
        )

    def step(
        self, actions: Sequence[str | Completion | None]
    ) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, Info]:
        """Take a turn in every lane and wait for all.

        Finished lanes take None (any action given to them is ignored) and stay finished with reward 0.
        Rewards are float64, (num_envs,); terminations and truncations bool, (num_envs,).
        """
        if len(actions) != self.num_envs:
            raise ConfigError(f"{len(actions)} actions for {self.num_envs} lanes")
        live = [lane for lane in range(self.num_envs) if not self._done[lane]]
        if missing := [lane for lane in live if actions[lane] is None]:
            raise ConfigError(f"lanes {missing} are not finished: each needs an action")
        for lane in live:
            action = actions[lane]
            assert action is not None
            self.send(lane, action)
        observations = [""] * self.num_envs
        rewards = np.zeros(self.num_envs)
        terminations, truncations = self._done.copy(), np.zeros(self.num_envs, dtype=bool)
        infos: Info = {}
        for lane in live:
            step = self.recv(lane)
            observations[lane], rewards[lane] = step.observation, step.reward
            terminations[lane], truncations[lane] = step.terminated, step.truncated
            infos = self._add_info(infos, step.info, lane)
        return tuple(observations), rewards, terminations, truncations, infos

    def close_extras(self, **kwargs: Any) -> None:
        """Let the judging threads end."""
        self._threads.close()


class _Job(Future[Any]):
    """A call on one of our threads, which knows when it began."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.began = threading.Event()
        self.began_at = 0.0
        self.abandoned = False

    def run(self) -> None:
        self.began_at = time.monotonic()
        self.began.set()
        try:
            self.set_result(self.call())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            self.set_exception(error)

    def result(self, timeout: float | None = None) -> Any:
        """Wait up to `timeout` seconds from when the call began; queueing is not charged to it."""
        self.began.wait()
        left = None if timeout is None else max(0.0, self.began_at + timeout - time.monotonic())
        return super().result(left)


class _DaemonThreads:
    """A thread pool whose stuck threads can be given up on: they never keep the process alive."""

    def __init__(self, count: int) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._count = count
        self._running = 0

    def submit(self, call: Callable[[], Any]) -> _Job:
        job = _Job(call)
        self._jobs.put(job)
        if self._running < self._count:
            self._start()
        return job

    def replace(self, job: _Job) -> None:
        """Give up on the thread that `job` occupies; should it ever come back, it ends."""
        job.abandoned = True
        self._start()

    def _start(self) -> None:
        self._running += 1
        threading.Thread(target=self._work, name="rlvr-judge", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            if job.abandoned:
                return

    def close(self) -> None:
        for _ in range(self._running):
            self._jobs.put(None)
        self._running = 0
