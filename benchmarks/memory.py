"""What a node takes: memory after its start and with many watches, bytes on disk for each
of them, and what a claim costs the more there are.

Beside a claim among many watches stands the same claim among the fewest.
"""

import argparse
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks import node, polls, program
from benchmarks.aside import done_aside, looped, serve_command, serving
from benchmarks.figures import Row, Target
from benchmarks.machine import resident_mib
from benchmarks.node import Place

BATCH = 256  # as many as may be in flight
CLAIMS = 40  # in a row
LATER_S = 3_600.0


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 5)
    parser.add_argument(
        "--watches",
        type=int,
        nargs="+",
        default=[10_000, 100_000],
        help="ascending; 10000 100000 1000000 in full",
    )


def measured(options: argparse.Namespace) -> Iterator[Row]:
    with node.folder() as folder, serving(polls.provide) as port:
        place = Place(folder, port, interval=node.AT_ONCE)
        yield Row(
            "memory after the start",
            "MiB",
            [resident(place, 0) for _ in range(options.rounds)],
        )
        claims: dict[int, Sequence[Claim]] = {}
        for some, many in pairwise([0, *options.watches]):
            done_aside(grow, place, some, many)
            times = min(CLAIMS, options.watches[0] // BATCH)
            claims[many] = [
                done_aside(claimed, place, times) for _ in range(options.rounds)
            ]
        yield from rows_of_claims(claims)
        yield from sizes(place, many)
        yield Row(
            f"memory after {options.seconds:g} s of polling {many:,} watches",
            "MiB",
            [resident(place, options.seconds) for _ in range(options.rounds)],
            target=Target("≤ 400 at 1,000,000", "≤ 150"),
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """Milliseconds for one of BATCH."""

    wall: float
    cpu: float


def rows_of_claims(claims: dict[int, Sequence[Claim]]) -> Iterator[Row]:
    fewest, *_ = claims
    for many, found in claims.items():
        beside = claims[fewest] if many != fewest else ()
        what, most = f"claim of {BATCH}, {many:,} watches", Target("no faster than log n")
        yield Row(what, "ms", [c.wall for c in found], [c.wall for c in beside], most)
        yield Row("… processor time", "ms", [c.cpu for c in found], [c.cpu for c in beside])


def resident(place: Place, seconds: float) -> float:
    """What `serve` holds once it listens, or `seconds` later."""
    place.clear()
    if seconds:
        shutil.copy(place.kept, place.database)
    with serve_command(place.config_file()) as served:
        time.sleep(seconds)
        return resident_mib(served.pid)


def grow(place: Place, some: int, many: int) -> None:
    """Watches `some` to `many`, all of them due, added to those there are."""
    if place.kept.exists():
        place.kept.rename(place.database)
    node.add_watches(place, range(some, many))
    place.database.rename(place.kept)


def claimed(place: Place, times: int) -> Claim:
    with node.restored(place):
        return looped(claiming(place, times))


async def claiming(place: Place, times: int) -> Claim:
    """The median of several claims in a row, each of watches that are due."""
    taken: list[tuple[float, float]] = []
    async with node.opened(place) as bridge:
        for _ in range(times):
            began = (time.perf_counter(), time.process_time())
            await node.claim_polls(bridge, BATCH, gap_s=LATER_S)
            ended = (time.perf_counter(), time.process_time())
            taken.append((ended[0] - began[0], ended[1] - began[1]))
    wall, cpu = (median(column) * 1_000 for column in zip(*taken, strict=True))
    return Claim(wall, cpu)


def sizes(place: Place, watches: int) -> Iterator[Row]:
    """Of the whole file for one watch, and of its tables with their indexes."""
    asked = Target("≤ 1,024 at 1,000,000")
    size = place.kept.stat().st_size / watches
    yield Row(f"bytes on disk for one of {watches:,} watches", "B", [size], target=asked)
    with closing(sqlite3.connect(place.kept)) as database:
        for name, used in database.execute(
            "SELECT s.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_schema s "
            "ON s.name = d.name GROUP BY s.tbl_name ORDER BY 2 DESC LIMIT 3"
        ):
            yield Row(f"… in {name}, indexes included", "B", [used / watches])


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
