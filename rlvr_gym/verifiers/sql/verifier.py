"""Queries as answers: right is what gives the gold query's result on every one of a task's test databases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rlvr_gym.errors import ConfigError, VerifierFault
from rlvr_gym.files import JsonObject
from rlvr_gym.tasks import Task
from rlvr_gym.verdicts import Completion, Verdict
from rlvr_gym.verifiers.answers import AnswerContract, Marker
from rlvr_gym.verifiers.attacks import Attack, Expectation
from rlvr_gym.verifiers.base import Verifier
from rlvr_gym.verifiers.fences import fenced_answer
from rlvr_gym.verifiers.workers import Overrun, WorkerPool

MAX_CHARACTERS = 100_000
"""Of a query; what is longer is malformed."""

Cell = int | float | str | None


class SqlProblem(BaseModel):
    """The reference of a task whose answer is an SQL query, stored as `problem.model_dump(mode="json")`.

    `schema_sql` creates the tables, and views and indices if there are any. Each of `databases` has the rows of
    tables by name; give several that differ, so that a query which is right by luck on one fails on another.
    `ordered` says whether the order of rows counts; None means that it does if the gold query has an ORDER BY of its
    own, outside of all brackets. That order should leave no ties, which a right query may break differently.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_sql: str
    databases: tuple[dict[str, tuple[tuple[Cell, ...], ...]], ...] = Field(min_length=1)
    gold: str
    ordered: bool | None = None

    @property
    def order_counts(self) -> bool:
        """True when rows must come in the gold's order."""
        return _has_order_by(self.gold) if self.ordered is None else self.ordered


@final
class Sql(Verifier):
    """The answer is one SQL query (SQLite's dialect) whose result is the gold query's on every test database.

    The query is the whole answer or, where the answer has fenced blocks, the last of them. Results are the same when
    they have the same columns in the same order and the same rows: as a list where order counts, else as a bag, each
    row as often. Cells are compared as SQL does, NULL being the same as NULL: 1 is 1.0 and not '1'; floats may differ
    by one part in a billion, because the order of a sum changes its rounding. Every database is read forwards and
    backwards, so that what SQL leaves open (LIMIT without ORDER BY) is not right by luck.

    Queries run in a worker process that is killed at `timeout_seconds`, over a database in memory that can be read and
    nothing else: no other statement, no ATTACH, no PRAGMA, no extension, no table of SQLite's own, no function that is
    random or reads the clock. Wrong is a query that fails, is refused, has more rows than the gold's, or takes more
    steps than `worker.MOST_INSTRUCTIONS`, on any machine; what overruns the worker's time or memory is a `timeout`.

    Args:
        contract: where the answer stands; by default the whole completion outside of its thinking.
        column_names: ask for the gold's column names too, in any case.
        timeout_seconds: for all databases of a task together.
    """

    def __init__(
        self,
        contract: AnswerContract | str = Marker.WHOLE,
        *,
        column_names: bool = False,
        timeout_seconds: float = 10.0,
    ) -> None:
        if not timeout_seconds > 0:
            raise ConfigError(f"timeout_seconds must be positive, not {timeout_seconds}")
        self.contract = AnswerContract.of(contract)
        self.column_names = column_names
        self._query_seconds = timeout_seconds

    @property
    def timeout_seconds(self) -> float:
        """Long enough for every sample to wait for its turn at a worker."""
        return 3600.0

    def verify(self, task: Task, completion: Completion) -> Verdict:
        """Run the query and the gold's, and compare what they give."""
        problem = _problem(task)
        query = fenced_answer(self.contract, completion.text, most=MAX_CHARACTERS)
        if isinstance(query, Verdict):
            return query
        try:
            said = self._compared(problem, query)
        except Overrun as error:
            self.check(task)
            return Verdict.timeout(str(error), answer=query)
        if "fault" in said:
            raise VerifierFault(f"task '{task.id}': {said['fault']}")
        if "different" in said:
            return Verdict.wrong(said["different"], answer=query)
        return Verdict.right("the same result on every database", answer=query)

    def solution(self, task: Task) -> str:
        """The gold query in a fenced block."""
        return self.contract.write(f"```sql\n{_problem(task).gold.strip()}\n```")

    def check(self, task: Task) -> None:
        """Raise VerifierFault where the databases cannot be built, or the gold fails or leaves its result open."""
        try:
            said = self._compared(_problem(task), None)
        except Overrun as error:
            raise VerifierFault(f"task '{task.id}': its gold query is {error}") from error
        if "fault" in said:
            raise VerifierFault(f"task '{task.id}': {said['fault']}")

    def audit_decides(self, task: Task, text: str) -> bool | None:
        """Wrong is what holds no query at all; of queries other than the gold nothing is known without running them."""
        query = fenced_answer(self.contract, text, most=MAX_CHARACTERS)
        if isinstance(query, Verdict) or not _QUERY.search(query):
            return False
        return True if query.split() == _problem(task).gold.split() else None

    def audit_attacks(self, task: Task) -> Iterable[Attack]:
        """Statements that are no query, queries without end, and the gold written otherwise."""
        gold = _problem(task).gold.strip().rstrip(";")
        for tries, query in {
            "another statement after the gold": f"{gold}\n; DROP TABLE sqlite_master",
            "another statement before the gold": f"PRAGMA writable_schema = ON; {gold}",
            **_HOSTILE,
        }.items():
            text = self.contract.write(f"```sql\n{query}\n```")
            yield Attack(family="SQL", tries=tries, text=text, expectation=Expectation.FAIL)
        for tries, query in {
            "the gold with a semicolon": f"{gold}\n;",
            "the gold after a comment": f"-- the answer\n{gold}",
            "the gold in capitals of its own": re.sub(
                r"\A(?:select|with|values)\b", _capitals, gold, flags=re.I
            ),
        }.items():
            text = self.contract.write(f"```sql\n{query}\n```")
            yield Attack(family="SQL, restated", tries=tries, text=text, expectation=Expectation.PASS)

    def _compared(self, problem: SqlProblem, candidate: str | None) -> dict[str, str]:
        question: JsonObject = {
            "schema": problem.schema_sql,
            "databases": problem.model_dump(mode="json")["databases"],
            "gold": problem.gold,
            "candidate": candidate,
            "ordered": problem.order_counts,
            "names": self.column_names,
        }
        return _workers().call(question, timeout_seconds=self._query_seconds)


