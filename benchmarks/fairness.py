"""From a task's end to its webhook at receivers that are well, while others are not.

End to end through `serve`, at a steady rate, to many hosts, of which a fifth hang until the
timeout; and to many that are well, while one that hangs is owed a large backlog. Beside
both: the same run just before, in which all are well. The figures are of healthy hosts.
"""

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from multiprocessing.connection import Connection

import orjson

from benchmarks import lean, node, program
from benchmarks.aside import done_aside, looped, serve_command, serving
from benchmarks.figures import Row, Target
from benchmarks.latency import FIRST, INTERVAL, LIFE_S, Run, Stage, at_random, ms, told
from benchmarks.node import Place
from benchmarks.subscribes import PATH
from bridge.model import Destination, Wish

HARMED, UNTOUCHED = Target("≤ 1.5×", "≤ 1.1×"), Target("≤ 1.1×")
BEFORE = 1_000_000_000  # where the numbers of the backlog's tasks begin
SICK = b"\r\nHost: sick"


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 8)  # 60 in full
    parser.add_argument("--rate", type=int, default=50, help="ends per second; 200 in full")
    parser.add_argument("--hosts", type=int, default=100, help="of which a fifth hang")
    parser.add_argument("--backlog", type=int, default=1_000, help="100000 in full")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    run = partial(through_bridge, options.rate, options.seconds, options.hosts)
    rounds = [
        (run(), run(hanging=options.hosts // 5), run(backlog=options.backlog))
        for _ in range(options.rounds)
    ]
    well, hung, owed = zip(*rounds, strict=True)
    hosts = f"{options.hosts // 5} of {options.hosts} hosts hang"
    yield from rows_of(options.rate, hosts, hung, well, HARMED)
    backlog = f"{options.backlog:,} owed to a dead host"
    yield from rows_of(options.rate, backlog, owed, well, UNTOUCHED)


def rows_of(
    rate: int, what: str, ill: Sequence[Run], well: Sequence[Run], target: Target
) -> Iterator[Row]:
    for percent, asked in ((50, Target()), (95, target)):
        of = partial(ms, percent=percent)
        name = f"seen → received, {rate}/s, p{percent}, {what}"
        yield Row(name, "ms", list(map(of, ill)), list(map(of, well)), asked)


def through_bridge(
    rate: int, seconds: float, hosts: int, *, hanging: int = 0, backlog: int = 0
) -> Run:
    with node.folder() as folder, serving(perform, LIFE_S) as port:
        place = Place(folder, port, port, interval=INTERVAL, first=FIRST)
        if backlog:
            done_aside(owe, place, backlog)
        with serve_command(place.config_file()) as served:
            asked = (served.url, port, rate, seconds, hosts, hanging)
            numbers = done_aside(subscribed, *asked)
            expected = sum(number % hosts >= hanging for number in range(numbers))
            return Run(told(port, expected, 0))


class Ward(Stage):
    """Some receivers never answer. Only of the others it is known how long it took."""

    def receiver(self, head: bytes, body: bytes) -> bytes | None:
        return None if SICK in head else Stage.receiver(self, head, body)


def perform(parent: Connection, life_s: float) -> None:
    looped(lean.serve(parent, Ward(life_s, 0).answers))


def hook_url(number: int, port: int, hosts: int, hanging: int) -> str:
    """Names below localhost lead to this machine without being asked for: RFC 6761."""
    host = number % hosts
    state = "sick" if host < hanging else "well"
    return f"http://{state}{host}.localhost:{port}{node.HOOK}"


def owe(place: Place, backlog: int) -> None:
    looped(owing(place, backlog))


async def owing(place: Place, backlog: int) -> None:
    """To one host, which hangs."""
    async with node.opened(place) as bridge:
        now = bridge.clock.now() - node.CREATED_AGO_S
        for begin in range(BEFORE, BEFORE + backlog, node.SUBSCRIBED_AT_ONCE):
            end = min(begin + node.SUBSCRIBED_AT_ONCE, BEFORE + backlog)
            wishes = [wish(place, number) for number in range(begin, end)]
            await asyncio.gather(*(bridge.store.subscribe(one, now=now) for one in wishes))
        await node.end_all(bridge)


def wish(place: Place, number: int) -> Wish:
    url = hook_url(0, place.receiver_port, 1, 1)
    return Wish(
        client="shop",
        provider="amux",
        task_id=node.task_id(number),
        destination=Destination(url=url, host="sick0.localhost"),
        deadline_s=90_000.0,
        first_poll_s=0.0,
        canonical=orjson.dumps([node.task_id(number), url]),
    )


def subscribed(
    url: str, port: int, rate: int, seconds: float, hosts: int, hanging: int
) -> int:
    """How many there were."""
    return looped(subscribing(url, port, rate, seconds, hosts, hanging))


async def subscribing(
    url: str, port: int, rate: int, seconds: float, hosts: int, hanging: int
) -> int:
    idle: list[lean.Caller] = []
    headers = {
        "Authorization": f"Bearer {node.API_KEY}",
        "Content-Type": "application/json",
    }

    async def subscribe(number: int) -> None:
        body = {
            "provider": "amux",
            "task_id": node.task_id(number),
            "callback_url": hook_url(number, port, hosts, hanging),
        }
        while idle and idle[-1].closed:
            idle.pop()
        caller = idle.pop() if idle else await lean.call(url)
        sent = lean.request("POST", url + PATH, headers, orjson.dumps(body))
        head = await caller.ask(sent)
        assert b" 202 " in head, head
        idle.append(caller)

    return await at_random(rate, seconds, subscribe)


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
