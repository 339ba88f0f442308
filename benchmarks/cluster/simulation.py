"""A training run as events: samplers decode rows that come and go, judges judge, the learner learns and publishes.

The order of work is the trainer's: a step of `staleness=0` samples its rounds and then learns; above it, so many rounds
are always under way, the oldest one is learned from, and a group that is too old is dropped.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import statistics
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cluster.quantities import Cluster, Figures, Rates, Work


class Clock:
    """Time, and what happens at later times. `sleep` and `wait` let it happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, time: float, happen: Callable[[], None]) -> None:
        """Let something happen at a time that has not passed."""
        heapq.heappush(self._events, (max(time, self.now), next(self._order), happen))

    def sleep(self, seconds: float) -> None:
        """Pass so many seconds."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self._next()
        self.now = end

    def wait(self, until: Callable[[], bool]) -> None:
        """Pass time until something is so."""
        while not until():
            if not self._events:
                raise RuntimeError("nothing is left that could happen")
            self._next()

    def _next(self) -> None:
        self.now, _, happen = heapq.heappop(self._events)
        happen()


@dataclass
class Group:
    """The samples of a prompt."""

    version: int
    """Weights under which its first token was sampled."""
    lengths: list[int]
    missing: int
    """Samples without a verdict."""
    round: int
    begun: bool = False


class Sampler:
    """Decodes up to `max_rows` rows at once; what waits begins when a row is free."""

    def __init__(
        self, clock: Clock, rates: Rates, prompt_tokens: int, finish: Callable[[Group], None]
    ) -> None:
        self.clock, self.rates, self.prompt_tokens, self._finish = clock, rates, prompt_tokens, finish
        self.load = 0
        """Samples that are not finished."""
        self.busy_seconds = self.row_seconds = 0.0
        self.version = 0
        self._waiting: deque[tuple[int, Group]] = deque()
        self._rows: list[
            tuple[float, int, int, Group]
        ] = []  # (count of steps at its end, order, length, group)
        self._order = itertools.count()
        self._steps, self._context, self._since = 0.0, 0.0, 0.0
        self._plan = 0

    def add(self, group: Group) -> None:
        """Take a group's samples."""
        self._advance()
        self.load += len(group.lengths)
        self._waiting.extend((length, group) for length in group.lengths)
        self._go_on()

    def pause(self, seconds: float, version: int) -> None:
        """Stand still while new weights are loaded."""
        self._advance()
        self._since += seconds
        self.version = version
        self._go_on()

    def _go_on(self) -> None:
        """Begin what there is room for, and plan for the next row that ends."""
        while self._waiting and self._may_begin(self._waiting[0][1]):
            length, group = self._waiting.popleft()
            if not group.begun:
                group.begun, group.version = True, self.version
                prefill = self.rates.prompt_seconds * self.prompt_tokens
                self._since = max(self._since, self.clock.now) + prefill
                self.busy_seconds += prefill
            heapq.heappush(self._rows, (self._steps + length, next(self._order), length, group))
            self._context += self.prompt_tokens
        self._plan += 1
        if self._rows:
            plan = self._plan
            seconds = self._seconds(self._rows[0][0] - self._steps)
            self.clock.at(self._since + seconds, lambda: self._ended() if plan == self._plan else None)

    def _may_begin(self, group: Group) -> bool:
        if not self._rows:
            return True
        joins = self.rates.continuous or group.round == self._rows[0][3].round
        return joins and len(self._rows) < self.rates.max_rows

    def _ended(self) -> None:
        """The next rows have all their tokens."""
        self._advance()
        end = self._rows[0][0]
        self._steps = max(self._steps, end)
        done: list[Group] = []
        while self._rows and self._rows[0][0] <= self._steps + 1e-9:
            _, _, length, group = heapq.heappop(self._rows)
            self._context -= self.prompt_tokens + length
            done.append(group)
        self.load -= len(done)
        self._go_on()
        for group in done:
            self._finish(group)

    def _seconds(self, steps: float) -> float:
        """The seconds of so many steps of the rows of now: contexts grow by a token a row and step."""
        rows, rates = len(self._rows), self.rates
        each = rates.decode_seconds + rows * rates.row_seconds + rates.context_seconds * self._context
        return steps * each + rates.context_seconds * rows * steps**2 / 2

    def _advance(self) -> None:
        """Count the steps that were made by now."""
        elapsed = self.clock.now - self._since
        if elapsed <= 0:
            return
        self._since = self.clock.now
        rows, rates = len(self._rows), self.rates
        if not rows:
            return
        each = rates.decode_seconds + rows * rates.row_seconds + rates.context_seconds * self._context
        growth = rates.context_seconds * rows
        steps = elapsed / each if growth == 0 else (math.sqrt(each**2 + 2 * growth * elapsed) - each) / growth
        self._steps += steps
        self._context += steps * rows
        self.busy_seconds += elapsed
        self.row_seconds += elapsed * rows


class Judges:
    """Give verdicts, so many at once, in the order in which samples finish."""

    def __init__(self, clock: Clock, rates: Rates) -> None:
        self._clock, self._seconds = clock, rates.verdict_seconds
        self._free = [0.0] * rates.judges

    def judge(self, group: Group) -> None:
        """Judge one sample of a group."""
        begin = max(self._clock.now, heapq.heappop(self._free))
        heapq.heappush(self._free, begin + self._seconds)

        def done() -> None:
            group.missing -= 1

        self._clock.at(begin + self._seconds, done)


