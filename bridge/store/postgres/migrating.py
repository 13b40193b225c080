"""Brings a PostgreSQL database to this program's schema, once, whoever comes first."""

import asyncpg
import structlog

from bridge.store.migrate import check_known, migrations

LOCK = 0x706F6C6C  # the advisory lock of whoever migrates; the same in every version
MIGRATION_S = 3_600.0  # an index on a large table takes its time

TELL_AFTER_S = 3.0  # of waiting for another who migrates, or holds the database

# The server asks whoever holds the lock whether it is still there. By itself it would take
# two hours to find out that a machine is gone, and no node would start meanwhile.
KEEPALIVE = """
SET LOCAL tcp_keepalives_idle = 10;
SET LOCAL tcp_keepalives_interval = 5;
SET LOCAL tcp_keepalives_count = 3
"""
BEGIN = f"""
SET LOCAL statement_timeout = 0;
SET LOCAL synchronous_commit = on;
{KEEPALIVE}
"""
TAKE = f"SELECT pg_advisory_xact_lock({LOCK})"
HOLDERS = f"""
SELECT a.pid, a.application_name AS program, host(a.client_addr) AS address,
    CAST(a.xact_start AS TEXT) AS since
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = {LOCK} AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""  # noqa: S608 - a number of ours
MAKE = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"
VERSION = "SELECT coalesce(max(version), 0) FROM schema_version"

log = structlog.get_logger(__name__)


async def migrate(connection: asyncpg.Connection) -> int:
    """Apply what is missing, in one transaction; how many migrations that was.

    Raises StoreUnavailable if a newer program has written the database.
    """
    # READ COMMITTED: what another node did while this one waited for the lock is seen.
    async with connection.transaction(isolation="read_committed"):
        return await apply(connection)


async def apply(
    connection: asyncpg.Connection, *, tell_after_s: float = TELL_AFTER_S
) -> int:
    """As `migrate`, in the transaction that the connection is in: until its end nobody else
    migrates, and so no node gets past its start.
    """
    scripts = migrations("postgres")
    await connection.execute(BEGIN)
    await take(connection, tell_after_s)
    await connection.execute(MAKE)
    current: int = await connection.fetchval(VERSION)
    check_known(current, len(scripts))
    for version, script in enumerate(scripts[current:], current + 1):
        await connection.execute(script, timeout=MIGRATION_S)
        await connection.execute("INSERT INTO schema_version VALUES ($1)", version)
    return len(scripts) - current


async def take(connection: asyncpg.Connection, tell_after_s: float) -> None:
    """The lock of whoever migrates, however long that takes; who has it is told."""
    try:
        async with connection.transaction():
            await wait(connection, tell_after_s)
    except asyncpg.LockNotAvailableError:
        for holder in await connection.fetch(HOLDERS):
            log.warning("database.held", **holder)
        await wait(connection, 0)
    await connection.execute("SET LOCAL lock_timeout = 0")


async def wait(connection: asyncpg.Connection, most_s: float) -> None:
    """0: without end."""
    await connection.execute(f"SET LOCAL lock_timeout = {round(most_s * 1000)}")
    await connection.execute(TAKE, timeout=MIGRATION_S)