_LONG = f"json_each('[{'0,' * 200}0]')"
_HOSTILE = {
    "an attached file": "ATTACH DATABASE '/tmp/other.db' AS other",
    "an extension": "SELECT load_extension('/tmp/evil.so')",
    "the schema": "SELECT * FROM sqlite_master",
    "a pragma as a table": "SELECT * FROM pragma_database_list",
    "a recursion without end": (
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    ),
    "a product without end": f"SELECT count(*) FROM {', '.join(f'{_LONG} AS t{n}' for n in range(8))}",
    "a text without end": "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))",
}
_QUERY = re.compile(r"\b(?:select|values)\b", re.IGNORECASE)
_TOKEN = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)|[()]|\w+", re.DOTALL
)


def _capitals(word: re.Match[str]) -> str:
    return word[0].swapcase()


def _has_order_by(query: str) -> bool:
    """Return whether a query has an ORDER BY outside of all brackets, texts and comments."""
    depth, before = 0, ""
    for token in _TOKEN.findall(query):
        depth += (token == "(") - (token == ")")
        if depth == 0 and (before, token.lower()) == ("order", "by"):
            return True
        if not token.startswith(("--", "/*")):
            before = token.lower()
    return False


def _problem(task: Task) -> SqlProblem:
    try:
        return SqlProblem.model_validate(task.reference)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "the whole"
        found = f"{place}: {problem['msg']}"
        raise VerifierFault(f"task '{task.id}' has no SQL problem for its reference: {found}") from error


@cache
def _workers() -> WorkerPool:
    return WorkerPool("rlvr_gym.verifiers.sql.worker:compare")
