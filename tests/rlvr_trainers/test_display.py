"""What is printed of a run: nothing, a few short lines, or a live bar."""

import io
import time

import pytest
from rich.console import Console
from rlvr_trainers.run import display as display_module
from rlvr_trainers.run.display import Display

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
    monkeypatch.setattr(display_module, "SILENCE_SECONDS", 0.05)
    display, out = plain()
    display.start("training", 10, done=3)
    time.sleep(0.4)
    display.stop()
    said = out.getvalue().splitlines()
    assert len(said) >= 2
    assert said[0] == "training 3 of 10 steps done after 0:00"
    time.sleep(0.2)
    assert out.getvalue().splitlines() == said
