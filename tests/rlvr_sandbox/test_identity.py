import sys

import pytest
from rlvr_sandbox import SandboxUnavailable
from rlvr_sandbox.identity import identity, package_version


def test_the_bubblewrap_is_named_by_this_package_its_python_and_its_packages():
    try:
        said = identity("bubblewrap")
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    assert said is not None
    assert said.startswith(f"{package_version()} bubblewrap: Python {sys.version}")
    assert said == identity("bubblewrap")


def test_the_docker_sandbox_is_named_by_its_image():
    try:
        said = identity("docker")
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    assert said is not None
    assert said.startswith(f"{package_version()} docker")
    assert ": image sha256:" in said


@pytest.mark.parametrize("many", ["ray", "ssh://a,ssh://b"])
def test_machines_that_may_differ_have_no_one_name(many):
    assert identity(many) is None


def test_what_cannot_be_opened_cannot_be_named_either():
    with pytest.raises(SandboxUnavailable, match="no backend 'nosuch'"):
        identity("nosuch")
