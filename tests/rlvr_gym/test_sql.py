"""Queries judged by what they give: what is the same result, what is refused, what never runs on."""

import re
import time
from typing import Any

import pytest

from rlvr_gym import Completion, Outcome, Task, Verdict, VerifierFault
from rlvr_gym.environments.conformance import check_verifier
from rlvr_gym.verifiers.attacks import Expectation
from rlvr_gym.verifiers.sql import Sql, SqlProblem
from rlvr_gym.verifiers.sql import worker as sql_worker

SCHEMA = """
CREATE TABLE shop (id INTEGER PRIMARY KEY, city TEXT, sales REAL);
CREATE VIEW big AS SELECT * FROM shop WHERE sales > 5;
"""
ROWS = ((1, "Oslo", 7.5), (2, "Rome", 3.0), (3, None, 9.0), (4, "Rome", 3.0))
OTHER = ((1, "Rome", 1.0), (2, "Bonn", 6.0), (3, "Rome", None))
SQL = Sql()


def problem(gold: str, **more: Any) -> Task:
    databases = more.pop("databases", ({"shop": ROWS}, {"shop": OTHER}))
    stated = SqlProblem(schema_sql=SCHEMA, databases=databases, gold=gold, **more)
    return Task(id="shops", prompt="Which?", reference=stated.model_dump(mode="json"))


def said(gold: str, query: str, verifier: Sql = SQL, **more: Any) -> Verdict:
    return verifier.verify(problem(gold, **more), Completion(text=f"```sql\n{query}\n```"))


CITIES = "SELECT city FROM shop WHERE sales > 2"
REFUSED = re.compile(
    "not authorized|authorization denied|prohibited|constructor failed|function raised|no such function|one statement"
    "|null character"
)
"""SQLite's messages when it did not run a query at all."""


def test_the_contract_holds():
    check_verifier(SQL, [problem(CITIES), problem("SELECT id FROM shop ORDER BY id DESC")], seconds=60.0)


@pytest.mark.parametrize(
    ("gold", "query"),
    [
        (CITIES, "select s.city from shop as s where not (s.sales <= 2) -- the same"),
        (CITIES, "SELECT city FROM shop WHERE sales > 2 ORDER BY id DESC;"),
        (CITIES, "SELECT city AS town FROM shop WHERE sales > 2"),
        ("SELECT 1", "SELECT 1.0"),
        ("SELECT NULL", "SELECT NULLIF(1, 1)"),
        ("SELECT 0.1 + 0.2", "SELECT 0.3"),
        ("SELECT sum(sales) / 3 FROM shop", "SELECT sum(sales / 3) FROM shop"),
        ("SELECT id FROM shop ORDER BY id", "SELECT id FROM shop ORDER BY id ASC"),
        ("SELECT count(*) FROM shop", "WITH RECURSIVE t(n) AS (SELECT 1) SELECT count(*) FROM shop, t"),
        ("SELECT date('2024-02-28', '+1 day')", "SELECT strftime('%Y-%m-%d', '2024-02-29')"),
        ("SELECT count(*) FROM big", "SELECT count(*) FROM shop WHERE sales > 5"),
        ("SELECT value FROM json_each('[1, 2]')", "VALUES (2), (1)"),
        ("SELECT id, rank() OVER (ORDER BY id) FROM shop", "SELECT id, id FROM shop"),
    ],
)
def test_the_same_result_is_right(gold: str, query: str):
    assert said(gold, query) == Verdict.right("the same result on every database", answer=query)


@pytest.mark.parametrize(
    ("gold", "query", "why"),
    [
        (CITIES, "SELECT DISTINCT city FROM shop WHERE sales > 2", "3 rows instead of 4"),
        (CITIES, "SELECT city, id FROM shop WHERE sales > 2", "2 columns instead of 1"),
        ("SELECT id FROM shop ORDER BY id", "SELECT id FROM shop ORDER BY id DESC", "other rows"),
        ("SELECT 1", "SELECT '1'", "other rows"),
        ("SELECT NULL", "SELECT 0", "other rows"),
        ("SELECT ''", "SELECT NULL", "other rows"),
        ("SELECT 9007199254740993", "SELECT 9007199254740992", "other rows"),
        ("SELECT 0.3", "SELECT 0.30001", "other rows"),
        (CITIES, "SELECT * FROM shop", "3 columns instead of 1"),
        (CITIES, "SELECT 'Oslo'", "rows"),
        (CITIES, "VALUES ('Oslo'), ('Rome'), (NULL), ('Rome')", "database 2"),
        ("SELECT city FROM shop WHERE id = 1", "SELECT city FROM shop LIMIT 1", "other rows"),
        (CITIES, "SELECT city FROM nowhere", "no such table"),
        (CITIES, "SELECT", "incomplete input"),
        (CITIES, "SELECT city FROM shop WHERE id = ?", "binding"),
        (CITIES, "DELETE FROM shop", "not authorized"),
        (CITIES, "-- SELECT", "no query"),
        (CITIES, "EXPLAIN SELECT 1", "rows"),
    ],
)
def test_another_result_is_wrong(gold: str, query: str, why: str):
    verdict = said(gold, query)
    assert verdict.outcome is Outcome.INCORRECT
    assert why in verdict.detail


def test_a_query_that_is_right_by_luck_on_one_database_fails_on_another():
    lucky = "SELECT city FROM shop WHERE id <> 99"
    assert said(CITIES, lucky, databases=({"shop": ROWS},)).correct
    assert said(CITIES, lucky).detail.startswith("database 2")


