"""The Ray cluster that is joined."""

import socket
from pathlib import Path

import pytest
from rlvr_sandbox.errors import SandboxUnavailable
from rlvr_sandbox.ray_address import running_cluster


def test_auto_is_the_cluster_that_runs_here_and_not_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert running_cluster() == "local"
    (tmp_path / "ray").mkdir()
    record = tmp_path / "ray" / "ray_current_cluster"
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        record.write_text(f"{address}\n")
        assert running_cluster() == address
        monkeypatch.setenv("RAY_ADDRESS", address)
        record.write_text("127.0.0.1:1")
        assert running_cluster() == address
        monkeypatch.delenv("RAY_ADDRESS")
        assert running_cluster() == "local"


def test_an_address_that_is_named_and_where_nobody_listens_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(OSError, match="refused"):
        running_cluster()
    with pytest.raises(ValueError, match="nowhere"):
        running_cluster("nowhere")


def test_a_pool_of_a_cluster_that_was_killed_is_refused_at_once(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlvr-gym[ray]'")
    from rlvr_sandbox.ray import RayPool

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(SandboxUnavailable, match=r"no Ray cluster answers at 127\.0\.0\.1:1"):
        RayPool()