@dataclass
class Training:
    """One simulated run."""

    rates: Rates
    work: Work
    cluster: Cluster
    seed: int = 0
    version: int = 0
    rounds: int = 0
    sampled: int = 0
    dropped: int = 0
    learned_tokens: int = 0
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("wait", "learn", "sync"), 0.0))

    def __post_init__(self) -> None:
        self.clock, self.rng = Clock(), random.Random(self.seed)
        self.judges = Judges(self.clock, self.rates)
        self.samplers = [
            Sampler(self.clock, self.rates, self.work.prompt_tokens, self.judges.judge)
            for _ in range(self.cluster.samplers)
        ]
        self.ahead: deque[list[Group]] = deque()
        self.surplus: list[Group] = []

    def step(self) -> None:
        """Take, learn, publish."""
        began = self.clock.now
        groups = self._take()
        self.spent["wait"] += self.clock.now - began
        self._learn(groups)
        self.version += 1
        for sampler in self.samplers:
            sampler.pause(self.rates.sync_seconds, self.version)
        self._spend("sync", self.rates.sync_seconds)

    def _spend(self, what: str, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.spent[what] += seconds

    def _begin_round(self, prompts: int) -> list[Group]:
        groups: list[Group] = []
        self.rounds += 1
        for _ in range(prompts):
            lengths = self.rng.choices(self.work.lengths, k=self.work.group_size)
            groups.append(
                Group(version=self.version, lengths=lengths, missing=len(lengths), round=self.rounds)
            )
            min(self.samplers, key=lambda sampler: sampler.load).add(groups[-1])
        self.sampled += prompts
        return groups

    def _take(self) -> list[Group]:
        kept = [] if self.cluster.staleness == 0 else self._young(self.surplus)
        drawn = informative = 0
        while len(kept) < self.work.prompts:
            groups = self._round(self._round_size(self.work.prompts - len(kept), drawn, informative))
            self.clock.wait(lambda groups=groups: all(group.missing == 0 for group in groups))
            young = [g for g in self._young(groups) if self.rng.random() < self.work.keep_share]
            drawn, informative = drawn + len(groups), informative + len(young)
            kept += young
        self.surplus = kept[self.work.prompts :]
        return kept[: self.work.prompts]

    def _round(self, size: int) -> list[Group]:
        """The groups to wait for next; ahead of the learner, `staleness` rounds are always under way."""
        if self.cluster.staleness == 0:
            return self._begin_round(size)
        while len(self.ahead) < self.cluster.staleness:
            self.ahead.append(self._begin_round(self.work.prompts))
        oldest = self.ahead[0]
        self.clock.wait(lambda: all(group.missing == 0 for group in oldest))
        self.ahead.popleft()
        self.ahead.append(self._begin_round(self.work.prompts))
        return oldest

    def _round_size(self, missing: int, drawn: int, informative: int) -> int:
        if drawn == 0:
            return missing
        return min(self.work.prompts, math.ceil(2 * missing * drawn / max(1, informative)))

    def _young(self, groups: Sequence[Group]) -> list[Group]:
        young = [g for g in groups if self.version - g.version <= self.cluster.staleness]
        self.dropped += len(groups) - len(young)
        return young

    def _learn(self, groups: Sequence[Group]) -> None:
        completions = sum(sum(group.lengths) for group in groups)
        tokens = completions + len(groups) * self.work.prompt_tokens
        rates, learners = self.rates, self.cluster.learners
        each = rates.update_seconds + (rates.reduce_seconds if learners > 1 else 0.0)
        seconds = rates.learn_seconds * tokens / learners + self.work.updates * each + rates.other_seconds
        self._spend("learn", seconds)
        self.learned_tokens += completions


def simulate(
    rates: Rates, work: Work, cluster: Cluster, *, steps: int = 12, skip: int = 3, seed: int = 0
) -> Figures:
    """Run `skip` steps that are not counted and `steps` that are."""
    run = Training(rates, work, cluster, seed=seed)
    for _ in range(skip):
        run.step()
    began, tokens, spent = run.clock.now, run.learned_tokens, dict(run.spent)
    busy = [(sampler.busy_seconds, sampler.row_seconds) for sampler in run.samplers]
    sampled, dropped = run.sampled, run.dropped
    for _ in range(steps):
        run.step()
    passed = run.clock.now - began
    shares = {what: (run.spent[what] - spent[what]) / passed for what in spent}
    return Figures(
        step_seconds=passed / steps,
        sampling_share=statistics.mean(
            s.busy_seconds - before for s, (before, _) in zip(run.samplers, busy, strict=True)
        )
        / passed,
        row_share=statistics.mean(
            s.row_seconds - before for s, (_, before) in zip(run.samplers, busy, strict=True)
        )
        / (passed * rates.max_rows),
        learning_share=shares["learn"],
        waiting_share=shares["wait"],
        sync_share=shares["sync"],
        dropped_share=(run.dropped - dropped) / max(1, run.sampled - sampled),
        tokens_per_second=(run.learned_tokens - tokens) / passed,
    )