def test_names_of_columns_count_where_they_are_asked_for():
    strict = Sql(column_names=True)
    assert said(CITIES, "SELECT city AS CITY FROM shop WHERE sales > 2", strict).correct
    assert "town" in said(CITIES, "SELECT city AS town FROM shop WHERE sales > 2", strict).detail


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "PRAGMA writable_schema = ON",
        "PRAGMA query_only = OFF",
        "SELECT * FROM pragma_database_list",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT * FROM sqlite_master",
        "SELECT count(*) FROM sqlite_master",
        "SELECT count(*) FROM sqlite_temp_schema",
        "SELECT count(*) FROM pragma_database_list",
        "SELECT * FROM dbstat",
        "WITH RECURSIVE sqlite_x AS (SELECT 1) SELECT load_extension('x') FROM sqlite_x",
        "SELECT random()",
        "SELECT randomblob(4)",
        "SELECT current_timestamp",
        "SELECT date('now')",
        "SELECT date('now' || char(0))",
        "SELECT date(x'6E6F77')",
        "SELECT timediff('now', '2020-01-01')",
        "SELECT date()",
        "SELECT strftime('%Y', 'NO' || 'w')",
        "VACUUM INTO '/tmp/x.db'",
        "CREATE TEMP TABLE t (x)",
        "INSERT INTO shop VALUES (9, 'x', 1)",
        "BEGIN",
        "SELECT city FROM shop WHERE sales > 2; DROP TABLE shop",
        "SELECT writefile('/tmp/x', 'x')",
        "SELECT sqlite_version()",
        "SELECT '\x00'",
    ],
)
def test_what_is_no_plain_query_is_refused_and_later_verdicts_are_as_before(query: str):
    verdict = said(CITIES, query)
    assert verdict.outcome is Outcome.INCORRECT
    assert REFUSED.search(verdict.detail), verdict.detail
    assert said(CITIES, CITIES).correct


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT count(*) FROM json_each('["
        + "0," * 300
        + "0]') a, json_each('["
        + "0," * 300
        + "0]') b, shop, shop, shop, shop, shop, shop, shop",
        "SELECT replace(hex(zeroblob(400000)), '0', hex(zeroblob(400000)))",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "SELECT " + ", ".join(["1"] * 5000),
        "WITH RECURSIVE t(s) AS (SELECT hex(zeroblob(400000)) UNION ALL SELECT s || '1' FROM t) SELECT count(*) FROM t",
    ],
)
def test_a_bomb_is_wrong_in_bounded_time(query: str):
    began = time.monotonic()
    assert said(CITIES, query, Sql(timeout_seconds=3.0)).outcome in (Outcome.INCORRECT, Outcome.TIMEOUT)
    assert time.monotonic() - began < 6


def test_what_overruns_the_worker_is_the_candidates_timeout():
    slow = "SELECT printf('%.*c', 1000000000, 'x')"
    assert said(CITIES, slow, Sql(timeout_seconds=1.0)).outcome is Outcome.TIMEOUT


@pytest.mark.parametrize(
    ("gold", "why"),
    [
        ("SELECT missing FROM shop", "gold query fails on database 1: no such column"),
        ("SELECT group_concat(city) FROM shop", "depends on the order"),
        ("SELECT city FROM shop LIMIT 1", "depends on the order"),
        ("SELECT random()", "not authorized"),
    ],
)
def test_a_gold_that_cannot_judge_is_named_and_never_a_wrong_answer(gold: str, why: str):
    with pytest.raises(VerifierFault, match=why):
        SQL.check(problem(gold))
    with pytest.raises(VerifierFault, match=f"'shops'.*{why}"):
        said(gold, "SELECT 1, 2")


def test_a_reference_of_another_shape_is_named():
    with pytest.raises(VerifierFault, match="no SQL problem for its reference: schema_sql"):
        SQL.check(Task(prompt="?", reference={"gold": "SELECT 1"}))
    with pytest.raises(VerifierFault, match="database 1 cannot be built"):
        SQL.check(problem(CITIES, databases=({"shop": ((1,),)},)))


def test_order_counts_where_the_gold_orders_its_result_and_nowhere_else():
    def counts(gold: str) -> bool:
        return SqlProblem(schema_sql="", databases=({},), gold=gold).order_counts

    assert counts("SELECT a FROM t ORDER  BY a")
    assert counts("SELECT a FROM (SELECT 1) order /* by */ by a")
    assert not counts("SELECT a FROM (SELECT a FROM t ORDER BY a)")
    assert not counts("SELECT 'order by' -- order by")
    assert not counts('SELECT rank() OVER (ORDER BY a), "order" by FROM t')
    assert not SqlProblem(
        schema_sql="", databases=({},), gold="SELECT 1 ORDER BY 1", ordered=False
    ).order_counts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "```sql\n```",
        "```sql\nSELECT 1",
        "<think>```sql\nSELECT 1\n```</think>",
        "SELECT " + "1" * 100_001,
    ],
)
def test_without_a_query_the_completion_is_malformed(text: str):
    assert SQL.verify(problem("SELECT 1"), Completion(text=text)).outcome is Outcome.MALFORMED


def test_rows_that_differ_by_rounding_pair_up_whatever_their_order():
    gold = [(0.1 + 0.2, "a"), (0.3, "b"), (1.0, None)]
    same = [(1, None), (0.1 + 0.2, "b"), (0.3, "a")]
    assert sql_worker._same(gold, same, ordered=False)
    assert not sql_worker._same(gold, [*same[:2], (0.3, "b")], ordered=False)


def test_its_own_attacks_fail_and_its_own_restatements_pass():
    task = problem("SELECT city FROM shop WHERE sales > 2")
    for attack in SQL.audit_attacks(task):
        verdict = SQL.verify(task, Completion(text=attack.text))
        assert verdict.scored, attack.tries
        if attack.expectation is not Expectation.SURVIVE:
            assert verdict.correct == (attack.expectation is Expectation.PASS), (attack.tries, verdict)
