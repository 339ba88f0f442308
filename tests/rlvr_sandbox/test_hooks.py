"""Work that modules want done after a fork is put off."""

import subprocess
import sys

SCRIPT = """
import os
from rlvr_sandbox.image.forks.hooks import PutOff

put_off = PutOff()
order = []
os.register_at_fork(after_in_child=lambda: order.append("first"))
os.register_at_fork(before=lambda: order.append("before"), after_in_child=lambda: order.append("second"))

def in_a_fork():
    pid = os.fork()
    if pid == 0:
        print(*order, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)

in_a_fork()
put_off.register()
os.register_at_fork(after_in_child=lambda: order.append("third"))
in_a_fork()
"""


def test_hooks_that_were_put_off_run_in_their_order_once_they_are_registered():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert run.stdout == "\nbefore first second third\n"
