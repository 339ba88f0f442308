import gc
import os
import random
import sys
import threading

from rlvr_sandbox.image.forks import rehearsal
from rlvr_sandbox.image.stand_ins import proxies, standing


def test_a_rehearsal_leaves_nothing_but_what_python_remembers():
    def found():
        return (
            sys.getrecursionlimit(),
            random.getstate(),
            dict(os.environ),
            set(sys.modules),
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            sum(issubclass(type(each), proxies.Asks) for each in gc.get_objects()),
            sys.stdout,
        )

    proxies.speak_for(proxies.Asks())
    gc.collect()
    before = found()
    rehearsal.rehearse()
    gc.collect()
    assert found() == before
    assert type(proxies._side) is proxies.Asks
    assert not standing._asked_for


def test_a_rehearsal_runs_the_whole_way_from_question_to_verdict(monkeypatch):
    asked = []
    judge = rehearsal.tests.judge
    monkeypatch.setattr(rehearsal.tests, "judge", lambda *given: asked.append(judge(*given)) or asked[-1])
    rehearsal.rehearse()
    assert asked == [[{"outcome": "passed", "reason": ""}] * 3] * 10
