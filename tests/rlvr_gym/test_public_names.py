import subprocess
import sys

import rlvr_gym
import rlvr_gym.verifiers


def test_the_public_names_are_these():
    assert sorted(rlvr_gym.__all__) == [
        "AgentCommand",
        "AgentEnvironment",
        "Completion",
        "ConfigError",
        "DataError",
        "Environment",
        "EnvironmentCard",
        "EpisodeLimits",
        "EvaluationResult",
        "FinishReason",
        "FunctionVerifier",
        "GenerationRequest",
        "Generator",
        "Group",
        "GroupVectorEnv",
        "Message",
        "Outcome",
        "Response",
        "RlvrError",
        "Rollout",
        "SamplingParams",
        "State",
        "Task",
        "TaskSet",
        "TextSpace",
        "TooManyUnscored",
        "Tool",
        "ToolCall",
        "TrainingError",
        "TransformersGenerator",
        "TurnResult",
        "TurnReward",
        "Verdict",
        "Verifier",
        "VerifierFault",
        "__version__",
        "evaluate",
        "export",
        "from_openenv",
        "from_verifiers",
        "list_environments",
        "load_model",
        "make",
        "register",
        "rollout",
        "tool",
        "verifiers",
    ]


def test_every_public_name_is_there():
    for module in (rlvr_gym, rlvr_gym.verifiers):
        assert all(hasattr(module, name) for name in module.__all__)
        assert len(set(module.__all__)) == len(module.__all__)


PROGRAM = """
import sys, time
began = time.process_time()
import rlvr_gym
took = time.process_time() - began
heavy = {"torch", "transformers", "sympy", "docker", "datasets", "pyarrow", "math_verify", "jsonschema"}
print(took, sorted(heavy & set(sys.modules)), len(rlvr_gym.list_environments()))
"""


FOUNDATIONS = """
import time
began = time.process_time()
import gymnasium, importlib.metadata, numpy, pydantic
print(time.process_time() - began)
"""


def said(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_importing_is_light_and_brings_the_environments():
    runs, alone = zip(*((said(PROGRAM), float(said(FOUNDATIONS))) for _ in range(3)), strict=True)
    # Half a second; on a machine that is so slow that this is less, twice what it stands on takes.
    assert min(float(run.split()[0]) for run in runs) < max(0.5, 2 * min(alone))
    assert runs[0].split(maxsplit=1)[1].strip().startswith("[] ")
    assert int(runs[0].split()[-1]) >= 8
