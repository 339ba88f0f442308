"""Compare the results of two queries over databases built in memory: the code that `Sql` runs in a worker.

The worker loads this module by itself (`workers.WorkerPool`): it imports the standard library only.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]

MOST_INSTRUCTIONS = 10_000_000
"""Of SQLite's virtual machine, per query and database: a second or so, and the same on every machine."""
MOST_ROWS = 10_000
_INSTRUCTIONS_AT_A_TIME = 10_000
_HEAP_BYTES = 256 << 20
_RELATIVE = 1e-9

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 200,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTIONS = _words(
    """
    abs char coalesce concat concat_ws format glob hex if ifnull iif instr length like likelihood likely
    lower ltrim max min nullif octet_length printf quote replace round rtrim sign soundex substr substring
    trim typeof unhex unicode unlikely upper zeroblob date time datetime julianday unixepoch strftime
    timediff avg count group_concat string_agg sum total median percentile percentile_cont percentile_disc
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value acos
    acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow
    power radians sin sinh sqrt tan tanh trunc json json_array json_array_length json_error_position
    json_extract json_group_array json_group_object json_insert json_object json_patch json_quote
    json_remove json_replace json_set json_type json_valid -> ->>
    """
)
"""Built-in functions that depend on their arguments alone, and reach nothing else."""
_TABLE_FUNCTIONS = frozenset({"json_each", "json_tree"})
_MOMENTS = {
    "date": (0,),
    "time": (0,),
    "datetime": (0,),
    "julianday": (0,),
    "unixepoch": (0,),
    "strftime": (1,),
    "timediff": (0, 1),
}
"""Index of the moment among the arguments of time functions. If it is missing or `now`, they read the clock."""


class _Refused(Exception):
    """A query was not run to its end, and why; SQLite's own words may repeat the query, and are cut."""

    def __init__(self, why: str) -> None:
        super().__init__(why[:300])


def compare(question: dict[str, Any]) -> dict[str, str]:
    """`{"same": ""}`, `{"different": why}` for the candidate, or `{"fault": why}` where the task cannot judge.

    The question has `schema`, `databases` (rows by table), `gold`, `candidate` (None: only the gold is tried),
    `ordered` and `names`. Each database is read forwards and backwards, wherever SQL leaves the order open.
    """
    for number, tables in enumerate(question["databases"], start=1):
        where = f"database {number}"
        try:
            both = [_built(question["schema"], tables, backwards=backwards) for backwards in (False, True)]
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            return {"fault": f"{where} cannot be built: {error}"}
        try:
            golds = [_result(database, question["gold"], MOST_ROWS) for database in both]
        except _Refused as error:
            return {"fault": f"the gold query fails on {where}: {error}"}
        if not _same(golds[0].rows, golds[1].rows, ordered=question["ordered"]):
            return {
                "fault": f"the gold's result on {where} depends on the order in which rows are stored: "
                "a LIMIT or an aggregate needs an ORDER BY of its own"
            }
        if question["candidate"] is None:
            continue
        for database, gold in zip(both, golds, strict=True):
            if why := _difference(database, question, gold):
                return {"different": f"{where}: {why}"}
    return {"same": ""}


@dataclass(frozen=True)
class _Result:
    names: list[str]
    rows: list[Row]


def _difference(database: sqlite3.Connection, question: dict[str, Any], gold: _Result) -> str:
    """Describe how the candidate's result differs from the gold's; "" if they are the same."""
    try:
        said = _result(database, question["candidate"], len(gold.rows))
    except _Refused as error:
        return str(error)
    if len(said.names) != len(gold.names):
        return f"{len(said.names)} columns instead of {len(gold.names)}"
    if question["names"] and [n.casefold() for n in said.names] != [n.casefold() for n in gold.names]:
        return f"columns {', '.join(said.names)[:200]} instead of {', '.join(gold.names)[:200]}"
    if len(said.rows) < len(gold.rows):
        return f"{len(said.rows)} rows instead of {len(gold.rows)}"
    return "" if _same(gold.rows, said.rows, ordered=question["ordered"]) else "other rows"


