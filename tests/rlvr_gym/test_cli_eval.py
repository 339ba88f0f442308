import dataclasses
import io
import json
import re
import time
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import rlvr_gym as rg
from rlvr_gym.cli.commands.eval.output import Display, advice, facts, report
from rlvr_gym.cli.display import live
from rlvr_gym.cli.main import main
from rlvr_gym.evaluation import Interval, Progress, read_samples
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env

TINY = ("arithmetic", "model.path=tiny", "env.digits=1", "sampling.max_tokens=4", "--limit", "6", "--n", "4")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["eval", *arguments])
    said = capsys.readouterr()
    return int(exited.value.code or 0), said.out, said.err


FEW = """
import rlvr_gym as rg

TASKS = [rg.Task(id=str(i), prompt=f"{i}?", reference=str(i)) for i in range(3)]


@rg.register("acme/Few-v0")
def few():
    return rg.Environment(rg.TaskSet.from_tasks(TASKS, name="few"), rg.verifiers.Exact("whole"))
"""


def test_fewer_tasks_than_were_asked_for_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("few.py").write_text(FEW)
    small = ("few.py:few", "model.path=tiny", "sampling.max_tokens=4", "--n", "1")
    assert (
        "has 3 different tasks, fewer than the 9 that were asked for"
        in run(capsys, *small, "--limit", "9")[2]
    )
    assert "different tasks" not in run(capsys, *small, "--limit", "3", "--out", "other")[2]


