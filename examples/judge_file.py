"""Judge a file of completions that exist already.

    python examples/judge_file.py [FILE]

A line of the file is {"task": ID, "completion": TEXT}. Without one, a file with three lines is made.
`rlvr verify arithmetic --completions FILE` does the same.
"""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import rlvr_gym as rg
from rlvr_gym.evaluation import judge_all

env = rg.make("arithmetic", split="test")


def made(folder: str) -> Path:
    """A right answer, a wrong one, and one that gives none."""
    first, second, third = env.tasks.take(3)
    said = [(first, env.solution(first)), (second, "\\boxed{-1}"), (third, "I would rather not say.")]
    path = Path(folder, "completions.jsonl")
    path.write_text("".join(json.dumps({"task": task.id, "completion": text}) + "\n" for task, text in said))
    return path


with tempfile.TemporaryDirectory() as folder:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else made(folder)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

pairs = [(env.tasks[line["task"]], rg.Completion(text=line["completion"])) for line in lines]
verdicts = list(judge_all(env, pairs))  # concurrently, each in its time
for line, verdict in zip(lines, verdicts, strict=True):
    print(f"{line['task']}: {verdict.outcome}, {verdict.score}; {verdict.detail or verdict.answer}")

scores = [verdict.score for verdict in verdicts if verdict.score is not None]
print(dict(Counter(str(verdict.outcome) for verdict in verdicts)))
print(
    f"mean score {sum(scores) / len(scores):.2f} of {len(scores)} scored; {len(verdicts) - len(scores)} unscored"
)
