"""Detectors of reward hacking, put together: their figures at every step, and what becomes of one beyond its limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from rlvr_gym.environments.base import Environment
from rlvr_gym.errors import TrainingError
from rlvr_gym.rollouts import Group, Rollout
from rlvr_gym.seeding import derive_rng
from rlvr_trainers.mesh import Mesh
from rlvr_trainers.metrics import Metrics
from rlvr_trainers.monitor.calling import calling_metrics
from rlvr_trainers.monitor.canaries import Canary, canary_metrics, draw_canaries, sprung
from rlvr_trainers.monitor.flags import flags_of
from rlvr_trainers.monitor.formats import format_metrics
from rlvr_trainers.monitor.held_out import History, Reading
from rlvr_trainers.monitor.hidden_tests import hidden_test_metrics
from rlvr_trainers.monitor.languages import language_metrics
from rlvr_trainers.monitor.lengths import length_metrics
from rlvr_trainers.monitor.repetition import repetition_metrics
from rlvr_trainers.monitor.several_answers import several_answer_metrics
from rlvr_trainers.monitor.solutions import solutions_of
from rlvr_trainers.settings import Detector, MonitorConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """The limit of a detector's figure, and the meaning of a figure beyond it."""

    detector: Detector
    figure: str
    limit: str
    """The field of `MonitorConfig`; one that begins with `min` is a lower limit."""
    says: str
    at_once: bool = False
    """True when one look is enough, because the figure is a proof or the end of an interval."""


