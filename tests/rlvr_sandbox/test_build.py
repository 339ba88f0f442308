"""The image is made from bases of all sorts, without a network, and failures come with the tool's last words."""

import contextlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rlvr_sandbox.backends.docker import DockerBackend
from rlvr_sandbox.engines import build as recipe
from rlvr_sandbox.engines.build import LABEL, build, image_tag
from rlvr_sandbox.engines.engine import Engine
from rlvr_sandbox.errors import BuildFailed, SandboxUnavailable
from rlvr_sandbox.image.version import supervisor_version

from tests.rlvr_sandbox.engines import Dockerd, needs_own_engine, shared_daemon, small_engine

pytestmark = [needs_own_engine, pytest.mark.long]


@pytest.fixture(scope="module")
def daemon() -> Dockerd:
    return shared_daemon()


@pytest.fixture
def engine(daemon: Dockerd) -> Iterator[Engine]:
    with contextlib.closing(Engine(daemon.host)) as engine:
        yield engine


@pytest.fixture(scope="module")
def base(daemon: Dockerd) -> str:
    """An image with Python 3.11: the one that is there already, under another name."""
    with contextlib.closing(Engine(daemon.host)) as engine:
        engine.api.tag(image_tag(), "rlvr-test-base", "1")
    return "rlvr-test-base:1"


def test_the_image_is_named_and_labelled_after_the_supervisor_that_it_holds(engine: Engine, base: str):
    said: list[str] = []
    engine.api.remove_image(image_tag(), force=True, noprune=True)
    assert build(engine, base_from=base, packages=(), say=said.append) == image_tag()
    assert image_tag().endswith(f":{supervisor_version()}")
    assert engine.api.inspect_image(image_tag())["Config"]["Labels"][LABEL] == supervisor_version()
    assert any(line.startswith("Successfully tagged") for line in said)
    with contextlib.closing(DockerBackend(engine.host)) as backend:
        channel = backend.start()
        assert supervisor_version().encode() in channel.read()
        channel.kill()


def test_no_file_of_the_image_gives_privileges_or_may_be_written_by_programs(engine: Engine, base: str):
    build(engine, base_from=base, packages=())
    find = "find / -xdev -type f ( -perm /6000 -o -path /opt/rlvr/* -perm /022 )"
    command = ["docker", "--host", engine.host, "run", "--rm", "--network=none", "--entrypoint=", image_tag()]
    assert subprocess.run([*command, *find.split()], capture_output=True, check=True).stdout == b""


def test_a_base_without_python_fails_with_what_the_engine_said(engine: Engine, tmp_path: Path):
    tar = tmp_path / "empty.tar"
    with tarfile.open(tar, "w") as file:
        file.addfile(tarfile.TarInfo("nothing"), io.BytesIO())
    with pytest.raises(BuildFailed, match=r"(?s)the build from .* failed; it last said:.*/bin/sh"):
        build(engine, base_from=str(tar), packages=())


def test_a_base_that_cannot_be_had_fails_with_what_the_engine_said(engine: Engine):
    with pytest.raises(BuildFailed, match="the build from rlvr-not-there:1 failed"):
        build(engine, base_from="rlvr-not-there:1", packages=())


def test_a_root_file_system_that_is_not_there_is_named(engine: Engine):
    with pytest.raises(BuildFailed, match=r"there is no file /nowhere/base.tar"):
        build(engine, base_from="/nowhere/base.tar", packages=())


def test_a_package_that_pip_does_not_find_is_named(
    engine: Engine, base: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BuildFailed, match=r"(?s)pip \(status 1\) failed.*no-such-package-of-anyone"):
        build(engine, base_from=base, packages=("no-such-package-of-anyone",))


def test_a_missing_tool_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildFailed, match="mmdebstrap is not installed on this machine"):
        build(engine, base_from="debian", packages=())


def test_a_disk_that_fills_during_the_build_is_named(base: str, daemon: Dockerd, tmp_path: Path):
    with small_engine(40) as small, contextlib.closing(Engine(daemon.host)) as theirs:
        container = theirs.api.create_container(base)["Id"]
        tar = tmp_path / "base.tar"
        with tar.open("wb") as file:
            for chunk in theirs.api.export(container):
                file.write(chunk)
        theirs.api.remove_container(container)
        with (
            contextlib.closing(Engine(small.host)) as engine,
            pytest.raises(SandboxUnavailable, match="no room left on its disk"),
        ):
            build(engine, base_from=str(tar), packages=())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mmdebstrap") is None, reason="mmdebstrap is not installed")
def test_an_image_is_made_on_the_spot_from_debian_packages(engine: Engine):
    said: list[str] = []
    build(engine, base_from="debian", say=said.append)
    assert any("making a base of Debian" in line for line in said)
    with contextlib.closing(DockerBackend(engine.host)) as backend:
        channel = backend.start()
        assert b"numpy" in channel.read()
        channel.kill()
    said.clear()
    build(engine, base_from="debian", say=said.append)
    assert any(f"docker rmi {recipe.DEBIAN_BASE}" in line for line in said)
