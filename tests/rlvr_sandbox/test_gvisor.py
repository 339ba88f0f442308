"""gVisor is used where the engine has it and it works, and is not pretended where it does not."""

import contextlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator

import pytest
from rlvr_sandbox import Program, ProgramOutcome, Sandbox, StdioTest, StdioTests, Trust
from rlvr_sandbox.backends.docker import DockerBackend

from tests.rlvr_sandbox.engines import Dockerd, needs_own_engine, shared_daemon

RUNSC = shutil.which("runsc")

pytestmark = [
    needs_own_engine,
    pytest.mark.skipif(RUNSC is None, reason="runsc, the runtime of gVisor, is not installed"),
]


@pytest.fixture(scope="module")
def engine_with() -> Iterator[Callable[..., Dockerd]]:
    """The tests' own engine, with `runsc` given these arguments."""
    daemon = shared_daemon()

    def start(*arguments: str) -> Dockerd:
        daemon.kill()
        config = daemon.folder / "daemon.json"
        config.write_text(
            json.dumps({"runtimes": {"runsc": {"path": RUNSC, "runtimeArgs": list(arguments)}}})
        )
        daemon.start(f"--config-file={config}")
        return daemon

    yield start
    daemon.kill()
    daemon.start()


def test_programs_run_behind_gvisor_where_the_engine_has_it(engine_with: Callable[..., Dockerd]):
    daemon = engine_with("--network=none")
    program = Program(
        source="print(open('/proc/version').read().split()[0], 2 * int(input()))",
        tests=StdioTests(tests=(StdioTest(input="21", expected="Linux 42"),)),
    )
    with Sandbox.open_sync(DockerBackend(daemon.host), slots=1) as box:
        result = box.run(program)
    assert (result.outcome, result.trust, result.backend) == (
        ProgramOutcome.PASSED,
        Trust.MICROVM,
        "docker-gvisor",
    )
    with contextlib.closing(DockerBackend(daemon.host, runtime="runc")) as backend:
        assert backend.trust is Trust.CONTAINER


def test_an_engine_whose_gvisor_does_not_start_is_used_without_it_and_says_so(
    engine_with: Callable[..., Dockerd], caplog: pytest.LogCaptureFixture
):
    daemon = engine_with("--no-such-option")
    with contextlib.closing(DockerBackend(daemon.host)) as backend:
        assert backend.trust is Trust.CONTAINER
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "gVisor is configured but does not work, so programs run without it" in warnings[0]
