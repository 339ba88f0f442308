"""The bundled environments, a module each in the folder of its family; importing this package registers them."""

from rlvr_envs import suites as suites
from rlvr_envs.code.apps import apps
from rlvr_envs.code.bigcodebench import bigcodebench
from rlvr_envs.code.code_contests import code_contests
from rlvr_envs.code.code_jsonl import code_jsonl
from rlvr_envs.code.humaneval import humaneval
from rlvr_envs.code.humaneval_plus import humaneval_plus
from rlvr_envs.code.livecodebench import livecodebench
from rlvr_envs.code.mbpp import mbpp
from rlvr_envs.code.mbpp_plus import mbpp_plus
from rlvr_envs.files.jsonl import jsonl
from rlvr_envs.functions.bfcl import bfcl
from rlvr_envs.math.arithmetic import arithmetic
from rlvr_envs.math.competitions.aime import aime24, aime25, aime26
from rlvr_envs.math.competitions.amc import amc23
from rlvr_envs.math.competitions.hendrycks import hendrycks_math
from rlvr_envs.math.competitions.minerva import minerva
from rlvr_envs.math.competitions.olympiad import olympiadbench
from rlvr_envs.math.corpora.big_math import big_math
from rlvr_envs.math.corpora.dapo import dapo_17k
from rlvr_envs.math.corpora.deepscaler import deepscaler
from rlvr_envs.math.corpora.eurus import eurus_2
from rlvr_envs.math.corpora.numinamath import numinamath
from rlvr_envs.math.countdown import countdown
from rlvr_envs.math.gsm8k import gsm8k
from rlvr_envs.math.math500 import math500
from rlvr_envs.probes.ambiguous import ambiguous
from rlvr_envs.probes.hackable import hackable
from rlvr_envs.reasoning.reasoning_gym import reasoning_gym
from rlvr_envs.science.gpqa import gpqa
from rlvr_envs.search.lookup import lookup
from rlvr_envs.search.search import search
from rlvr_envs.text.ifbench import ifbench
from rlvr_envs.text.ifeval import ifeval
from rlvr_envs.text.instructions import instructions
from rlvr_envs.text.reverse import reverse
from rlvr_envs.turns.guess import guess
from rlvr_envs.turns.python_tool import python_tool
from rlvr_envs.turns.repair import repair

__all__ = [
    "aime24",
    "aime25",
    "aime26",
    "ambiguous",
    "amc23",
    "apps",
    "arithmetic",
    "bfcl",
    "big_math",
    "bigcodebench",
    "code_contests",
    "code_jsonl",
    "countdown",
    "dapo_17k",
    "deepscaler",
    "eurus_2",
    "gpqa",
    "gsm8k",
    "guess",
    "hackable",
    "hendrycks_math",
    "humaneval",
    "humaneval_plus",
    "ifbench",
    "ifeval",
    "instructions",
    "jsonl",
    "livecodebench",
    "lookup",
    "math500",
    "mbpp",
    "mbpp_plus",
    "minerva",
    "numinamath",
    "olympiadbench",
    "python_tool",
    "reasoning_gym",
    "repair",
    "reverse",
    "search",
]
