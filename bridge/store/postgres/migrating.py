"""Brings a PostgreSQL database to this program's schema, once, whoever comes first."""

import asyncpg

from bridge.store.migrate import check_known, migrations

LOCK = 0x706F6C6C  # the advisory lock of whoever migrates; the same in every version
MIGRATION_S = 3_600.0  # an index on a large table takes its time

VERSION = "SELECT coalesce(max(version), 0) FROM schema_version"
BEGIN = f"""
SET LOCAL statement_timeout = 0;
SET LOCAL synchronous_commit = on;
SELECT pg_advisory_xact_lock({LOCK});
CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)
"""


async def migrate(connection: asyncpg.Connection) -> int:
    """Apply what is missing, in one transaction; how many migrations that was.

    Raises StoreUnavailable if a newer program has written the database.
    """
    # READ COMMITTED: what another node did while this one waited for the lock is seen.
    async with connection.transaction(isolation="read_committed"):
        return await apply(connection)


async def apply(connection: asyncpg.Connection) -> int:
    """As `migrate`, in the transaction that the connection is in: until its end nobody else
    migrates, and so no node gets past its start.
    """
    scripts = migrations("postgres")
    await connection.execute(BEGIN, timeout=MIGRATION_S)
    current: int = await connection.fetchval(VERSION)
    check_known(current, len(scripts))
    for version, script in enumerate(scripts[current:], current + 1):
        await connection.execute(script, timeout=MIGRATION_S)
        await connection.execute("INSERT INTO schema_version VALUES ($1)", version)
    return len(scripts) - current