def test_a_tiny_model_is_evaluated_and_the_same_command_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *TINY)
    assert code == 0, err
    assert "rlvr/Arithmetic-v0, tiny: 6 tasks x 4 samples, temperature 1, top_p 1, top_k 0, max_tokens 4" in (
        " ".join(out.split())
    )
    for fact in ("pass@1 = avg@4", "pass@4", "truncated", "unscored  0", "kept in runs/eval-arithmetic-tiny"):
        assert fact in out
    folder = tmp_path / "runs" / "eval-arithmetic-tiny"
    samples = read_samples(folder / "samples.jsonl")
    assert len(samples) == 24
    assert samples[0].options == {"split": "test", "digits": 1}
    assert samples[0].weights
    assert all(0 < (sample.completion_tokens or 0) <= 4 for sample in samples)
    assert yaml.safe_load((folder / "config.yaml").read_text())["k"] == [1, 4]
    assert json.loads((folder / "summary.json").read_text())["problems"] == 6

    written = (folder / "samples.jsonl").read_bytes()
    (folder / "samples.jsonl").write_bytes(written[: len(written) // 2])
    code, again, _ = run(capsys, *TINY)
    assert code == 0
    assert [line for line in again.splitlines() if "pass@" in line] == [
        line for line in out.splitlines() if "pass@" in line
    ]

    code, _, err = run(capsys, *TINY, "sampling.temperature=0.5")
    assert code == 2
    assert "sampling.temperature: 1.0 there, 0.5 now" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["arithmetic"], "which model? give model.path=FOLDER or a Hugging Face id, or model.path=tiny"),
        (
            ["arithmetic", "model.path=tiny", "model.dtpye=x"],
            "model.dtpye: no such setting; did you mean 'dtype'?",
        ),
        (
            ["arithmetic", "model.path=tiny", "smapling.top_p=1"],
            "smapling: no such setting; did you mean 'sampling'?",
        ),
        (["arithmetic", "model.path=tiny", "sampling.top_p=2"], "sampling.top_p: "),
        (
            ["arithmetic", "model.path=tiny", "env.digit=2"],
            "has no option 'digit'; possible: split, seed, digits",
        ),
        (["arithmetic", "model.path=tiny", "env.id=gsm8k"], "the environment is named once"),
        (["arithmetic", "model.path=tiny", "tiny"], "no environment 'tiny'"),
        (["arithmetic", "model.path=tiny", "arithmetic"], "'arithmetic' is named twice"),
        (["model.path=tiny"], "which environment?"),
        (["arithmetic", "model.path=tiny", "model=tiny"], "settings look like key.sub=value"),
        (["arithmetic", "model.path=tiny", "--k", "1;4"], "--k takes whole numbers with commas between them"),
        (
            ["arithmetic", "model.path=tiny", "--limit", "2", "--n", "2", "--k", "4"],
            "every k between 1 and the 2",
        ),
        (["arithmetic", "model.path=tiny"], "'arithmetic' has no end of tasks: set a limit"),
        (["arithmetic", "model.path=./nowhere", "--limit", "2"], "nowhere"),
        (
            ["arithmetic", "model.path=./nowhere", "--limit", "2", "--until-half-width", "2"],
            "--until-half-width must lie between 0 and 0.5",
        ),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_sampled(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not list(tmp_path.rglob("samples.jsonl"))


def test_unscored_samples_show_their_number_their_cause_and_the_bounds(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    say = lambda prompt, sample: "crash" if sample == 3 else prompt.messages[0].content  # noqa: E731
    result = rg.evaluate(
        echo_env(4),
        ScriptedGenerator(say),
        n=4,
        k=(1, 4),
        max_unscored_share=0.25,
        sampling=rg.SamplingParams(),
    )
    report(result, tmp_path, planned=4, until=0.4)
    out = capsys.readouterr().out
    assert "stopped  with all 4 tasks done: for some k, no task has so many scored samples" in out
    rows = [line.replace("│", " ").split() for line in out.splitlines() if "pass@" in line]
    assert rows[0][3:] == ["1.0000", "0.5101", "to", "1.0000", "0.7500", "1.0000", "4"]
    assert rows[1] == ["pass@4", "nan", "nan", "to", "nan", "1.0000", "1.0000", "0"]
    assert "unscored  4: FunctionVerifier failed: VerifierFault: the sandbox is down" in out


@pytest.mark.parametrize(("cut_off", "text", "advised"), [(3, "", True), (3, "no", False), (1, "", False)])
def test_answers_that_are_missing_because_most_samples_were_cut_off_are_said_so(cut_off, text, advised):
    def say(prompt: rg.GenerationRequest, sample: int) -> rg.Completion:
        ended = rg.FinishReason.LENGTH if sample < cut_off else rg.FinishReason.STOP
        return rg.Completion(
            text=text, token_ids=(1,), logprobs=(0.0,), prompt_token_ids=(1,), finish_reason=ended
        )

    result = rg.evaluate(
        echo_env(2), ScriptedGenerator(say), n=4, k=(1,), sampling=rg.SamplingParams(max_tokens=9)
    )
    said = [line for line in advice(result) if "75.0% of the completions were cut off at 9 tokens" in line]
    assert bool(said) is advised


def test_several_environments_run_in_one_call_and_end_in_one_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    code, out, err = run(
        capsys, "arithmetic", "reverse", "--model", "tiny", "env.style=symbols", "arithmetic.digits=1",
        "sampling.max_tokens=4", "--limit", "5", "--n", "4", "--k", "1,4", "--out", "both",
    )  # fmt: skip
    assert code == 0, err
    assert "rlvr/Arithmetic-v0, tiny: 5 tasks x 4 samples" in out
    assert "rlvr/Reverse-v0, tiny: 5 tasks x 4 samples" in out
    table = out[out.index("all environments") :]
    assert all(word in table for word in ("pass@1", "pass@4", "truncated", "arithmetic", "reverse", "5 x 4"))
    options = {
        name: read_samples(tmp_path / "both" / name / "samples.jsonl")[0].options
        for name in ("arithmetic", "reverse")
    }
    assert options == {
        "arithmetic": {"split": "test", "style": "symbols", "digits": 1},
        "reverse": {"split": "test", "style": "symbols"},
    }


def test_all_environments_are_checked_before_the_first_is_sampled(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "arithmetic", "ambiguous", "--model", "tiny", "--limit", "2", "--k", "64")
    assert code == 2
    assert "arithmetic: pass@k needs every k between 1 and the 1 samples per task, not 64" in err
    code, _, err = run(capsys, "arithmetic", "reverse", "--model", "tiny", "--limit", "2", "reverse.digit=3")
    assert code == 2
    assert "environment 'reverse' has no option 'digit'" in err
    assert not list(tmp_path.rglob("samples.jsonl"))


def test_sampling_until_the_interval_is_tight_says_where_it_stopped(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    asked = ("arithmetic", "--model", "tiny", "sampling.max_tokens=2", "--n", "1", "--majority", "--limit")
    code, out, _ = run(capsys, *asked, "100", "--until-half-width", "0.2", "--out", "enough")
    assert code == 0
    assert "32 tasks x 1 samples" in out
    assert "stopped  at 32 of 100 tasks: no half-width is above 0.05" in out
    assert yaml.safe_load(Path("enough/config.yaml").read_text())["until_half_width"] == 0.2
    code, out, _ = run(capsys, *asked, "10", "--until-half-width", "0.01", "--out", "small")
    assert "stopped  with all 10 tasks done and a half-width of 0.1388: 0.01 takes more tasks" in out


PROGRESS = Progress(
    tasks=20, tasks_done=5, samples=80, samples_done=24, samples_resumed=4, completion_tokens=2_000,
    pass_at_1=0.5, interval=Interval(low=0.25, high=0.75),
)  # fmt: skip


def test_the_live_line_says_how_far_how_good_how_fast_and_how_long():
    # 20 samples in 10 s, and 56 are left
    assert facts(PROGRESS, 10.0, 2000) == [
        "5 of 20 tasks", "pass@1 0.500 (0.250 to 0.750)", "200 tokens/s", "0:00:28 left",
    ]  # fmt: skip


def test_a_log_gets_a_line_now_and_then_where_a_terminal_has_the_live_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.05)
    log = io.StringIO()
    with Display("arithmetic", Console(file=log)) as display:
        display.show(PROGRESS)
        time.sleep(0.4)
    assert log.getvalue().startswith("arithmetic  5 of 20 tasks  pass@1 0.500 (0.250 to 0.750)  ")


@pytest.mark.parametrize("width", [30, 60, 80, 110, 160])
def test_the_live_lines_are_whole_on_narrow_terminals_too(width: int):
    terminal = io.StringIO()
    with Display("arithmetic", Console(file=terminal, force_terminal=True, width=width)) as display:
        display.show(PROGRESS)
    seen = "".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue()).split())
    assert "24of80samples" in seen
    assert ("━━━" in seen) == (width >= 60)
    assert re.search(r"5of20taskspass@10\.500\(0\.250to0\.750\)[\d,]+tokens/s0:00:00left", seen)


def test_the_live_lines_count_tokens_of_samples_that_are_not_finished(monkeypatch: pytest.MonkeyPatch):
    class Counting(ScriptedGenerator):
        tokens_sampled = 700

    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.05)
    log, generator = io.StringIO(), Counting(coin(0.5))
    with Display("arithmetic", Console(file=log), generator=generator) as display:
        display.show(dataclasses.replace(PROGRESS, completion_tokens=0))
        generator.tokens_sampled += 10**9
        time.sleep(0.4)
    told = re.search(r"([\d,]+) tokens/s", log.getvalue())
    assert told is not None
    assert 10**9 < int(told[1].replace(",", "")) < 10**11


