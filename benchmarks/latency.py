"""From a task's end to its webhook, at a steady rate, end to end through `serve`.

Clients subscribe at random moments, and each task ends some seconds later. The time runs
from the provider's sending of the end to the arrival of the webhook: the whole way through
the bridge, a sync to disk included. Then once more while a fifth of the receivers hang
until the timeout: of the others.

Beside it: aiohttp on uvloop, asking once and posting at once, at the same random moments;
and for the run with hanging receivers, the run without.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from random import Random
from urllib.request import urlopen

import orjson

from benchmarks import lean, node, program
from benchmarks.aside import done_aside, looped, serve_command, serving
from benchmarks.figures import Row, Target, percentile
from benchmarks.node import HOSTS, SEED, Place
from benchmarks.subscribes import subscribe_request

# A task ends with its second poll, after the pause before a first attempt.
FIRST, INTERVAL, LIFE_S = "1200ms", "1s", 0.85
HANGING = HOSTS // 5
TIMES = "/times"
PATIENCE_S = 30.0
TARGETS = {50: Target("≤ 124", "≤ 20"), 200: Target("≤ 127", "≤ 20")}
UNHURT = Target("≤ 1.5×", "≤ 1.1×")


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 7)
    parser.add_argument(
        "--rates", type=int, nargs="+", default=[50, 200], help="ends per second"
    )


def measured(options: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []
    for rate in options.rates:
        runs = [
            [run(rate, options.seconds) for run in (through_bridge, bare, beside_hanging)]
            for _ in range(options.rounds)
        ]
        rows += rows_of(rate, *zip(*runs, strict=True))
    return rows


def rows_of(
    rate: int, plain: Sequence["Run"], bare: Sequence["Run"], hung: Sequence["Run"]
) -> Iterator[Row]:
    target = TARGETS.get(rate, Target())
    for percent, asked in ((50, Target()), (95, target)):
        what, of = f"seen → received, {rate}/s, p{percent}", partial(ms, percent=percent)
        yield Row(what, "ms", list(map(of, plain)), list(map(of, bare)), asked)
        what += f", {HANGING} of {HOSTS} hosts hang"
        yield Row(what, "ms", list(map(of, hung)), list(map(of, plain)), UNHURT)
    accepted = [percentile(run.accepted_s, 95) * 1_000 for run in plain]
    yield Row(f"subscribe → 202, {rate}/s, p95", "ms", accepted, target=Target("≤ 12"))


def ms(run: "Run", percent: float) -> float:
    return percentile(run.told_s, percent) * 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from each end to its webhook, and from each subscribe to its 202."""

    told_s: Sequence[float]
    accepted_s: Sequence[float] = ()


def through_bridge(rate: int, seconds: float, hanging: int = 0) -> Run:
    with node.folder() as folder, serving(perform, LIFE_S, hanging) as port:
        place = Place(folder, port, port, interval=INTERVAL, first=FIRST)
        with serve_command(place.config_file()) as served:
            accepted_s = done_aside(subscribed, served.url, port, rate, seconds)
            return Run(told(port, len(accepted_s), hanging), accepted_s)


beside_hanging = partial(through_bridge, hanging=HANGING)


def bare(rate: int, seconds: float) -> Run:
    with serving(perform, 0.0, 0) as port:
        count = done_aside(asked_and_posted, port, rate, seconds)
        return Run(told(port, count, 0))


def told(port: int, subscriptions: int, hanging: int) -> Sequence[float]:
    """All there are to be, once they are there. Raises TimeoutError."""
    expected = sum(number % HOSTS >= hanging for number in range(subscriptions))
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        with urlopen(f"http://127.0.0.1:{port}{TIMES}") as response:
            times: list[float] = orjson.loads(response.read())
        if len(times) >= expected:
            return times
        time.sleep(0.1)
    raise TimeoutError(f"{len(times)} of {expected} webhooks came")


@dataclass(slots=True)
class Stage:
    """Provider and receivers, on one clock. Tasks are known by their numbers."""

    life_s: float
    hanging: int  # receivers, of HOSTS
    ends_at: dict[bytes, float] = field(default_factory=dict)
    ended_at: dict[bytes, float] = field(default_factory=dict)
    told_s: dict[bytes, float] = field(default_factory=dict)

    def answers(self, head: bytes, body: bytes) -> bytes | None:
        method, path, _ = head.split(b" ", 2)
        if method == b"POST":
            return self.receiver(head, body)
        if path == TIMES.encode():
            return lean.answer(orjson.dumps(list(self.told_s.values())))
        return self.provider(path.rpartition(b"/")[2])

    def provider(self, name: bytes) -> bytes:
        now = time.monotonic()
        if now < self.ends_at.setdefault(name, now + self.life_s):
            return lean.answer(node.said(name, b"in_progress"))
        self.ended_at.setdefault(name, now)
        return lean.answer(node.said(name, b"completed"))

    def receiver(self, head: bytes, body: bytes) -> bytes | None:
        if any(b"\r\nHost: hook%d." % number in head for number in range(self.hanging)):
            return None
        name = body.partition(b'"task_id":"')[2].partition(b'"')[0]
        self.told_s.setdefault(name, time.monotonic() - self.ended_at[name])
        return lean.answer(b'{"ok":true}')


def perform(parent: Connection, life_s: float, hanging: int) -> None:
    looped(lean.serve(parent, Stage(life_s, hanging).answers))


async def at_random(
    rate: int, seconds: float, act: Callable[[int], Awaitable[None]]
) -> int:
    """`act` as a Poisson process does, whatever it takes; how often it was."""
    loop, dice, number = asyncio.get_running_loop(), Random(SEED), 0
    begun_at = at = loop.time()
    async with asyncio.TaskGroup() as group:
        while (at := at + dice.expovariate(rate)) < begun_at + seconds or not number:
            await asyncio.sleep(at - loop.time())
            group.create_task(act(number))  # type: ignore[arg-type]
            number += 1
    return number


def subscribed(url: str, port: int, rate: int, seconds: float) -> list[float]:
    return looped(subscribing(url, port, rate, seconds))


async def subscribing(url: str, port: int, rate: int, seconds: float) -> list[float]:
    """How long each subscribe took."""
    idle: list[lean.Caller] = []
    taken_s: list[float] = []

    async def subscribe(number: int) -> None:
        sent = subscribe_request(url, number, port)
        while idle and idle[-1].closed:
            idle.pop()
        caller = idle.pop() if idle else await lean.call(url)
        began_at = time.perf_counter()
        head = await caller.ask(sent)
        taken_s.append(time.perf_counter() - began_at)
        assert b" 202 " in head, head
        idle.append(caller)

    await at_random(rate, seconds, subscribe)
    return taken_s


def asked_and_posted(port: int, rate: int, seconds: float) -> int:
    return looped(asking_and_posting(port, rate, seconds))


async def asking_and_posting(port: int, rate: int, seconds: float) -> int:
    url = f"http://127.0.0.1:{port}/"
    async with node.bare_session(rate) as session:

        async def ask_and_post(number: int) -> None:
            async with session.get(url + node.task_id(number)) as response:
                body = await response.read()
            async with session.post(url, data=body) as response:
                await response.read()

        return await at_random(rate, seconds, ask_and_post)


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
