"""Evaluation: estimators, intervals, and the run that feeds them."""

from rlvr_gym.evaluation.answers import wrong_answers
from rlvr_gym.evaluation.judging import judge_all
from rlvr_gym.evaluation.progress import Progress
from rlvr_gym.evaluation.ranking import ranks_of
from rlvr_gym.evaluation.run import ModelName, Plan, evaluate, plan_for
from rlvr_gym.evaluation.samples import Conditions, Sample, read_history, read_samples
from rlvr_gym.evaluation.statistics.estimators import (
    avg_at_n,
    best_at_k,
    bon_at_k,
    g_pass_at_k,
    maj_at_k,
    pass_at_k,
    pass_hat_k,
)
from rlvr_gym.evaluation.statistics.intervals import Interval, mean_interval, wilson
from rlvr_gym.evaluation.statistics.summary import EvaluationResult, Noise, summarize
from rlvr_gym.evaluation.statistics.tallies import Estimate, Tally, estimate, tally
from rlvr_gym.evaluation.stored import StoredRun, read_run

__all__ = [
    "Conditions",
    "Estimate",
    "EvaluationResult",
    "Interval",
    "ModelName",
    "Noise",
    "Plan",
    "Progress",
    "Sample",
    "StoredRun",
    "Tally",
    "avg_at_n",
    "best_at_k",
    "bon_at_k",
    "estimate",
    "evaluate",
    "g_pass_at_k",
    "judge_all",
    "maj_at_k",
    "mean_interval",
    "pass_at_k",
    "pass_hat_k",
    "plan_for",
    "ranks_of",
    "read_history",
    "read_run",
    "read_samples",
    "summarize",
    "tally",
    "wilson",
    "wrong_answers",
]
