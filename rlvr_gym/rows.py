"""Rows of stored tasks, from files (JSONL, JSON, CSV, Parquet) and hub datasets, each with its place.

Rows hold JSON values. Dates and times are written in ISO 8601, durations as seconds, decimals as their digits, bytes
as their text if they are UTF-8 and otherwise in base64. A row that cannot be read is a DataError that names the
file, and the line or row if there is one.
"""

from __future__ import annotations

import base64
import codecs
import csv
import datetime
import decimal
import gzip
import io
import json
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rlvr_gym.errors import ConfigError, DataError, HubUnreached
from rlvr_gym.files import Json, lines_of

Row = dict[str, Any]

DATA_SUFFIXES = {".jsonl", ".json", ".parquet", ".csv", ".arrow"}
"""Suffixes of the files of a folder in the hub's format; more suffixes, such as .gz, may follow."""
FILE_SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet", ".json", ".csv")
"""Suffixes of the files that are read by themselves."""


def reader_of(path: Path) -> Callable[[Path], Iterator[tuple[str, Row]]]:
    """The reader of a file with one of the `FILE_SUFFIXES`. Raises ConfigError for any other name."""
    readers = dict(
        zip(FILE_SUFFIXES, (jsonl_rows, jsonl_rows, parquet_rows, json_rows, csv_rows), strict=True)
    )
    for suffix, reader in readers.items():
        if path.name.endswith(suffix):
            return reader
    raise ConfigError(f"cannot read tasks from {path}: the name must end in {', '.join(FILE_SUFFIXES)}")


def jsonl_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The objects of a `.jsonl` or `.jsonl.gz` file, one a line; blank lines are passed over."""
    try:
        for number, line in enumerate(_unzipped(path) if path.suffix == ".gz" else lines_of(path), start=1):
            if line.removeprefix(codecs.BOM_UTF8).strip():
                place = f"{path}, line {number}"
                yield place, _json_object(place, line)
    except OSError as error:
        raise DataError(f"cannot read tasks from {path}: {error.strerror or error}") from error


def _unzipped(path: Path) -> list[bytes]:
    lines = []
    try:
        with gzip.open(path, "rb") as file:
            lines.extend(file)
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} breaks off after line {len(lines)}: {error}") from error
    return lines


def json_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The objects of a `.json` file, which is one list of them."""
    try:
        rows = json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DataError(f"cannot read tasks from {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is broken: {error}") from error
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of JSON objects, found {type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, row {number}: expected a JSON object, found {type(row).__name__}")
        yield f"{path}, row {number}", row


def csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a `.csv` file whose first row names the columns; every value is text."""
    try:
        lines = io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")
        for number, row in enumerate(csv.DictReader(lines, strict=True), start=1):
            if None in row or None in row.values():
                raise DataError(f"{path}, row {number}: it has not as many values as there are columns")
            yield f"{path}, row {number}", dict(row)
    except OSError as error:
        raise DataError(f"cannot read tasks from {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is broken: {error}") from error


def _json_object(place: str, line: bytes) -> Row:
    try:
        row = json.loads(line.decode("utf-8-sig"))
        json.dumps(row, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        state = "is broken" if line.endswith(b"\n") else "is incomplete"
        raise DataError(f"{place} {state}: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return row


def parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of a `.parquet` file."""
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise ConfigError(f"reading .parquet needs pyarrow: {_install_hub()}") from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read tasks from {path}: {error}") from error
    for number, row in enumerate(rows, start=1):
        place = f"{path}, row {number}"
        yield place, _json_values(place, row)


def hub_rows(repo: str, config: str | None, split: str) -> Iterator[tuple[str, Row]]:
    """The rows of a split of a Hugging Face hub dataset, or of a local folder in the hub's format."""
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"reading '{repo}' from the hub needs datasets: {_install_hub()}; "
            "or give a local file with data=PATH"
        ) from error
    _refuse_folder_without_data(repo)
    folder = Path(repo).expanduser()
    try:
        rows = _folder_split(datasets, folder, config, split) if folder.is_dir() else None
    except (OSError, ValueError, DatasetsError) as error:
        why = str(error).partition("\n")[0]
        raise DataError(
            f"cannot load the folder '{repo}' (split '{split}'): {why}; name a file in it"
        ) from error
    if rows is None:
        rows = _hub_split(datasets, repo, config, split)
    for number, row in enumerate(rows, start=1):
        place = f"{repo} ({split}), row {number}"
        yield place, _json_values(place, dict(row))


def _folder_split(datasets: Any, folder: Path, config: str | None, split: str) -> Any:
    """The split of a folder in the hub's format."""
    if _is_saved(folder):
        return _saved(datasets.load_from_disk(folder), split)
    known = config in datasets.get_dataset_config_names(str(folder))
    # Without a README that names them, the configurations of a folder are the folders in it.
    inner = config if config and not known and (folder / config).is_dir() else None
    return datasets.load_dataset(str(folder), config if known else None, data_dir=inner, split=split)


def _hub_split(datasets: Any, repo: str, config: str | None, split: str) -> Any:
    """The split of a hub dataset: as it is there, or as it was stored here where the hub is not reached."""
    from rlvr_gym.hub import is_of_connection, stored_if_unreached

    unreached = None
    try:
        with stored_if_unreached() as unreached:
            return datasets.load_dataset(repo, config, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        if unreached or is_of_connection(error):
            raise HubUnreached(
                f"cannot load '{repo}' (split '{split}'): {unreached or 'the hub gives nothing'}, and it is not stored "
                "here; a local file, or a folder in the hub's format, works with data=PATH"
            ) from error
        raise DataError(
            f"cannot load '{repo}' (split '{split}') from the hub: {error}; a local file works with data=PATH"
        ) from error


def _is_saved(folder: Path) -> bool:
    """It holds what a dataset's `save_to_disk` writes."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _saved(saved: Any, split: str) -> Any:
    """The split of what `save_to_disk` wrote: a dataset of one split, or several by name."""
    if not isinstance(saved, dict):
        return saved
    if split not in saved:
        raise ValueError(f"it has the splits {', '.join(saved)}")
    return saved[split]


def _json_values(place: str, row: Row) -> Row:
    try:
        return {str(name): _json_value(value) for name, value in row.items()}
    except TypeError as error:
        raise DataError(f"{place}: {error}") from error


def _json_value(value: object) -> Json:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {str(key): _json_value(one) for key, one in value.items()}
        case list() | tuple():
            return [_json_value(one) for one in value]
        case datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case bytes():
            return _text_of(value)
        case _:
            raise TypeError(f"a {type(value).__name__} is no value that a task can hold")


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")


def _refuse_folder_without_data(repo: str) -> None:
    folder = Path(repo).expanduser()
    if not folder.is_dir() or _is_saved(folder):
        return
    for path in folder.rglob("*"):
        if DATA_SUFFIXES.intersection(path.suffixes):
            return
    raise DataError(
        f"the folder '{repo}' holds no data: no file in it ends with {', '.join(sorted(DATA_SUFFIXES))}; "
        "give a file with data=PATH"
    )


def _install_hub() -> str:
    """Say how to install what reads hubs and Parquet."""
    from rlvr_sandbox.installing import pip_install

    return pip_install("hub")
