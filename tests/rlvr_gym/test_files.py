import gzip
import json
import os

import pyarrow
import pyarrow.parquet as parquet
import pytest

from rlvr_gym import files
from rlvr_gym.errors import DataError
from rlvr_gym.files import append_lines, drop_torn_line, keep_lines, lines_of, read_lines, write_atomically
from rlvr_gym.rows import FILE_SUFFIXES, reader_of


def test_replacing_a_file_leaves_its_new_content_and_nothing_else(tmp_path):
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    write_atomically(path, "new ½")
    assert path.read_text(encoding="utf-8") == "new ½"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_write_that_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "state.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_lines(path, [{"a": "line\nbreak, \u2028 and ½"}])
    append_lines(path, [{"b": 1}, {"c": None}])
    assert list(read_lines(path)) == [{"a": "line\nbreak, \u2028 and ½"}, {"b": 1}, {"c": None}]


def test_a_torn_last_line_is_not_read_and_the_next_row_is_written_in_its_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n{"a": 3')
    assert list(read_lines(path)) == [{"a": 1}, {"a": 2}]
    append_lines(path, [{"a": 4}])
    assert list(read_lines(path)) == [{"a": 1}, {"a": 2}, {"a": 4}]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a"')
    drop_torn_line(path)
    assert path.read_text() == ""


def test_a_file_that_is_not_there_has_no_rows(tmp_path):
    assert list(read_lines(tmp_path / "none.jsonl")) == []
    drop_torn_line(tmp_path / "none.jsonl")


def test_a_broken_line_before_the_last_is_named_by_number(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a":\n{"a": 3}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl, line 2 is broken"):
        list(read_lines(path))


def test_a_row_with_half_a_surrogate_pair_does_not_end_the_run(tmp_path):
    path = tmp_path / "rows.jsonl"
    append_lines(path, [{"text": "a\ud800b"}])
    assert list(read_lines(path)) == [{"text": "a\ud800b"}]


def test_a_file_is_cut_down_to_the_rows_that_are_wanted(tmp_path):
    path = tmp_path / "rows.jsonl"
    keep_lines(path, lambda row: True)
    assert not path.exists()
    append_lines(path, [{"step": step} for step in range(4)])
    keep_lines(path, lambda row: row["step"] < 2)
    assert list(read_lines(path)) == [{"step": 0}, {"step": 1}]


def open_files(path):
    """The descriptors of this process that are open on a file."""
    return [
        fd
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(link := f"/proc/self/fd/{fd}") and os.path.realpath(link) == os.path.realpath(path)
    ]


def test_lines_are_all_read_however_few_are_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_READ_AT_ONCE", 7)
    (tmp_path / "a.txt").write_bytes(b"one\n\n" + b"long " * 9 + b"\r\nlast")
    assert list(lines_of(tmp_path / "a.txt")) == [b"one\n", b"\n", b"long " * 9 + b"\r\n", b"last"]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are listed in /proc, as on Linux")
@pytest.mark.parametrize("suffix", FILE_SUFFIXES)
def test_a_reader_that_stops_after_a_row_leaves_no_file_open(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    write_rows(path, [{"a": 1}, {"a": 2}])
    rows = reader_of(path)(path)
    _, row = next(rows)
    assert int(row["a"]) == 1
    assert open_files(path) == []
    with path.open():
        assert len(open_files(path)) == 1  # an open one is seen


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are listed in /proc, as on Linux")
def test_a_reader_that_stops_leaves_its_own_files_closed(tmp_path):
    append_lines(tmp_path / "a.jsonl", [{"a": 1}, {"a": 2}])
    rows = read_lines(tmp_path / "a.jsonl")
    assert next(rows) == {"a": 1}
    assert open_files(tmp_path / "a.jsonl") == []


def write_rows(path, rows):
    """Write rows in the format that the file's name says."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif path.name.endswith(".csv"):
        path.write_text("a\n" + "".join(f"{row['a']}\n" for row in rows))
    else:
        path.write_text(json.dumps(rows) if path.name.endswith(".json") else text)
