"""Checkpoints: whole or not at all, the last few and the best."""

import errno
from pathlib import Path

import pytest
import torch
from rlvr_trainers.run.checkpoints import Checkpoints

from rlvr_gym import TrainingError


def write_model(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weights")


def save(checkpoints: Checkpoints, step: int, best: int | None = None) -> None:
    state = {"step": step, "best": {"step": best, "score": 1.0} if best is not None else None}
    checkpoints.save(step, write_model, {"moments": torch.arange(3.0)}, state)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 5)
    tensors, state = checkpoints.load(5)
    assert torch.equal(tensors["moments"], torch.arange(3.0))
    assert state == {"step": 5, "best": None}
    assert (checkpoints.path(5) / "model.bin").read_bytes() == b"weights"


def test_the_last_two_and_the_best_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in range(1, 7):
        save(checkpoints, step, best=min(step, 2))
    assert checkpoints.steps() == [2, 5, 6]


def test_a_disk_that_fills_up_leaves_the_earlier_checkpoints_and_says_where_it_resumes(
    tmp_path: Path,
) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1)

    def fill_the_disk(folder: Path) -> None:
        (folder / "model.bin").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TrainingError, match=r"step 2.*No space left.*MB free.*resumes from step 1"):
        checkpoints.save(2, fill_the_disk, {}, {})
    assert checkpoints.steps() == [1]
    assert not list(checkpoints.folder.glob(".*"))


def test_a_checkpoint_half_written_when_the_process_died_is_no_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1)
    (checkpoints.folder / ".step-2.tmp").mkdir()
    assert checkpoints.steps() == [1]
    save(checkpoints, 2)
    assert checkpoints.steps() == [1, 2]


def test_an_unreadable_checkpoint_says_what_to_delete(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 3)
    (checkpoints.path(3) / "optimizer.pt").write_bytes(b"garbage")
    with pytest.raises(TrainingError, match=r"step-3.*delete that folder to resume from an earlier one"):
        checkpoints.load(3)


def test_loading_never_unpickles_objects(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1)
    torch.save({"moments": Path("x")}, checkpoints.path(1) / "optimizer.pt")
    with pytest.raises(TrainingError):
        checkpoints.load(1)


@pytest.mark.parametrize("left_over", [".step-2.old", ".step-9.tmp"])
def test_what_a_killed_process_left_half_deleted_or_half_written_is_cleared_away(
    tmp_path: Path, left_over: str
) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 2)
    (checkpoints.folder / left_over).mkdir()
    (checkpoints.folder / left_over / "model.bin").write_bytes(b"weights")
    checkpoints.clear_away()
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-2"]


def test_a_half_deleted_checkpoint_does_not_keep_a_run_from_beginning_anew(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 2)
    (checkpoints.folder / ".step-2.old").mkdir()
    (checkpoints.folder / ".step-2.old" / "model.bin").write_bytes(b"weights")
    checkpoints.clear()
    assert not list(checkpoints.folder.iterdir())
