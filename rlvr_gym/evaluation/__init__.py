"""Evaluation: estimators, intervals, and the run that feeds them."""

from rlvr_gym.evaluation.estimators import avg_at_n, g_pass_at_k, pass_at_k, pass_hat_k
from rlvr_gym.evaluation.intervals import Interval, mean_interval, wilson
from rlvr_gym.evaluation.judging import judge_all
from rlvr_gym.evaluation.run import ModelName, Progress, evaluate
from rlvr_gym.evaluation.samples import Conditions, Sample, read_samples
from rlvr_gym.evaluation.summary import Estimate, EvaluationResult, Noise, summarize

__all__ = [
    "Conditions",
    "Estimate",
    "EvaluationResult",
    "Interval",
    "ModelName",
    "Noise",
    "Progress",
    "Sample",
    "avg_at_n",
    "evaluate",
    "g_pass_at_k",
    "judge_all",
    "mean_interval",
    "pass_at_k",
    "pass_hat_k",
    "read_samples",
    "summarize",
    "wilson",
]
