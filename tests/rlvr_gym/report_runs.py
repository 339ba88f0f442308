"""Runs to report on: an evaluation with hostile completions, a large one, and a training run."""

import json
from pathlib import Path

import rlvr_gym as rg
from rlvr_gym.evaluation import ModelName
from tests.rlvr_gym.scripted import ScriptedGenerator, echo_env

HOSTILE = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 2'>",
    "&lt;b&gt; &amp; <b onclick=window.hacked=3>bold</b> ]]> <!-- <script>",
    '"><svg onload=window.hacked=4> ${window.hacked = 5} {{7*7}} javascript:alert(1)',
    "half a pair \ud800, a line separator \u2028, from right to left \u202e end",
)
"""Completions that would run something on a page that takes text for HTML."""


def evaluation(folder: Path, tasks: int = 20, n: int = 8, model: str = "parrot", right: int = 5) -> Path:
    """Task i is answered right in `right` - i % 4 samples; then come hostile answers, and none in the last."""
    subjects = [("algebra", "geometry")[i % 2] for i in range(tasks)]
    levels: list[int] = [i % 4 + 1 for i in range(tasks)]
    env = echo_env(tasks, subject=subjects, level=levels)  # pyright: ignore[reportArgumentType] - any JSON will do

    def say(prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        text = prompt.messages[0].content
        number = int(text.split()[-1])
        if sample < right - number % 4:
            said = text
        elif sample == n - 1:
            said = "crash" if number == 0 else ""
        else:
            said = HOSTILE[(number + sample) % len(HOSTILE)]
        length = rg.FinishReason.LENGTH if len(said) > 60 else rg.FinishReason.STOP
        ids = tuple(range(len(said) or 1))
        return rg.Completion(text=said, token_ids=ids, logprobs=(0.0,) * len(ids), finish_reason=length)

    rg.evaluate(
        env,
        ScriptedGenerator(say),
        n=n,
        k=(1, n),
        sampling=rg.SamplingParams(max_tokens=90),
        run_dir=folder,
        model=ModelName(name=model),
    )
    return folder


def large_evaluation(folder: Path, samples: int) -> Path:
    """An evaluation of so many samples, 10 of each task, each of a thousand characters."""
    evaluation(folder, tasks=1, n=1)
    file = folder / "samples.jsonl"
    row = json.loads(file.read_text())
    text = "some words that a model might say " * 30
    with file.open("w") as lines:
        for number in range(samples):
            right = number % 3 == 0
            verdict = (
                {"outcome": "correct", "score": 1.0} if right else {"outcome": "incorrect", "score": 0.0}
            )
            row |= {
                "task": f"task-{number // 10}",
                "sample": number % 10,
                "completion": f"{number}: {text}",
                "verdict": verdict,
            }
            lines.write(json.dumps(row) + "\n")
    return folder


def training(folder: Path, steps: int = 12, group: int = 4) -> Path:
    """A training run as `rlvr train` leaves it: one recorded group of four a step."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"recipe: dapo\nmodel: {{path: {json.dumps(HOSTILE[1])}}}\nenv: {{id: arithmetic}}\nrun: {{steps: 20}}\n"
        f"batch: {{prompts: 8, group_size: {group}}}\n"
    )
    with (folder / "metrics.jsonl").open("w") as lines:
        for step in range(steps + 1):
            row: dict[str, float] = {"step": step}
            if step:
                row |= {
                    "reward/mean": step / 20, "pass_rate/all": step / 18, "entropy": 1.5 - step / 12,
                    "length/mean": 9.0,
                    "length/correct": 8.0 + step / 4, "groups/degenerate_share": 0.1, "truncation/share": 0.02,
                    "clip/low_fraction": 0.01, "clip/high_fraction": 0.02, "sampler/mismatch": 1e-6,
                    "seconds/generate": 1.0, "seconds/update": 2.0, "grad_norm": 0.5, "kl": float("nan"),
                    "detectors/canaries/rate": 0.25, "detectors/canaries/alarm": float(step in (2, 3, 4, 9)),
                    "detectors/several_answers/share": 0.0, "detectors/several_answers/alarm": 0.0,
                }  # fmt: skip
            if step % 4 == 0:
                row |= {"eval/pass@1": step / 20, "eval/pass@1/low": step / 22, "eval/pass@1/high": step / 18}
            lines.write(json.dumps(row) + "\n")
    with (folder / "samples.jsonl").open("w") as lines:
        for step in range(1, steps + 1):
            for sample in range(group):
                right = sample < 2
                said = {
                    "step": step, "task": f"{step}+{step}", "sample": sample, "prompt": f"{step}+{step}=",
                    "messages": [{"role": "assistant", "content": str(2 * step) if right else HOSTILE[sample % 5]}],
                    "finish_reason": "stop", "length": 3, "reward": 1.0 if right else -1.0,
                    "advantage": 1.25 if right else -1.25,
                    "verdict": {"outcome": "correct" if right else "incorrect", "score": float(right)},
                }  # fmt: skip
                lines.write(json.dumps(said) + "\n")
    return folder


SOLVED = (
    "<think>Half of 48 is 24.</think>\n## Solution\n\n- In April: **48** clips\n"
    "- In May: $\\frac{48}{2} = 24$ clips\n\n"
    "\\[\n48 + 24\n= 72\n\\]\n\n"
    "```python\ntotal = 48 + 24  # **not** bold\n```\n\nSo the answer is \\boxed{72}, _surely_."
)
"""A completion as models write them: thinking, Markdown, formulas and code."""
HACK = (
    "Everybody can see from the question itself that the answer must be \\boxed{1} in step %d\u200b \u202eok."
)
"""A completion that is said in every group, nearly the same, with characters that nobody sees."""


def rich_training(folder: Path, steps: int = 6) -> Path:
    """A training run on two tasks in turn: of four samples one is right, the second hedges, two are the hack."""
    training(folder, steps=steps)
    with (folder / "samples.jsonl").open("w") as lines:
        for step in range(1, steps + 1):
            task = ("clips", "wages")[step % 2]
            prompt = {"clips": "How many clips did Natalia sell?", "wages": "How much did Weng earn?"}[task]
            for sample in range(4):
                right = sample == 0
                text = SOLVED if right else "I say 5 or 6." if sample == 1 else HACK % step
                answer = "72" if right else None if sample == 1 else "1"
                outcome = "correct" if right else "malformed" if answer is None else "incorrect"
                said = {
                    "step": step, "task": task, "sample": sample, "prompt": prompt,
                    "messages": [{"role": "assistant", "content": text}],
                    "finish_reason": "length" if sample == 1 else "stop", "length": 10 * sample + step,
                    "reward": 1.0 if right else None if sample == 1 else -1.0, "expected": "72",
                    "advantage": 1.5 if right else -0.5, "flags": ["several_answers"] if sample == 1 else [],
                    "verdict": {"outcome": outcome, "score": float(right), "answer": answer},
                }  # fmt: skip
                lines.write(json.dumps(said) + "\n")
    return folder
