"""Output of a run: nothing, a few short lines, or a live bar."""

import io
import re
import time

import pytest
from rich.console import Console
from rlvr_trainers.run.display import Display

from rlvr_gym.cli.display import live
from tests.rlvr_gym.scripted import ScriptedGenerator, coin

METRICS = {
    "reward/mean": 0.25,
    "pass_rate/all": 0.5,
    "groups/degenerate_share": 0.125,
    "tokens_per_second/generate": 12345.6,
    "eval/pass@1": 0.142,
}


def plain() -> tuple[Display, io.StringIO]:
    """A display whose output is no terminal: 80 columns, as for a pipe."""
    out = io.StringIO()
    return Display(Console(file=out, width=80)), out


@pytest.mark.parametrize("total", [1, 7, 20, 39, 100, 1000])
def test_a_run_prints_at_most_about_twenty_lines_and_always_the_last(total: int) -> None:
    display, out = plain()
    display.start("training", total)
    for step in range(1, total + 1):
        display.trained(step, METRICS)
    display.stop()
    lines = out.getvalue().splitlines()
    assert len(lines) == min(total, len(lines)) <= 21
    assert lines[-1].startswith(f"training step {total}/{total}  reward +0.250  pass 0.500")


def test_a_step_is_one_line_however_narrow_the_output() -> None:
    display, out = plain()
    display.start("training", 100, done=90)
    display.trained(95, METRICS)
    assert out.getvalue() == (
        "training step 95/100  reward +0.250  pass 0.500  degenerate 0.12  12,346 tok/s  held-out 0.142\n"
    )


def test_brackets_in_a_path_are_printed_as_they_stand() -> None:
    display, out = plain()
    display.say("resuming runs/[red]x[/red] after step 3")
    assert out.getvalue() == "resuming runs/[red]x[/red] after step 3\n"


def test_a_batch_of_which_nothing_was_judged_shows_no_pass_rate() -> None:
    display, out = plain()
    display.start("training", 1)
    display.trained(1, {k: v for k, v in METRICS.items() if k != "pass_rate/all"})
    assert "pass -  " in out.getvalue()


def test_without_a_console_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    display.start("training", 1)
    display.trained(1, METRICS)
    display.say("done")
    display.stop()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_the_latest_figures() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=160, force_terminal=True))
    display.start("training", 4)
    display.trained(4, METRICS)
    display.stop()
    assert "4/4" in out.getvalue()
    assert "held-out 0.142" in out.getvalue()


def test_a_step_in_which_everything_failed_is_told_once_with_what_to_do() -> None:
    display, out = plain()
    display.start("training", 100)
    failed = METRICS | {"groups/degenerate_share": 1.0, "truncation/share": 1.0, "outcome/malformed": 1.0}
    for step, metrics in enumerate((METRICS, failed, failed), start=1):
        display.trained(step, metrics)
    assert [line.partition(":")[0] for line in out.getvalue().splitlines()] == ["step 2"] * 3
    assert "raise sampling.max_tokens" in out.getvalue()


def test_a_log_has_a_sign_of_life_within_a_step_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.05)
    display, out = plain()
    display.start("training", 10, done=3)
    display.phase("generate")
    display.samples(12, 64, 3000)
    time.sleep(0.4)
    display.stop()
    said = out.getvalue().splitlines()
    assert len(said) >= 2
    assert re.fullmatch(
        r"training: 3 of 10 steps done; sampling 12 of 64 samples [\d,]+ tok/s 0:00:00 0:00:0\d left; 0:00:00 gone",
        said[0],
    )
    time.sleep(0.2)
    assert out.getvalue().splitlines() == said


def test_tokens_are_told_while_a_call_of_the_generator_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(ScriptedGenerator):
        tokens_sampled = 500

    monkeypatch.setattr(live, "SILENCE_SECONDS", 0.05)
    (display, out), generator = plain(), Counting(coin(0.5))
    display.watch(generator)
    display.start("training", 10)
    display.phase("generate")
    assert "tok/s" not in display.doing
    generator.tokens_sampled += 1_000_000
    time.sleep(0.2)
    assert re.search(r"sampling  [\d,]+ tok/s", display.doing)
    display.phase("update")
    assert "tok/s" not in display.doing
    display.stop()
    assert re.search(r"sampling [\d,]+ tok/s", out.getvalue())


def shown(width: int, *, phase: str = "generate") -> str:
    """Return what a terminal of that width shows during a step, without colours."""
    out = io.StringIO()
    display = Display(Console(file=out, width=width, force_terminal=True))
    display.start("training", 100, done=10)
    display.trained(20, METRICS)
    display.phase(phase)
    display.samples(64, 256, 3000)
    display.stop()
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_terminal_of_any_width_shows_the_run_the_phase_and_the_last_step(width: int) -> None:
    seen = "".join(shown(width).split())
    assert "20/100" in seen
    assert "━" in seen
    assert "sampling64of256samples" in seen
    assert "held-out0.142" in seen


@pytest.mark.parametrize(
    ("phase", "told"),
    [("verify", "judging"), ("score", "scoring"), ("update", "updating"), ("evaluate", "evaluating")],
)
def test_every_phase_of_a_step_is_told_by_what_is_done_in_it(phase: str, told: str) -> None:
    assert f"{told} 64 of 256 samples" in shown(80, phase=phase)


def test_judging_goes_on_with_the_count_of_sampling() -> None:
    display = Display(Console(file=io.StringIO(), force_terminal=True))
    display.start("training", 1)
    display.phase("generate")
    display.samples(3, 8, 30)
    display.phase("verify")
    assert display.doing == "judging 3 of 8 samples  0:00:00  0:00:00 left"
    display.phase("update")
    assert display.doing == "updating  0:00:00"
    display.stop()


def test_time_goes_on_being_told_while_a_step_computes() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=80, force_terminal=True))
    display.start("training", 10)
    display.phase("generate")
    time.sleep(2.2)
    display.stop()
    assert len(set(re.findall(r"\d:\d\d:\d\d", out.getvalue()))) >= 2


def test_a_display_asked_for_each_step_has_a_line_of_each() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, width=80), each_step=True)
    display.start("training", 100)
    for step in range(1, 101):
        display.trained(step, METRICS)
    display.stop()
    assert len(out.getvalue().splitlines()) == 100
