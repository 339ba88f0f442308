import subprocess
import sys

from rlvr_gym.memory import peak_memory_bytes

TELL = "from rlvr_gym.memory import peak_memory_bytes; held = bytearray({}); print(peak_memory_bytes())"


def told_by_a_process_that_holds(count: int) -> int:
    command = [sys.executable, "-c", TELL.format(count)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


def test_a_process_is_not_charged_with_the_memory_of_the_one_that_started_it():
    here = bytearray(600 << 20)
    assert peak_memory_bytes() > len(here)
    assert told_by_a_process_that_holds(0) < 300 << 20


def test_memory_that_was_given_back_counts():
    bytearray(400 << 20)
    assert peak_memory_bytes() > 400 << 20
    assert told_by_a_process_that_holds(400 << 20) > 400 << 20
