import datetime
import decimal
import gzip
import importlib
import itertools
import json

import pytest

from rlvr_gym import ConfigError, DataError, Message, Task, TaskSet
from rlvr_gym.seeding import derive_seed


def to_task(row):
    return Task(id=row.get("id", ""), prompt=row["prompt"], reference=row["answer"])


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def load(path, **row):
    return TaskSet.from_path(path, to_task, name="mine", split="train")


def number(rng, low=0, high=9):
    drawn = rng.randint(low, high)
    return Task(id=f"n{drawn}", prompt=f"Say {drawn}.", reference=drawn)


def test_a_prompt_given_as_text_is_one_user_message():
    task = Task(prompt="1 + 1?", reference="2")
    assert task.prompt == (Message(role="user", content="1 + 1?"),)
    assert task.text == "1 + 1?"


def test_the_text_of_a_conversation_is_its_messages_with_a_blank_line_between():
    task = Task(prompt=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}])
    assert task.text == "Be brief.\n\n1 + 1?"


def test_a_task_without_an_id_gets_one_made_of_prompt_and_reference():
    task = Task(prompt="1 + 1?", reference="2")
    assert task.id == Task(prompt="1 + 1?", reference="2", metadata={"level": 1}).id
    assert task.id != Task(prompt="1 + 1?", reference="3").id
    assert task.id != Task(prompt=[{"role": "system", "content": "1 + 1?"}], reference="2").id
    assert len(task.id) == 16


def test_a_task_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Task(prompt="1 + 1?").id = "other"


def test_rows_of_a_file_are_found_by_position_and_by_id(tmp_path):
    tasks = load(
        write(tmp_path / "a.jsonl", *({"id": f"t{i}", "prompt": f"{i}?", "answer": i} for i in range(3)))
    )
    assert tasks.size == 3
    assert tasks[1] is tasks["t1"]
    assert [task.reference for task in tasks] == [0, 1, 2]
    assert [task.id for task in tasks.take(2)] == ["t0", "t1"]
    assert len(tasks.take(None)) == len(tasks.take(10)) == 3


def test_what_is_not_in_a_collection_is_named_with_what_is(tmp_path):
    tasks = load(write(tmp_path / "a.jsonl", {"id": "t0", "prompt": "?", "answer": 0}))
    with pytest.raises(IndexError, match=r"'mine' has tasks 0 to 0, not 1"):
        tasks[1]
    with pytest.raises(IndexError, match="not -1"):
        tasks[-1]
    with pytest.raises(KeyError, match=r"no task 't9' in 'mine', which has 1 tasks"):
        tasks["t9"]


def test_compressed_lines_and_parquet_hold_the_same_tasks_as_plain_lines(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    rows = [{"prompt": f"½ of {i}?", "answer": i / 2} for i in range(3)]
    plain = load(write(tmp_path / "a.jsonl", *rows))
    with gzip.open(tmp_path / "a.jsonl.gz", "wb") as file:
        file.write((tmp_path / "a.jsonl").read_bytes())
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    compressed, columns = load(tmp_path / "a.jsonl.gz"), load(tmp_path / "a.parquet")
    assert list(plain) == list(compressed) == list(columns)
    assert plain.fingerprint == compressed.fingerprint == columns.fingerprint


def test_nothing_is_read_before_the_first_access(tmp_path):
    path = tmp_path / "later.jsonl"
    tasks = load(path)
    write(path, {"prompt": "?", "answer": 1})
    assert tasks.size == 1


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"cannot read tasks from nowhere/a\.jsonl: No such file"):
        _ = load("nowhere/a.jsonl").size
    with pytest.raises(DataError, match=r"cannot read tasks from nowhere/a\.parquet"):
        _ = load("nowhere/a.parquet").size


def test_a_file_of_another_kind_is_refused_with_the_kinds_that_work():
    with pytest.raises(ConfigError, match=r"must end in \.jsonl, \.jsonl\.gz, \.parquet, \.json, \.csv"):
        load("tasks.txt")


