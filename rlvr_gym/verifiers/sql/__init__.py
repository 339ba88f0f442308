"""SQL: the results of two queries over every test database of a task."""

from rlvr_gym.verifiers.sql.verifier import Sql, SqlProblem

__all__ = ["Sql", "SqlProblem"]
