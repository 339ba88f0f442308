"""The command that installs an optional part, as an installer's own note says where this distribution came from."""

from pathlib import Path

import pytest
from rlvr_sandbox.installing import command, pip_install


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (None, "pip install 'rlvr-gym[train]'"),
        ({"url": "file:///src/gym", "dir_info": {"editable": True}}, "pip install -e '/src/gym[train]'"),
        ({"url": "file:///src/gym", "dir_info": {}}, "pip install '/src/gym[train]'"),
        (
            {"url": "file:///src/my%20gym", "dir_info": {"editable": True}},
            "pip install -e '/src/my gym[train]'",
        ),
        ({"url": "file:///here", "dir_info": {"editable": True}}, "pip install -e '.[train]'"),
        (
            {"url": "https://host/gym", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "pip install 'rlvr-gym[train] @ git+https://host/gym@abc'",
        ),
        ({"url": "file:///gym.whl", "archive_info": {}}, "pip install 'rlvr-gym[train] @ file:///gym.whl'"),
    ],
)
def test_an_extra_is_installed_from_where_the_package_came_from(noted: dict | None, said: str) -> None:
    assert command("train", noted, here=Path("/here")) == said


def test_in_a_clone_the_command_names_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Path(__file__).parents[2]
    monkeypatch.chdir(clone)
    inside = pip_install("train")
    monkeypatch.chdir(tmp_path)
    outside = pip_install("train")
    if inside != "pip install 'rlvr-gym[train]'":  # installed from a registry, as a user's own is
        assert inside == "pip install -e '.[train]'"
        assert outside == f"pip install -e '{clone}[train]'"
