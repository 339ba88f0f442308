import os
import signal
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("any machine", deadline=None)  # how long an example takes is no claim
hypothesis.settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a shell script: what tests start and interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Keeps what is remembered of solutions out of the user's cache, also in the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLVR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def runs_programs():
    """Asks for a sandbox that works here."""
    from rlvr_sandbox import SandboxUnavailable

    from rlvr_gym.verifiers.code import shared_sandbox

    try:
        return shared_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"no program can be run here: {error}")


@pytest.fixture(scope="session")
def real_data():
    """The folder of published datasets that RLVR_DATA names."""
    if not os.environ.get("RLVR_DATA"):
        pytest.skip("RLVR_DATA does not name a folder with gsm8k/, math500/ and the others as published")
    return Path(os.environ["RLVR_DATA"])
