"""Agents on the command line, from a file of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import read_samples
from rlvr_gym.files import read_lines

FILE = """
import json, urllib.request
import rlvr_gym as rg


def agent(task, base_url, key):
    said = []
    for prompt in (task.text, "again"):
        body = json.dumps({"messages": [{"role": "user", "content": prompt}]}).encode()
        asked = urllib.request.Request(f"{base_url}/chat/completions", body, {"Authorization": f"Bearer {key}"})
        with urllib.request.urlopen(asked) as answer:
            said.append(json.load(answer)["choices"][0]["message"]["content"])
    return "".join(said)


@rg.register("acme/Asking-v0")
def asking(length: int = 2):
    tasks = [rg.Task(id=str(n), prompt=f"{n}?", reference=length) for n in range(4)]
    right = rg.FunctionVerifier(lambda task, said: len(said.text) == task.reference)
    return rg.AgentEnvironment(rg.TaskSet.from_tasks(tasks, name="asking"), right, agent)
"""


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        main(list(arguments))
    return int(exited.value.code or 0)


def test_agents_are_evaluated_by_command_and_the_same_command_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("asking.py").write_text(FILE)
    command = ("eval", "asking.py:asking", "model.path=tiny", "sampling.max_tokens=2", "--n", "3")
    assert run(*command, "--out", "there") == 0, capsys.readouterr().err
    samples = read_samples(Path("there/samples.jsonl"))
    assert len(samples) == 12
    assert all(sample.verdict.scored for sample in samples)
    assert {sample.completion_tokens for sample in samples} <= {2, 3, 4}
    assert all(sample.completion == "".join(m.content for m in sample.conversation if m.role == "assistant")
               for sample in samples)  # fmt: skip
    before = Path("there/samples.jsonl").read_text()
    assert run(*command, "--out", "there") == 0
    assert Path("there/samples.jsonl").read_text() == before
    assert run("rescore", "there") == 0, capsys.readouterr().err


def test_agents_train_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("learning.py").write_text(FILE.replace("acme/Asking-v0", "acme/Learning-v0"))
    settings = (
        "env.length=2",
        "model.path=tiny",
        "run.steps=1",
        "run.dir=here",
        "batch.prompts=2",
        "eval=null",
    )
    told = run(
        "train",
        "dr_grpo",
        "env.id=learning.py:asking",
        *settings,
        "batch.group_size=4",
        "sampling.max_tokens=2",
    )
    assert told == 0, capsys.readouterr().err
    rows = [row for row in read_lines(Path("here/metrics.jsonl")) if "reward/mean" in row]
    assert rows[0]["tokens/sampled"] >= 16
    assert rows[0]["sampler/mismatch"] < 1e-4
    assert len(list(read_lines(Path("here/samples.jsonl")))) > 0
    assert run("report", "here") == 0, capsys.readouterr().err
