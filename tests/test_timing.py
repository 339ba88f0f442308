import time

import pytest

from tests.timing import at_most


def busy(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_what_takes_too_long_fails_and_says_how_long_it_took():
    with pytest.raises(AssertionError, match=r"the loop took \d\.\d\d s at"), at_most(0.01, "the loop"):
        busy(0.5)


def test_what_is_quick_passes():
    with at_most(1.0):
        busy(0.01)
