"""A Ray cluster as one sandbox: two real nodes on this machine, one of which is lost in the middle."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest
from rlvr_sandbox import (
    Limits,
    Program,
    ProgramOutcome,
    Sandbox,
    SandboxClosed,
    SandboxUnavailable,
    StdioTest,
    StdioTests,
)
from rlvr_sandbox.backends.choice import choose
from rlvr_sandbox.errors import SandboxError

pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlvr-gym[ray]'")

import ray
from ray.cluster_utils import Cluster
from rlvr_sandbox.ray import RayPool, RaySessions

SUM = Program(
    source="print(sum(map(int, input().split())))",
    tests=StdioTests(tests=(StdioTest(input="1 2 3", expected="6"), StdioTest(input="5", expected="5"))),
)
SLOW = Program(
    source="import time; time.sleep(0.3); print(input())",
    tests=StdioTests(tests=(StdioTest(input="x", expected="x"),)),
)
# Ray's own warnings about its defaults, and sockets and files that it leaves to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.long]


def why_not() -> str | None:
    try:
        for backend in choose("auto", allow_unsafe=False):
            backend.close()
    except SandboxError as error:
        return str(error)
    return None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def pool(cluster: Any) -> Iterator[RayPool]:
    with contextlib.closing(RayPool(slots=1)) as pool:
        yield pool


def test_programs_are_judged_on_the_nodes(pool: RayPool):
    wrong = Program(source="print(0)", tests=SUM.tests)
    futures = [pool.submit(program) for program in [SUM, wrong] * 10]
    outcomes = [future.result(timeout=60).outcome for future in futures]
    assert outcomes == [ProgramOutcome.PASSED, ProgramOutcome.FAILED] * 10


def test_a_checker_travels_with_its_program(pool: RayPool):
    tests = StdioTests(
        tests=(StdioTest(input="9", expected=""),), checker=lambda given, _, output: int(output) > int(given)
    )
    assert pool.submit(Program(source="print(int(input()) + 1)", tests=tests)).result(60).reward == 1.0
    assert pool.submit(Program(source="print(int(input()) - 1)", tests=tests)).result(60).reward == 0.0


def test_a_node_is_sent_no_more_than_it_can_begin_soon(pool: RayPool):
    futures = [pool.submit(SLOW) for _ in range(8)]
    time.sleep(0.2)
    waiting = len(pool._waiting)
    assert waiting >= 8 - 3
    assert [future.result(timeout=60).outcome for future in futures] == [ProgramOutcome.PASSED] * 8


def test_a_session_keeps_its_names_on_its_node(pool: RayPool):
    session = RaySessions(pool).open(Limits(wall_seconds=10.0))
    assert session.execute("x = 20").outcome is ProgramOutcome.PASSED
    assert session.execute("print(x + 1)").stdout == "21\n"
    session.close()


def test_ray_is_a_backend_by_its_name(cluster: Any):
    with Sandbox.open_sync("ray", slots=1) as box:
        assert box.run(SUM).reward == 1.0
        assert box.session().execute("1 + 1").outcome is ProgramOutcome.PASSED


def test_a_node_that_joins_is_used_and_when_it_is_lost_its_programs_run_elsewhere(
    cluster: Any, pool: RayPool
):
    second = cluster.add_node(num_cpus=1)
    deadline = time.monotonic() + 60
    while sum(node.room > 0 for node in pool._nodes.values()) < 2:
        assert time.monotonic() < deadline, "the node that joined is not used"
        time.sleep(0.1)
    futures = [pool.submit(SLOW) for _ in range(30)]
    while sum(future.done() for future in futures) < 6:
        time.sleep(0.05)
    cluster.remove_node(second, allow_graceful=False)
    results = [future.result(timeout=120) for future in futures]
    assert [result.outcome for result in results] == [ProgramOutcome.PASSED] * 30
    assert sum(result.retries > 0 for result in results) >= 1


def test_closing_ends_what_waits_and_what_runs(cluster: Any):
    pool = RayPool(slots=1)
    futures = [pool.submit(SLOW) for _ in range(12)]
    time.sleep(0.2)
    pool.close()
    pool.close()
    for future in futures:
        with pytest.raises((SandboxClosed, CancelledError)):
            future.result(timeout=0)
    with pytest.raises(SandboxClosed):
        pool.submit(SUM)


def test_a_cluster_whose_nodes_have_no_sandbox_is_refused_with_the_reason(cluster: Any):
    with pytest.raises(SandboxUnavailable, match=r"(?s)no node of the Ray cluster.*no backend 'moonbase'"):
        RayPool("moonbase")
