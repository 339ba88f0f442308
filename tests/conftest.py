import signal

import hypothesis
import pytest

hypothesis.settings.register_profile("any machine", deadline=None)  # how long an example takes is no claim
hypothesis.settings.load_profile("any machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a shell script: what tests start and interrupt would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def runs_programs():
    """Asks for a sandbox that works here."""
    from rlvr_sandbox import SandboxUnavailable

    from rlvr_gym.verifiers.code import shared_sandbox

    try:
        return shared_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"no program can be run here: {error}")
