"""From a task's end to its webhook at receivers that are well, while others are not.

By `serve`, with tasks that end at a steady rate, each at the moment when it is first asked
about, to many hosts. Of these a fifth hang until the timeout; or all are well, while one
that hangs is owed a large backlog; or while names are owed some that no name server answers
for. Beside each: the same run just before, in which all are well and nothing else is owed.
"""

import argparse
import asyncio
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice, repeat, takewhile
from multiprocessing.connection import Connection
from random import Random
from urllib.request import urlopen

import orjson

from benchmarks import lean, node, program
from benchmarks.aside import CONTEXT, PATIENCE_S, done_aside, heard, looped, serving
from benchmarks.figures import Row, Target
from benchmarks.latency import TIMES, Run, Stage, ms
from benchmarks.node import Place
from bridge import service
from bridge.assembly import Bridge
from bridge.config import load
from bridge.model import Destination, Wish

HARMED, UNTOUCHED = Target("≤ 1.5×", "≤ 1.1×"), Target("≤ 1.1×")
BEFORE = 1_000_000_000  # where the numbers of the backlog's tasks begin
SICK = b"\r\nHost: sick"
SILENT_EACH = 25  # owed to each name that nobody answers for
LEAD_S, WRITTEN_PER_S = 4.0, 400  # from the last one written to the first one's end
LOOK_S = 0.2
GRACE_S = 60.0  # for the last webhook, after the last end


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is told of the ends, and what else is owed."""

    rate: int
    seconds: float
    hosts: int
    hanging: int = 0  # of these hosts
    backlog: int = 0  # owed to another one that hangs
    silent: int = 0  # names without an answer

    def offsets_s(self) -> list[float]:
        """When each task ends, from the first on: as a Poisson process does."""
        dice = Random(node.SEED)
        steps = accumulate(map(dice.expovariate, repeat(self.rate)))
        return [0.0, *takewhile(lambda at: at < self.seconds, steps)]

    def url(self, number: int, port: int) -> str:
        """Names below localhost lead to this machine without being asked for: RFC 6761."""
        host = number % self.hosts
        state = "sick" if host < self.hanging else "well"
        return f"http://{state}{host}.localhost:{port}{node.HOOK}"

    def owed_before(self, port: int) -> Iterator[str]:
        """The callback of each delivery that is owed from the beginning."""
        yield from repeat(f"http://sick.localhost:{port}{node.HOOK}", self.backlog)
        for _ in range(SILENT_EACH):
            for name in range(self.silent):
                yield f"http://silent{name}.example:{port}{node.HOOK}"


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 8)  # 60 in full
    parser.add_argument("--rate", type=int, default=50, help="ends per second; 200 in full")
    parser.add_argument("--hosts", type=int, default=100, help="of which a fifth hang")
    parser.add_argument("--backlog", type=int, default=1_000, help="100000 in full")
    parser.add_argument("--silent", type=int, default=40, help="names nobody answers for")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    scene = partial(Scene, options.rate, options.seconds, options.hosts)
    hanging = options.hosts // 5
    scenes = (
        scene(),
        scene(hanging=hanging),
        scene(backlog=options.backlog),
        scene(silent=options.silent),
    )
    rounds = [[through_bridge(one) for one in scenes] for _ in range(options.rounds)]
    well, hung, owed, silent = zip(*rounds, strict=True)
    what = f"{hanging} of {options.hosts} hosts hang"
    yield from rows_of(options.rate, what, hung, well, HARMED)
    what = f"{options.backlog:,} owed to a dead host"
    yield from rows_of(options.rate, what, owed, well, UNTOUCHED)
    what = f"{options.silent} silent DNS names"
    yield from rows_of(options.rate, what, silent, well, UNTOUCHED)


def rows_of(
    rate: int, what: str, ill: Sequence[Run], well: Sequence[Run], target: Target
) -> Iterator[Row]:
    for percent, asked in ((50, Target()), (95, target)):
        of = partial(ms, percent=percent)
        name = f"seen → received, {rate}/s, p{percent}, {what}"
        yield Row(name, "ms", list(map(of, ill)), list(map(of, well)), asked)


def through_bridge(scene: Scene) -> Run:
    with node.folder() as folder, serving(perform) as port, unanswering() as nameserver:
        place = Place(folder, port, port)
        ends_at = done_aside(prepare, place, scene)
        with served(place, nameserver):
            expected = sum(
                number % scene.hosts >= scene.hanging
                for number, _ in enumerate(scene.offsets_s())
            )
            return Run(told(port, expected, ends_at + GRACE_S))


class Ward(Stage):
    """Some receivers never answer. Only of the others it is known how long it took."""

    def receiver(self, head: bytes, body: bytes) -> bytes | None:
        return None if SICK in head else Stage.receiver(self, head, body)


def perform(parent: Connection) -> None:
    looped(lean.serve(parent, Ward(0.0, 0).answers))


@contextmanager
def unanswering() -> Iterator[str]:
    """A name server that hears, and says nothing."""
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def served(place: Place, nameserver: str) -> Iterator[None]:
    """As `serve` does it. It is killed in the end: told to stop, it would wait for
    receivers that hang.
    """
    ours, theirs = CONTEXT.Pipe()
    server = CONTEXT.Process(target=serve, args=(theirs, place, nameserver), daemon=True)
    server.start()
    try:
        heard(ours)
        yield
    finally:
        server.kill()
        server.join(PATIENCE_S)


def serve(parent: Connection, place: Place, nameserver: str) -> None:
    config = load({"config": place.config_file()}, {}, place.folder)
    with node.quiet_logs():
        looped(
            service.serve(
                config,
                reload=lambda: config,
                on_ready=parent.send,
                nameservers=[nameserver],
            )
        )


def prepare(place: Place, scene: Scene) -> float:
    """Write all there is to be; when the last task ends, by time.time()."""
    return looped(prepared(place, scene))


async def prepared(place: Place, scene: Scene) -> float:
    async with node.opened(place) as bridge:
        port = place.receiver_port
        owed = (
            wish(number, url, 0.0)
            for number, url in enumerate(scene.owed_before(port), BEFORE)
        )
        await written(bridge, owed, bridge.clock.now() - node.CREATED_AGO_S)
        await node.end_all(bridge)
        offsets_s = scene.offsets_s()
        lead_s = LEAD_S + len(offsets_s) / WRITTEN_PER_S
        planned = (
            wish(number, scene.url(number, port), lead_s + offset_s)
            for number, offset_s in enumerate(offsets_s)
        )
        began_at = bridge.clock.now()
        await written(bridge, planned, began_at)
        if bridge.clock.now() > began_at + lead_s:
            raise TimeoutError("this machine writes too slowly: the first have ended")
        return time.time() + lead_s + scene.seconds


async def written(bridge: Bridge, wishes: Iterable[Wish], now: float) -> None:
    rest = iter(wishes)
    while several := list(islice(rest, node.SUBSCRIBED_AT_ONCE)):
        await asyncio.gather(*(bridge.store.subscribe(one, now=now) for one in several))


def wish(number: int, url: str, first_poll_s: float) -> Wish:
    name = node.task_id(number)
    return Wish(
        client="shop",
        provider="amux",
        task_id=name,
        destination=Destination(url=url, host=url.split("/")[2].partition(":")[0]),
        deadline_s=90_000.0,
        first_poll_s=first_poll_s,
        canonical=orjson.dumps([name, url]),
    )


def told(port: int, expected: int, until: float) -> Sequence[float]:
    """All there are to be, once they are there. Raises TimeoutError."""
    times: list[float] = []
    while time.time() < until:
        with urlopen(f"http://127.0.0.1:{port}{TIMES}") as response:
            times = orjson.loads(response.read())
        if len(times) >= expected:
            return times
        time.sleep(LOOK_S)
    raise TimeoutError(f"{len(times)} of {expected} webhooks came")


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
