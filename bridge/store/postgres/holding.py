"""Keeps nodes from starting, while a command has the database for itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import StoreLocked
from bridge.store.postgres.connecting import TIMEOUT_S, connect, opening
from bridge.store.postgres.migrating import KEEPALIVE, LOCK

# A node that starts waits for this lock, however long that takes. A transaction holds it:
# a pooler gives the next one another connection.
BEGIN = f"""
BEGIN;
SET LOCAL idle_in_transaction_session_timeout = 0;
{KEEPALIVE}
"""
TAKE = f"SELECT pg_try_advisory_xact_lock({LOCK})"


@asynccontextmanager
async def held(url: str, *, timeout_s: float = TIMEOUT_S) -> AsyncIterator[None]:
    """Raises StoreLocked if a node is just starting, or another command holds it;
    StoreUnavailable if it was lost in the end.
    """
    with opening():
        connection = await connect(url, timeout_s=timeout_s)
    try:
        with opening():
            await connection.execute(BEGIN)
            taken = await connection.fetchval(TAKE)
        if not taken:
            raise StoreLocked("a node is starting, or another command is at work")
        yield
        with opening():
            await connection.execute("COMMIT")
    finally:
        connection.terminate()