def _built(schema: str, tables: dict[str, list[list[Any]]], *, backwards: bool) -> sqlite3.Connection:
    """The database, ready to be read and nothing else."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA temp_store = MEMORY")
    database.execute(f"PRAGMA hard_heap_limit = {_HEAP_BYTES}")
    database.execute("PRAGMA trusted_schema = OFF")
    database.executescript(schema)
    for table, rows in tables.items():
        quoted = '"' + table.replace('"', '""') + '"'
        if rows:
            database.executemany(f"INSERT INTO {quoted} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    known = {
        name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
    }
    database.execute(f"PRAGMA reverse_unordered_selects = {int(backwards)}")
    database.execute("PRAGMA query_only = ON")
    _without_clock(database)
    for function in _TABLE_FUNCTIONS:  # once used, they need no right to define themselves
        database.execute(f"SELECT 1 FROM {function}('[]')")
    for limit, value in _LIMITS.items():
        database.setlimit(limit, value)
    database.set_authorizer(_authorizer(frozenset(name.lower() for name in known)))
    return database


def _authorizer(tables: frozenset[str]) -> Callable[..., int]:
    """Lets queries read the given tables and call harmless functions, and nothing else."""

    def allowed(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if (first or "").lower() in tables | _TABLE_FUNCTIONS:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ if not second and not (first or "").lower().startswith("sqlite_"):
                return sqlite3.SQLITE_OK  # the rows of a subquery, none of whose columns is read
            case sqlite3.SQLITE_FUNCTION if (second or "").lower() in _FUNCTIONS:
                return sqlite3.SQLITE_OK
            case _:
                return sqlite3.SQLITE_DENY

    return allowed


def _without_clock(database: sqlite3.Connection) -> None:
    """Make the functions of time refuse to read the clock, which would change verdicts from day to day."""
    calendar = sqlite3.connect(":memory:")

    def timeless(name: str, moments: tuple[int, ...]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            asked = [arguments[at] for at in moments if at < len(arguments)]
            if len(asked) < len(moments) or any(map(_reads_clock, asked)):
                raise ValueError("the clock is not to be read")
            marks = ", ".join("?" * len(arguments))
            return calendar.execute(f"SELECT {name}({marks})", arguments).fetchone()[0]

        return call

    for name, moments in _MOMENTS.items():
        database.create_function(name, -1, timeless(name, moments), deterministic=True)


def _reads_clock(moment: object) -> bool:
    """Return whether SQLite reads a moment as "now": it reads blobs as texts, and texts up to a null character."""
    if isinstance(moment, bytes):
        moment = moment.decode(errors="replace")
    return str(moment).partition("\0")[0].strip().lower() in ("now", "subsec", "subsecond")


def _result(database: sqlite3.Connection, query: str, most: int) -> _Result:
    """Run a query. Raises `_Refused` if it is not a query, fails, or exceeds the limits."""
    left = MOST_INSTRUCTIONS // _INSTRUCTIONS_AT_A_TIME

    def spent() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    database.set_progress_handler(spent, _INSTRUCTIONS_AT_A_TIME)
    try:
        cursor = database.execute(query)
        if cursor.description is None:
            raise _Refused("it is no query")
        rows = cursor.fetchmany(most + 1)
    except sqlite3.OperationalError as error:
        if left < 0:
            raise _Refused(f"it takes more than {MOST_INSTRUCTIONS:,} steps") from error
        raise _Refused(str(error)) from error
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise _Refused(str(error)) from error
    except MemoryError as error:
        raise _Refused(f"it takes more than {_HEAP_BYTES >> 20} MiB") from error
    if len(rows) > most:
        raise _Refused(f"more than {most:,} rows")
    return _Result(names=[column[0] for column in cursor.description], rows=rows)


def _same(gold: list[Row], said: list[Row], *, ordered: bool) -> bool:
    """Return whether two results are the same list, or the same bag if the order does not count."""
    if len(gold) != len(said):
        return False
    if ordered:
        return all(map(_same_row, gold, said))
    missing = list((Counter(gold) - Counter(said)).elements())
    surplus = list((Counter(said) - Counter(gold)).elements())
    return _matched(missing, surplus)


def _matched(missing: list[Row], surplus: list[Row]) -> bool:
    """Return whether rows that are not identical pair up once sums of floats may differ by their rounding."""
    if len(missing) != len(surplus):
        return False
    surplus = sorted(surplus, key=_sort_key)
    for row in sorted(missing, key=_sort_key):
        at = next((at for at, other in enumerate(surplus) if _same_row(row, other)), None)
        if at is None:
            return False
        del surplus[at]
    return True


def _sort_key(row: Row) -> list[tuple[int, Any]]:
    """The order of SQL: NULL, numbers, texts, blobs."""
    ranks: dict[type, int] = {type(None): 0, int: 1, float: 1, str: 2, bytes: 3}
    return [(ranks[type(cell)], 0 if cell is None else cell) for cell in row]


def _same_row(gold: Row, said: Row) -> bool:
    return len(gold) == len(said) and all(map(_same_cell, gold, said))


def _same_cell(gold: object, said: object) -> bool:
    """SQL's equality, with NULL the same as NULL: 1 is 1.0 and not '1'. Floats may differ by rounding."""
    if isinstance(gold, float) or isinstance(said, float):
        return (
            isinstance(gold, int | float)
            and isinstance(said, int | float)
            and (gold == said or math.isclose(gold, said, rel_tol=_RELATIVE))
        )
    return type(gold) is type(said) and gold == said