GOOD = '{"prompt": "?", "answer": 1}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + '{"prompt": "!", "answer"\n' + GOOD, "line 2 is broken"),
        (GOOD + '\n{"prompt": "!", "ans', "line 3 is incomplete"),
        (GOOD + "[1, 2]\n", "line 2: expected a JSON object, found list"),
        (GOOD + '{"prompt": "!"}\n', "line 2: no field 'answer'; the row has prompt"),
        (GOOD + '{"prompt": 5, "answer": 1}\n', "line 2: not a task of 'mine'"),
        (GOOD + '{"prompt": [], "answer": 1}\n', "line 2: not a task of 'mine'"),
        (GOOD + '{"prompt": "\\ud800", "answer": 1}\n', "line 2 is broken"),
        (GOOD + "[" * 100_000 + "\n", "line 2 is broken"),
        (GOOD + "9" * 5000 + "\n", "line 2 is broken"),
        (GOOD + GOOD, r"line 2: task id '[0-9a-f]{16}' already stands at .*line 1"),
        ("\n", r"'mine' holds no tasks"),
    ],
)
def test_a_line_that_is_not_a_task_is_named_by_number(tmp_path, text, message):
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        _ = load(path).size


def test_a_line_that_is_not_utf8_is_named_by_number(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD.encode() + '{"prompt": "½", "answer": 1}\n'.encode("latin-1"))
    with pytest.raises(DataError, match="line 2 is broken: 'utf-8' codec"):
        _ = load(path).size


def test_a_byte_order_mark_is_no_part_of_the_first_task(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load(path).size == 1


def test_a_byte_order_mark_alone_is_a_blank_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + GOOD.encode())
    assert load(path).size == 1


def test_lines_end_with_a_newline_and_with_nothing_else(tmp_path):
    path = tmp_path / "a.jsonl"
    text = "one\u2028two\u2029three\x85four"
    rows = [json.dumps({"prompt": text, "answer": i}, ensure_ascii=False) for i in range(2)]
    path.write_bytes("\r\n".join([*rows, "", ""]).encode())
    assert [task.text for task in load(path)] == [text, text]


def test_fields_of_messages_that_hold_nothing_are_left_out(tmp_path):
    messages = [
        {"role": "system", "content": "Be brief.", "name": None, "tool_calls": None},
        {"role": "user", "content": "2 + 2?", "name": None, "tool_calls": None},
    ]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = importlib.import_module("pyarrow").Table.from_pylist([{"prompt": messages, "answer": "4"}])
    parquet.write_table(table, tmp_path / "a.parquet")
    (task,) = load(tmp_path / "a.parquet")
    assert task.prompt == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="2 + 2?"),
    )
    with pytest.raises(DataError, match="tool_calls"):
        _ = load(
            write(tmp_path / "b.jsonl", {"prompt": [{**messages[1], "tool_calls": []}], "answer": 4})
        ).size
    with pytest.raises(DataError, match="content"):
        _ = load(
            write(tmp_path / "c.jsonl", {"prompt": [{"role": "user", "content": None}], "answer": 4})
        ).size