RULES = (
    Rule(
        detector="canaries",
        figure="rate",
        limit="max_canary_rate",
        says="{value:.0%} of the rewards that were looked at again are paid for two different answers at once",
        at_once=True,
    ),
    Rule(
        detector="held_out",
        figure="gap",
        limit="max_held_out_gap",
        says="since the first evaluation the reward has risen by {reward_rise:.2f} and the held-out score by "
        "{score_rise:.2f}, at the least {value:.2f} less",
        at_once=True,
    ),
    Rule(
        detector="hidden_tests",
        figure="gap",
        limit="max_hidden_gap",
        says="{visible:.0%} of the programs pass the tests they can see and {hidden:.0%} those they cannot",
    ),
    Rule(
        detector="format",
        figure="correlation",
        limit="min_format_correlation",
        says="completions in the right format are less often right: the correlation is {value:.2f}",
    ),
    Rule(
        detector="length",
        figure="correlation",
        limit="max_length_correlation",
        says="longer completions earn more: within a task, length and score have a correlation of {value:.2f}",
    ),
    Rule(
        detector="repetition",
        figure="share",
        limit="max_repetition",
        says="{value:.0%} of the completions consist for the most part of what they have said already",
    ),
    Rule(
        detector="several_answers",
        figure="share",
        limit="max_several_answers",
        says="{value:.0%} of the completions give more answers than they are asked for",
    ),
    Rule(
        detector="languages",
        figure="share",
        limit="max_language_mixing",
        says="{value:.0%} of the completions are in part in a script that their prompt is not in",
    ),
    Rule(
        detector="tools",
        figure="lost",
        limit="max_tools_lost",
        says="the policy stops calling tools: {share:.0%} of the episodes have a call, {highest:.0%} had one before",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedCanaries:
    """Number of canaries in a step, and of those that were rewarded."""

    count: int
    paid: tuple[Canary, ...]


@final
class Monitor:
    """The detectors that watch a run. They see judged rollouts, and no reward or loss depends on them."""

    def __init__(self, config: MonitorConfig, env: Environment, *, seed: int, mesh: Mesh) -> None:
        self._config, self._env, self._seed, self._mesh = config, env, seed, mesh
        self._history = History()
        self._most_calling = 0.0
        """The highest share of a step's episodes that called a tool."""
        self._beyond: dict[Detector, int] = {}
        """Number of steps in a row that each detector's figure was beyond its limit."""
        self._news: list[str] = []
        self._fatal: list[str] = []

    @property
    def state(self) -> dict[str, Any]:
        """The state to keep in a checkpoint, as JSON values."""
        return {
            "history": self._history.model_dump(mode="json"),
            "beyond": dict(self._beyond),
            "most_calling": self._most_calling,
        }

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        self._history = History.model_validate(state["history"])
        self._beyond = dict(state["beyond"])
        self._most_calling = state.get("most_calling", 0.0)

    def judge_canaries(self, groups: Sequence[Group], step: int) -> JudgedCanaries:
        """Draw the canaries of a step and judge them, every process its share."""
        rng = derive_rng(self._seed, step)
        solutions = solutions_of(self._env, groups)
        drawn = draw_canaries(self._env, groups, solutions, share=self._config.canary_share, rng=rng)
        mine = self._mesh.share(drawn)
        paid = self._mesh.gather(self._mesh.together(lambda: sprung(self._env, mine)))
        return JudgedCanaries(count=len(drawn), paid=tuple(paid))

    def observe(self, groups: Sequence[Group], canaries: JudgedCanaries) -> Metrics:
        """Take in a step: all that was sampled, and what became of its canaries."""
        self._history.trained(groups)
        calling = calling_metrics(groups, self._most_calling)
        self._most_calling = calling.get("detectors/tools/highest", self._most_calling)
        metrics = {
            **canary_metrics(canaries.count, len(canaries.paid)),
            **hidden_test_metrics(groups),
            **format_metrics(groups),
            **length_metrics(groups),
            **repetition_metrics(groups),
            **several_answer_metrics(groups, solutions_of(self._env, groups)),
            **language_metrics(groups),
            **calling,
        }
        return metrics | self._alarms(metrics, example=str(canaries.paid[0]) if canaries.paid else "")

    def flags(self, rollout: Rollout, canaries: JudgedCanaries) -> list[Detector]:
        """Name the detectors that a rollout of the step counts for."""
        solution = solutions_of(self._env, [(rollout,)])[rollout.task.id]
        paid = any(canary.rollout == rollout for canary in canaries.paid)
        return flags_of(rollout, solution, sprung=paid)

    def evaluated(self, held_out: Reading) -> Metrics:
        """Take in an evaluation."""
        metrics = self._history.evaluated(held_out)
        return metrics | self._alarms(metrics)

    def warnings(self) -> list[str]:
        """The warnings since this was last called."""
        news, self._news = self._news, []
        return news

    def refuse_to_go_on(self) -> None:
        """Raise TrainingError where an alarm went off that is to stop the run."""
        if self._fatal:
            raise TrainingError("; ".join(self._fatal))

    def _alarms(self, metrics: Metrics, *, example: str = "") -> Metrics:
        """`detectors/NAME/alarm` of each detector that has something to say: 1 when it is, 0 when it is not."""
        alarms: Metrics = {}
        for rule in RULES:
            limit, value = getattr(self._config, rule.limit), metrics.get(_key(rule, rule.figure))
            if limit is None or value is None:
                continue
            beyond = value < limit if rule.limit.startswith("min") else value > limit
            times = self._beyond[rule.detector] = self._beyond.get(rule.detector, 0) + 1 if beyond else 0
            patience = 1 if rule.at_once else self._config.patience
            alarms[_key(rule, "alarm")] = float(times >= patience)
            if times >= patience:
                self._raise(rule, _seen(rule, metrics), limit, example, first=times == patience)
        return alarms

    def _raise(self, rule: Rule, seen: str, limit: float, example: str, *, first: bool) -> None:
        told = f" ({example})" if example and rule.detector == "canaries" else ""
        said = f"{rule.detector}: {seen}{told}; monitor.{rule.limit} is {limit:g}"
        if rule.detector in self._config.stop:
            self._fatal.append(
                f"{said}. The reward is being hacked, or looks like it: read samples.jsonl and mend the verifier "
                f"(`rlvr audit` attacks it); without '{rule.detector}' in monitor.stop the run goes on"
            )
        elif first:
            self._news.append(f"warning: {said}")


def _key(rule: Rule, figure: str) -> str:
    return f"detectors/{rule.detector}/{figure}"


def _seen(rule: Rule, metrics: Metrics) -> str:
    prefix = _key(rule, "")
    own = {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
    return rule.says.format(value=own[rule.figure], **own)
