"""Many episodes at once, judged concurrently: the one interface that trainers and evaluators use."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from rlvr_gym.environments.base import Environment, Info
from rlvr_gym.environments.turns import TurnResult
from rlvr_gym.errors import ConfigError
from rlvr_gym.seeding import derive_seed
from rlvr_gym.tasks import Message, Task
from rlvr_gym.verdicts import Completion, Verdict


class GroupVectorEnv(gymnasium.vector.VectorEnv[tuple[str, ...], Sequence[str], np.ndarray]):
    """`groups` tasks with `group_size` lanes each; lane `g * group_size + s` is sample s of group g.

    Autoreset is disabled: a finished lane stays finished until the next `reset`. `step` judges all lanes
    concurrently; `send` and `recv` do the same lane by lane, so that judging overlaps with sampling.

    Args:
        env: the environment every lane is a copy of.
        groups: how many tasks.
        group_size: how many lanes per task.
        workers: how many threads judge; None is one for each CPU, at least 8, or for each slot of `env.judging`.
            Verifiers that can be slow do their work in processes of their own, so threads are enough.
        timeout_seconds: a lane whose turn is not answered by then, counted from when judging it began, is
            finished with an `unscored` verdict; its thread is abandoned and replaced. None leaves it to the
            environment, whose `timeout_seconds` it then is, and its `judging`.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012 - base's shape

    def __init__(
        self,
        env: Environment,
        groups: int,
        group_size: int,
        *,
        workers: int | None = None,
        timeout_seconds: float | None = None,
    ) -> None:
        if groups < 1 or group_size < 1:
            raise ConfigError(f"groups and group_size must be at least 1, not {groups} and {group_size}")
        workers = max(8, os.cpu_count() or 1, env.judging.slots) if workers is None else workers
        if timeout_seconds is None:
            timeout_seconds = env.judging.timeout_seconds(env.timeout_seconds)
        if workers < 1 or not timeout_seconds > 0:
            raise ConfigError(
                f"workers and timeout_seconds must be positive, not {workers} and {timeout_seconds}"
            )
        self.env = env
        self.spec = env.spec
        self.groups, self.group_size = groups, group_size
        self.num_envs = groups * group_size
        self.timeout_seconds = timeout_seconds
        self.single_observation_space = env.observation_space
        self.single_action_space = env.action_space
        # Not `batch_space`, which copies the space, its random state included, for every lane.
        self.observation_space = gymnasium.spaces.Tuple((env.observation_space,) * self.num_envs)
        self.action_space = gymnasium.spaces.Tuple((env.action_space,) * self.num_envs)
        self._lanes = [env.clone() for _ in range(self.num_envs)]
        self._done = np.ones(self.num_envs, dtype=bool)
        self._judging: dict[int, _Job] = {}
        self._threads = _DaemonThreads(workers, timeout_seconds)
        self._end_threads = weakref.finalize(self, self._threads.close)

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
        self._abandon_judging()
        if seed is not None:
            super().reset(seed=seed)
        root = int(self.np_random.integers(2**31))
        observations: list[str] = []
        infos: Info = {}
        for group, task in enumerate(tasks):
            for lane in self.lanes_of(group):
                env = self._lanes[lane]
                if task is None:
                    observation, info = env.reset(seed=derive_seed(root, group) % 2**31)
                    task = env.task
                else:
                    observation, info = env.reset(options={"task": task})
                observations.append(observation)
                infos = self._add_info(infos, info, lane)
        self._done[:] = False
        return tuple(observations), infos

    def begin(self, lane: int, task: Task, *, native_tools: bool = False) -> None:
        """Begin an episode in one lane, whatever the others are doing; `native_tools` as in `Environment.reset`."""
        self._refuse_judging(lane)
        options: Info = {"task": task} | ({"native_tools": True} if native_tools else {})
        self._lanes[lane].reset(options=options)
        self._done[lane] = False

    def send(self, lane: int, action: str | Completion, then: Callable[[], object] | None = None) -> None:
        """Hand a lane its turn; judging begins in the background at once.

        `then` is called, in a thread that judges, once `recv(lane)` would return at once.
        """
        if self._done[lane]:
            raise gymnasium.error.ResetNeeded(f"lane {lane} is finished: call reset() first")
        self._refuse_judging(lane)
        env = self._lanes[lane]
        job = self._judging[lane] = self._threads.submit(lambda: env.step(action))
        if then is not None:
            job.add_done_callback(lambda _: then())

    def _refuse_judging(self, lane: int) -> None:
        if lane in self._judging:
            raise ConfigError(f"lane {lane} is still judging its last turn: call recv({lane}) first")

    def answered(self, lane: int) -> bool:
        """True if `recv(lane)` would return at once."""
        return lane in self._judging and self._judging[lane].done()

    def give_up_overdue(self) -> float:
        """Give up on the turns whose time is over, which are then answered; return the seconds to the next such moment.

        `recv` does the same while it waits; this is for whoever waits for `then`.
        """
        return self._threads.give_up_overdue()

    def recv(self, lane: int) -> TurnResult:
        """Wait for the answer to the turn that `send` handed to `lane`."""
        if lane not in self._judging:
            raise ConfigError(f"lane {lane} has no turn to answer: call send({lane}, action) first")
        job = self._judging.pop(lane)
        try:
            observation, reward, terminated, truncated, info = self._threads.result(job)
        except _Overdue:
            return self._fail(
                lane, f"the verifier gave no answer within {self.timeout_seconds:g} s", self.timeout_seconds
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one lane's fault must not end the others
            name = type(self.env).__name__
            return self._fail(lane, f"{name} failed: {type(error).__name__}: {error}", job.seconds)
        self._done[lane] = terminated or truncated
        return TurnResult(
            observation=observation,
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            info=info,
            seconds=job.seconds,
        )

    def _fail(self, lane: int, cause: str, seconds: float) -> TurnResult:
        """End a lane's episode unscored. What still runs in it keeps its slot; the lane gets a fresh one."""
        task = self._lanes[lane].task
        info = {"task": task.id if task else "", "scored": False, "verdict": Verdict.unscored(cause)}
        self._lanes[lane] = self.env.clone()
        self._done[lane] = True
        return TurnResult(
            observation="", reward=0.0, terminated=True, truncated=False, info=info, seconds=seconds
        )

    def _abandon_judging(self) -> None:
        """Forget turns nobody received. A thread may still be in them, so their lanes get fresh slots."""
        for lane in self._judging:
            self._lanes[lane] = self.env.clone()
        self._judging.clear()

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
        if not live:
            raise gymnasium.error.ResetNeeded("every lane is finished: call reset() first")
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

    def close_extras(self, **kwargs: object) -> None:
        """Let the judging threads end, as they also do once nobody holds this environment any more."""
        self._end_threads()


class _Overdue(Exception):
    """A call ran past its limit; its thread was given up on."""


class _Job(Future[Any]):
    """A call that one of our threads makes."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self.call = call
        self.deadline = 0.0
        """When it is overdue, on the monotonic clock; known once it has begun."""
        self.seconds = 0.0
        """Time that it took; known once it is done."""


class _DaemonThreads:
    """A thread pool in which no call holds up the others for longer than `timeout_seconds`.

    Whoever waits for any call gives up on every overdue one and replaces its thread, so that calls that
    queue behind stuck ones get their turn in whatever order results are asked for. Time is counted from
    when a call begins: queueing is not charged to it. Threads that are stuck never keep the process alive.
    """

    def __init__(self, count: int, timeout_seconds: float) -> None:
        self._count, self._timeout_seconds = count, timeout_seconds
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._running: set[_Job] = set()
        self._threads = 0
        self._lock = threading.Lock()

    def submit(self, call: Callable[[], Any]) -> _Job:
        job = _Job(call)
        self._queue.put(job)
        if self._threads < self._count:
            self._threads += 1
            self._start()
        return job

    def result(self, job: _Job) -> Any:
        """Return or raise as the call did. Raises `_Overdue` for one that was given up on."""
        while not job.done():
            with suppress(FutureTimeoutError):
                job.exception(self.give_up_overdue())
        return job.result()

    def give_up_overdue(self) -> float:
        """Give up on the calls that are overdue; return how many seconds from now the next one can be."""
        now = time.monotonic()
        with self._lock:
            overdue = [job for job in self._running if job.deadline <= now]
            self._running.difference_update(overdue)
            next_deadline = min((job.deadline for job in self._running), default=now + self._timeout_seconds)
        for job in overdue:
            self._start()
            job.set_exception(_Overdue())
        return next_deadline - now

    def close(self) -> None:
        for _ in range(self._threads):
            self._queue.put(None)
        self._threads = 0

    def _start(self) -> None:
        threading.Thread(target=self._work, name="rlvr-judge", daemon=True).start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            with self._lock:
                job.deadline = time.monotonic() + self._timeout_seconds
                self._running.add(job)
            began = time.perf_counter()
            result, error = None, None
            try:
                result = job.call()
            except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
                error = raised
            job.seconds = time.perf_counter() - began
            with self._lock:
                if job not in self._running:
                    return
                self._running.remove(job)
            if error is None:
                job.set_result(result)
            else:
                job.set_exception(error)
