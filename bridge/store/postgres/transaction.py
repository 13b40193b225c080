"""One transaction on one connection, and a step that runs in it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import asyncpg

from bridge.store.postgres import faults
from bridge.store.postgres.connecting import GRACE_S
from bridge.store.postgres.dialect import Statement
from bridge.store.steps import Query, Rows, Step

T = TypeVar("T")

Work = Callable[[asyncpg.Connection], Awaitable[T]]
Answer = Callable[[Query], Awaitable[Rows]]

# A role's own settings must not make a commit less than durable. `on` is as durable as
# `remote_apply`, which only serves those who read from a standby. The limits are the
# server's, so that nobody waits for the locks of a node that is dead, or has given up.
LIMITS = """;
SET LOCAL synchronous_commit = on;
SET LOCAL statement_timeout = {ms};
SET LOCAL idle_in_transaction_session_timeout = {ms}
"""
WRITE = f"BEGIN ISOLATION LEVEL READ COMMITTED{LIMITS}"
READ = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{LIMITS}"


@dataclass(frozen=True, slots=True)
class Kind:
    """How a transaction begins, and the limit of each of its statements."""

    begin: str
    timeout_s: float

    @classmethod
    def of(cls, begin: str, timeout_s: float) -> "Kind":
        return cls(begin.format(ms=round(timeout_s * 1000)), timeout_s + GRACE_S)


async def transact(connection: asyncpg.Connection, kind: Kind, work: Work[T]) -> T:
    """Whatever `work` raises undoes the transaction, if the connection is still there."""
    await connection.execute(kind.begin)
    try:
        result = await work(connection)
    except Exception as error:
        if not faults.lost(error):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
    return result


async def drive(step: Step[T], answer: Answer) -> T:
    """Run a step to its end, each query as it asks for it."""
    try:
        query = next(step)
        while True:
            query = step.send(await answer(query))
    except StopIteration as stop:
        result: T = stop.value
        return result


def answers(
    connection: asyncpg.Connection, statements: Mapping[str, Statement], timeout_s: float
) -> Answer:
    """Runs queries on this connection."""

    async def answer(query: Query) -> Rows:
        statement = statements[query.name]
        if isinstance(query.params, Mapping):
            values = statement.values(query.params)
            rows: Rows = await connection.fetch(statement.sql, *values, timeout=timeout_s)
            return rows
        each = [statement.values(params) for params in query.params]
        await connection.executemany(statement.sql, each, timeout=timeout_s)
        return []

    return answer
