"""Rows of chat files: which conversations they hold, and what is said of those that hold none."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from rlvr_trainers.data.conversations import conversations, said_in

from rlvr_gym import ConfigError, DataError, Task

USER, SAID = {"role": "user", "content": "1+1="}, {"role": "assistant", "content": "2"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[tuple[list[str], list[str]]]:
    """Roles and contents of each row: of the prompt, and of all that follows."""

    def told(messages: Any) -> list[str]:
        return [f"{message.role}: {message.content}" for message in messages]

    def pair(task: Task) -> tuple[list[str], list[str]]:
        (said,) = said_in(task)
        return told(task.prompt), told(said.messages)

    return [pair(task) for task in conversations(str(path)).tasks]


def refused(path: Path, *said: str) -> None:
    """Reading fails in one line that says all of this."""
    with pytest.raises((DataError, ConfigError)) as refusal:
        conversations(str(path))
    assert "\n" not in str(refusal.value)
    for part in said:
        assert part in str(refusal.value)


def test_a_row_is_cut_where_the_assistant_begins_and_where_it_ends(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Add."}
    row = {"messages": [system, USER, SAID, {"role": "user", "content": "sure?"}, SAID, USER], "source": "x"}
    assert read(write(tmp_path / "chat.jsonl", row)) == [
        (["system: Add.", "user: 1+1="], ["assistant: 2", "user: sure?", "assistant: 2"])
    ]


def test_prompts_with_completions_are_conversations_too(tmp_path: Path) -> None:
    rows = [{"prompt": "1+1=", "completion": "2"}, {"prompt": [USER], "completion": [SAID]}]
    assert read(write(tmp_path / "chat.jsonl", *rows)) == [(["user: 1+1="], ["assistant: 2"])] * 2


def test_parts_of_text_are_joined_and_null_fields_are_no_fields(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "1="}]
    row = {
        "messages": [{**USER, "content": parts, "name": None}, {**SAID, "tool_calls": None}],
        "tools": None,
    }
    assert read(write(tmp_path / "chat.jsonl", row)) == [(["user: 1+1="], ["assistant: 2"])]


def test_rows_that_are_alike_are_several_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", *[{"messages": [USER, SAID]}] * 3)
    assert conversations(str(path)).tasks.size == 3


@pytest.mark.parametrize("name", ["chat.jsonl.gz", "chat.parquet"])
def test_other_kinds_of_files_hold_the_same_rows(name: str, tmp_path: Path) -> None:
    row, path = {"messages": [USER, SAID]}, tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(json.dumps(row).encode() + b"\n"))
    else:
        parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    assert read(path) == [(["user: 1+1="], ["assistant: 2"])]


def test_another_row_is_another_set(tmp_path: Path) -> None:
    one = conversations(str(write(tmp_path / "a.jsonl", {"messages": [USER, SAID]})))
    other = conversations(str(write(tmp_path / "b.jsonl", {"messages": [USER, {**SAID, "content": "3"}]})))
    assert one.tasks.fingerprint != other.tasks.fingerprint


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": [USER]}, "no turn of the assistant says anything"),
        ({"messages": []}, "no turn of the assistant says anything"),
        ({"messages": [USER, {**SAID, "content": " \n"}]}, "no turn of the assistant says anything"),
        ({"messages": [SAID, USER, SAID]}, "begins with a turn of the assistant"),
        ({"messages": "1+1=2"}, "`messages` is str, not a list"),
        ({"messages": None}, "no `messages`, nor `prompt` and `completion`; the row has nothing"),
        ({"prompt": "1+1="}, "no `messages`, nor `prompt` and `completion`; the row has prompt"),
        ({"text": "1+1=2"}, "the row has text"),
        ({"messages": [USER, {"role": "gpt", "content": "2"}]}, "messages.1.role: Input should be 'system'"),
        ({"messages": [USER, {"role": "assistant"}]}, "messages.1.content: Field required"),
        ({"messages": [USER, {**SAID, "content": 2}]}, "messages.1.content: Input should be a valid string"),
        ({"messages": [USER, {**SAID, "tool_calls": [{}]}]}, "messages.1.tool_calls: Extra inputs"),
        ({"messages": [USER, "2"]}, "messages.1: Input should be"),
        ({"messages": [USER, SAID], "tools": [{"name": "add"}]}, "it has `tools`"),
    ],
)
def test_a_row_that_is_no_conversation_is_named_with_its_line(row: Any, said: str, tmp_path: Path) -> None:
    good = {"messages": [USER, SAID]}
    refused(write(tmp_path / "chat.jsonl", good, row), "chat.jsonl, line 2: ", said)


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    refused(write(tmp_path / "chat.jsonl"), "chat.jsonl holds no conversations: it is empty")
    (tmp_path / "blank.jsonl").write_text("\n\n")
    refused(tmp_path / "blank.jsonl", "it is empty")


def test_files_that_are_not_there_or_of_another_kind_are_named(tmp_path: Path) -> None:
    refused(tmp_path / "none.jsonl", "none.jsonl", "No such file")
    refused(tmp_path / "chat.txt", "chat.txt", "must end in .jsonl, .jsonl.gz, .parquet, .json, .csv")
    (tmp_path / "broken.jsonl").write_text('{"messages": [\n')
    refused(tmp_path / "broken.jsonl", "broken.jsonl, line 1 is broken")