def test_a_log_has_a_sign_of_life_while_no_sample_comes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.05)
    log = io.StringIO()
    with Display("arithmetic", Console(file=log)):
        time.sleep(0.4)
    said = log.getvalue().splitlines()
    assert len(said) >= 2
    assert said[0] == "arithmetic  sampling  0:00:00 gone"


STOPPED_BY_HAND = """
import itertools
import rlvr_gym as rg

judged = itertools.count(1)

def check(task, completion):
    if next(judged) == 6:
        raise KeyboardInterrupt  # as from a Ctrl-C meanwhile
    return False

@rg.register("acme/Stopped-v0")
def build(split="train", seed=0):
    asked = [rg.Task(id=str(n), prompt=f"Say {n}.", reference=n) for n in range(5)]
    tasks = rg.TaskSet.from_tasks(asked, name="stopped", split=split)
    return rg.Environment(tasks, rg.FunctionVerifier(check))
"""


def test_an_evaluation_that_is_stopped_says_what_it_kept_and_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "stopped_tasks.py").write_text(STOPPED_BY_HAND)
    monkeypatch.chdir(tmp_path)
    command = ["eval", "stopped_tasks.py:stopped", "--model", "tiny", "sampling.max_tokens=4", "--n", "2"]
    with pytest.raises(SystemExit) as exited:
        main([*command, "--out", "kept"])
    assert exited.value.code == 130
    held = len(read_samples(tmp_path / "kept" / "samples.jsonl"))
    *_, kept, last = capsys.readouterr().err.splitlines()
    assert last == "interrupted"
    assert kept.endswith(f"stopped; {held} of 10 samples are kept in kept, and the same command resumes")
