"""Destinations of metrics."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_trainers.run.tracking import Hosted, MetricsFile, TensorBoard, refuse_missing

from rlvr_gym import ConfigError
from rlvr_gym.files import read_lines

LIBRARY = """
calls = []
def init(**settings): calls.append(("init", settings))
def log(metrics, step): calls.append(("log", step, metrics))
def finish(): calls.append(("finish",))
"""


@pytest.fixture
def hosted_library(tmp_path: Path) -> Iterator[str]:
    """A module with the interface that W&B and trackio share, recording what it is told."""
    (tmp_path / "recording_tracker.py").write_text(LIBRARY)
    sys.path.insert(0, str(tmp_path))
    yield "recording_tracker"
    sys.path.remove(str(tmp_path))
    del sys.modules["recording_tracker"]


def test_a_tracker_that_is_not_installed_is_refused_with_how_to_get_it() -> None:
    with pytest.raises(
        ConfigError, match="asks for no_such_tracker, which is missing: pip install no_such_tracker"
    ):
        refuse_missing(["json", "no_such_tracker"])
    refuse_missing(["json"])


def test_a_hosted_tracker_is_told_the_settings_every_step_and_the_end(hosted_library: str) -> None:
    tracker = Hosted(hosted_library, "my-run", {"seed": 0})
    tracker.log(3, {"reward/mean": 0.5})
    tracker.close()
    assert sys.modules[hosted_library].calls == [
        ("init", {"project": "rlvr-gym", "name": "my-run", "config": {"seed": 0}}),
        ("log", 3, {"reward/mean": 0.5}),
        ("finish",),
    ]


def test_the_metrics_file_has_a_line_a_step_whatever_an_earlier_crash_left(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "x": 1.0}\n{"step": 2, "x"')
    MetricsFile(path).log(2, {"x": 2.0})
    assert list(read_lines(path)) == [{"step": 1, "x": 1.0}, {"step": 2, "x": 2.0}]


def test_tensorboard_forgets_what_a_resumed_run_does_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = TensorBoard(tmp_path, first_step=0)
    for step in range(5):
        first.log(step, {"x": float(step)})
    first.close()
    time.sleep(1.1)  # event files are read in the order of the seconds that they were begun in
    second = TensorBoard(tmp_path, first_step=3)
    second.log(3, {"x": 30.0})
    second.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("x")] == [(0, 0), (1, 1), (2, 2), (3, 30)]