def test_columns_of_every_kind_become_json_values(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = importlib.import_module("pyarrow")
    moment = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    row = {
        "prompt": "?",
        "answer": decimal.Decimal("1.50"),
        "date": datetime.date(2024, 5, 6),
        "moment": moment,
        "time": datetime.time(7, 8),
        "duration": datetime.timedelta(seconds=90),
        "text": "gr\u00fcn".encode(),
        "bytes": b"\xff\x00",
        "nested": {"at": [moment], "none": None, "deep": {"data": b"x"}},
        "pairs": [("a", 1)],
        "nan": float("nan"),
    }
    schema = pyarrow.Table.from_pylist([{k: v for k, v in row.items() if k != "pairs"}]).schema
    schema = schema.append(pyarrow.field("pairs", pyarrow.map_(pyarrow.string(), pyarrow.int64())))
    parquet.write_table(pyarrow.Table.from_pylist([row], schema=schema), tmp_path / "a.parquet")

    def with_metadata(row):
        return Task(prompt=row.pop("prompt"), reference=row.pop("answer"), metadata=row)

    tasks = TaskSet.from_path(tmp_path / "a.parquet", with_metadata, name="mine", split="train")
    assert tasks[0].reference == "1.50"
    metadata = dict(tasks[0].metadata)
    assert str(metadata.pop("nan")) == "nan"
    assert metadata == {
        "date": "2024-05-06",
        "moment": "2024-05-06T07:08:09+00:00",
        "time": "07:08:00",
        "duration": 90.0,
        "text": "gr\u00fcn",
        "bytes": "/wA=",
        "nested": {"at": ["2024-05-06T07:08:09+00:00"], "none": None, "deep": {"data": "x"}},
        "pairs": [["a", 1]],
    }
    assert len(tasks.fingerprint) == 16


def test_an_archive_that_breaks_off_is_named_with_the_last_line_it_holds(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = "".join(json.dumps({"prompt": f"{derive_seed(i)}", "answer": i}) + "\n" for i in range(2000))
    path.write_bytes(gzip.compress(lines.encode())[:-4000])
    with pytest.raises(DataError, match=r"a\.jsonl\.gz breaks off after line \d{3,}"):
        _ = load(path).size
    path.write_bytes(b"not an archive")
    with pytest.raises(DataError, match="Not a gzipped file"):
        _ = load(path).size


def test_a_task_with_duplicate_id_in_memory_is_refused():
    with pytest.raises(DataError, match="task 2: task id 'a' already stands at task 1"):
        _ = TaskSet.from_tasks([Task(id="a", prompt="1"), Task(id="a", prompt="2")], name="mine").size


def test_the_fingerprint_changes_with_anything_in_any_task():
    def fingerprint(**changes):
        task = {"id": "a", "prompt": "1 + 1?", "reference": 2, "metadata": {"level": 1}, **changes}
        return TaskSet.from_tasks([Task(**task), Task(prompt="?")], name="mine").fingerprint

    prints = [
        fingerprint(),
        fingerprint(id="b"),
        fingerprint(prompt="1 + 1 = ?"),
        fingerprint(reference="2"),
        fingerprint(metadata={"level": 2}),
    ]
    assert len(set(prints)) == 5
    assert fingerprint() == prints[0]


def test_splits_of_a_generator_share_no_task_whatever_the_seeds():
    def ids(split, seed):
        tasks = TaskSet.procedural("numbers", number, split=split, seed=seed, high=9999)
        return {task.id for task in itertools.islice(tasks, 1000)}

    train, test = ids("train", 0) | ids("train", 1), ids("test", 0) | ids("test", 1)
    assert not train & test
    assert len(ids("train", 0) & ids("train", 1)) < 200


def test_about_a_fifth_of_all_possible_tasks_is_held_out():
    test = TaskSet.procedural("numbers", number, split="test", high=999).take(1000)
    train = TaskSet.procedural("numbers", number, split="train", high=999).take(1000)
    assert len(test) + len(train) == 1000
    assert 150 < len(test) < 250


def test_a_generated_task_depends_on_its_index_only():
    def tasks():
        return TaskSet.procedural("numbers", number, seed=5, high=10**9)

    assert tasks()[17] == next(itertools.islice(tasks(), 17, None))
    assert tasks()[17] != tasks()[18]


def test_taking_from_a_small_domain_ends_with_all_of_it():
    tasks = TaskSet.procedural("numbers", number, split="train", high=9)
    assert 5 <= len({task.id for task in tasks.take(1000)}) <= 9


def test_an_endless_collection_asks_how_many_to_take():
    with pytest.raises(ConfigError, match="say how many"):
        TaskSet.procedural("numbers", number).take(None)


def test_a_generated_task_is_found_by_its_id():
    tasks = TaskSet.procedural("numbers", number, high=9999)
    assert tasks[tasks[300].id].id == tasks[300].id
    assert tasks[tasks[3].id].id == tasks[3].id
    with pytest.raises(KeyError, match="no task 'x' among the first 20,000 of 'numbers'"):
        tasks["x"]


def test_a_generator_has_two_splits():
    with pytest.raises(ConfigError, match="the splits 'train' and 'test', not 'dev'"):
        TaskSet.procedural("numbers", number, split="dev")


def test_a_split_without_any_task_says_so():
    tasks = TaskSet.procedural("numbers", number, split="test", high=0)
    other = TaskSet.procedural("numbers", number, split="train", high=0)
    empty = tasks if derive_seed("numbers", "n0") % 5 else other
    with pytest.raises(DataError, match="has no tasks in its split"):
        empty[0]


def test_the_fingerprint_of_a_generator_changes_with_its_settings():
    def fingerprint(**settings):
        return TaskSet.procedural("numbers", number, **settings).fingerprint

    assert fingerprint() == fingerprint()
    assert len({fingerprint(), fingerprint(seed=1), fingerprint(split="test"), fingerprint(high=99)}) == 4


def test_seeds_of_neighbouring_streams_have_nothing_in_common():
    assert derive_seed("a", 0, 1) != derive_seed("a", 1, 0)
    assert derive_seed("1") != derive_seed(1)
    assert derive_seed("a", "b") != derive_seed("ab")
    assert 0 <= derive_seed("anything") < 2**63


@pytest.fixture
def hub(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "hub"
    folder.mkdir()
    return folder


def test_a_local_folder_in_hub_format_is_read_by_split(hub):
    write(hub / "train.jsonl", {"prompt": "1?", "answer": 1})
    write(hub / "test.jsonl", {"prompt": "2?", "answer": 2}, {"prompt": "3?", "answer": 3})
    tasks = TaskSet.from_hub(str(hub), to_task, name="mine", split="test", config="main")
    assert [task.reference for task in tasks] == [2, 3]


def test_a_folder_without_the_split_or_with_a_broken_file_says_what_is_there(hub):
    write(hub / "train.jsonl", {"prompt": "1?", "answer": 1})
    with pytest.raises(DataError, match=r"split 'test'.*Unknown split"):
        _ = TaskSet.from_hub(str(hub), to_task, name="mine", split="test").size
    write(hub / "train.jsonl", {"question": "1?", "answer": 1})
    with pytest.raises(DataError, match=r"row 1: no field 'prompt'; the row has answer, question"):
        _ = TaskSet.from_hub(str(hub), to_task, name="mine", split="train").size
    (hub / "train.jsonl").write_text('{"prompt": "1?", "ans')
    with pytest.raises(DataError, match="cannot load"):
        _ = TaskSet.from_hub(str(hub), to_task, name="mine", split="train").size


@pytest.mark.parametrize(
    ("layout", "config"),
    [
        ("{config}/{split}-00000-of-00001.jsonl", "main"),
        ("{config}/{split}/0000.jsonl", "main"),
        ("data/{split}-00000-of-00001.jsonl", "main"),
        ("{split}.jsonl", None),
    ],
)
def test_a_folder_without_a_readme_has_its_folders_as_configurations(hub, layout, config):
    for configuration in ("main", "other"):
        for split in ("train", "test"):
            path = hub / layout.format(config=configuration, split=split)
            path.parent.mkdir(parents=True, exist_ok=True)
            name = configuration if "{config}" in layout else "main"
            write(path, {"prompt": f"{name} {split}?", "answer": 1})
    tasks = TaskSet.from_hub(str(hub), to_task, name="mine", split="test", config=config)
    assert [task.text for task in tasks] == ["main test?"]


def test_a_readme_says_where_the_files_of_a_configuration_are(hub):
    write(hub / "a.jsonl", {"prompt": "main?", "answer": 1})
    write(hub / "b.jsonl", {"prompt": "other?", "answer": 1})
    configs = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {file}.jsonl\n"
        for name, file in (("main", "a"), ("other", "b"))
    )
    (hub / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    tasks = TaskSet.from_hub(str(hub), to_task, name="mine", split="test", config="main")
    assert [task.text for task in tasks] == ["main?"]


def test_what_datasets_saved_to_disk_is_read_by_split(hub):
    datasets = importlib.import_module("datasets")
    rows = datasets.Dataset.from_list([{"prompt": "1?", "answer": 1}])
    datasets.DatasetDict({"test": rows}).save_to_disk(hub / "several")
    rows.save_to_disk(hub / "one")
    for name in ("several", "one"):
        tasks = TaskSet.from_hub(str(hub / name), to_task, name="mine", split="test")
        assert [task.text for task in tasks] == ["1?"]
    with pytest.raises(DataError, match="it has the splits test"):
        _ = TaskSet.from_hub(str(hub / "several"), to_task, name="mine", split="train").size


def test_parts_of_text_are_one_message_and_other_parts_are_refused():
    parts = [{"type": "text", "text": "2 + "}, {"type": "text", "text": "2?"}]
    assert Task(prompt=[{"role": "user", "content": parts}], reference="4").text == "2 + 2?"  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="content"):
        Message(role="user", content=[{"type": "image", "url": "a.png"}])  # pyright: ignore[reportArgumentType]
