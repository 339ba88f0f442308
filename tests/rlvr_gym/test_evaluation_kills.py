"""Evaluations that are killed: SIGKILL at any moment, a second process, Ctrl-C."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rlvr_gym as rg
from rlvr_gym.evaluation import read_samples
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env

pytestmark = pytest.mark.long

SAMPLING = rg.SamplingParams(temperature=0.6, max_tokens=16)

KILLED_OFTEN = """
import os, random, signal, sys, time
import yaml  # so that the children need not
sys.path.insert(0, {root!r})
import rlvr_gym as rg
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env

say = coin(0.5)
def slowly(prompt, sample):
    time.sleep(0.002 * {concurrency})  # as many samples a second whoever draws them
    return say(prompt, sample)

def run():
    rg.evaluate(echo_env(60), ScriptedGenerator(slowly, concurrency={concurrency}), n=4, k=(1, 4),
                sampling=rg.SamplingParams(temperature=0.6, max_tokens=16), run_dir=sys.argv[1])

file, rng = sys.argv[1] + "/samples.jsonl", random.Random(1)
size = lambda: os.path.getsize(file) if os.path.exists(file) else 0
for _ in range(20):
    enough = size() + rng.randrange(5_000)
    child = os.fork()
    if child == 0:
        run()
        os._exit(0)
    while size() < enough and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, 0.005))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(size())
run()
"""


def without_time(file: Path) -> list[dict]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for row in rows:
        del row["seconds"], row["judging_seconds"]
    return sorted(rows, key=lambda row: (row["task"], row["sample"]))


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_killed_twenty_times_ends_with_the_file_of_one_never_killed(tmp_path: Path, concurrency: int):
    script = KILLED_OFTEN.format(root=str(Path(__file__).parents[2]), concurrency=concurrency)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    done = subprocess.run(
        [sys.executable, "-c", script, str(killed)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    sizes = [int(line) for line in done.stdout.split()]
    assert len(sizes) == 20
    assert len(set(sizes)) > 10
    rg.evaluate(echo_env(60), ScriptedGenerator(coin(0.5)), n=4, k=(1, 4), sampling=SAMPLING, run_dir=whole)
    assert without_time(killed / "samples.jsonl") == without_time(whole / "samples.jsonl")
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (killed, whole)]
    for summary in summaries:
        del summary["seconds"]
    assert summaries[0] == summaries[1]


SLOW = """
import sys, time
sys.path.insert(0, {root!r})
import rlvr_gym as rg
from tests.rlvr_gym.scripted import ScriptedGenerator, coin, echo_env
say = coin(0.5)
def slowly(prompt, sample):
    time.sleep(0.01)
    return say(prompt, sample)
rg.evaluate(echo_env(500), ScriptedGenerator(slowly, concurrency=2), n=4,
            sampling=rg.SamplingParams(temperature=0.6, max_tokens=16), run_dir=sys.argv[1])
"""


def test_a_second_process_is_refused_the_folder_and_loses_nothing_of_it(tmp_path: Path):
    script = SLOW.format(root=str(Path(__file__).parents[2]))
    with (tmp_path / "errors.txt").open("w") as errors:
        first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=errors)
    file = tmp_path / "samples.jsonl"
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(rg.ConfigError, match="another process is evaluating into"):
        rg.evaluate(echo_env(500), ScriptedGenerator(coin(0.5)), n=4, sampling=SAMPLING, run_dir=tmp_path)
    first.send_signal(signal.SIGINT)
    assert first.wait(timeout=30) != 0
    assert "KeyboardInterrupt" in (tmp_path / "errors.txt").read_text()
    held = read_samples(file)
    assert 0 < len(held) < 2000
    generator = ScriptedGenerator(coin(0.5), concurrency=2)
    result = rg.evaluate(echo_env(500), generator, n=4, sampling=SAMPLING, run_dir=tmp_path)
    assert (len(result.samples), generator.sampled) == (2000, 2000 - len(held))


def test_a_disk_without_room_tears_no_line_in_the_middle(tmp_path: Path):
    """A write that stops halfway leaves half a line, which the next one removes."""
    arguments = {"n": 4, "sampling": SAMPLING, "run_dir": tmp_path}
    rg.evaluate(echo_env(6), ScriptedGenerator(coin(0.5)), limit=2, **arguments)
    file = tmp_path / "samples.jsonl"
    with file.open("rb+") as half:
        half.truncate(os.path.getsize(file) - random.Random(0).randrange(20, 200))
    result = rg.evaluate(echo_env(6), ScriptedGenerator(coin(0.5)), **arguments)
    assert len(result.samples) == len(file.read_text().splitlines()) == 24
