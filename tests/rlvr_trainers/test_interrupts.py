"""Ctrl-C: at once where nothing is lost by it, else at the next check; the second time wherever it comes."""

import os
import signal
import threading

import pytest
from rlvr_trainers.run.interrupts import Interrupts


def press(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_waits_for_the_check(number: int) -> None:
    with Interrupts() as interrupts:
        press(number)
        reached = True
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert reached


def test_a_stop_is_granted_at_once_where_anything_may_be_broken_off() -> None:
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.at_once():
        press()


def test_a_stop_asked_for_earlier_keeps_what_may_be_broken_off_from_starting() -> None:
    with Interrupts() as interrupts:
        press()
        with pytest.raises(KeyboardInterrupt), interrupts.at_once():
            pytest.fail("started")


def test_a_second_request_raises_wherever_it_comes() -> None:
    with Interrupts():
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_after_what_may_be_broken_off_a_stop_waits_again() -> None:
    with Interrupts() as interrupts:
        with interrupts.at_once():
            pass
        press()
        assert interrupts.requested


def test_patient_interrupts_never_raise_but_at_the_check() -> None:
    with Interrupts(patient=True) as interrupts:
        press()
        press()
        with interrupts.at_once():
            press()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_handlers_are_put_back_also_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError), Interrupts():
        raise ZeroDivisionError
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_on_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    found = []

    def work() -> None:
        with Interrupts() as interrupts:
            interrupts.check()
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]
