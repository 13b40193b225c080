"""Promise 4, more of it: hosts that hang, drip, break off, refuse; very many names."""

import asyncio
from pathlib import Path

import pytest

from bridge.model import DeliveryState
from bridge.simulator.reactions import Reaction
from tests import world as w
from tests.conftest import FakeClock
from tests.net.hostile import Talk, hang, raw_server, request, reset, says
from tests.promises.databases import either
from tests.promises.test_4_no_harm_to_others import (
    FEW_TRIED,
    SLOTS,
    SOON_S,
    told_within,
    unless_dead,
)
from tests.promises.wired import wired
from tests.world import Gate, World

NAMES = 10_000
LOOPBACK = {"allow_networks": ["127.0.0.0/8"]}
TOO_MANY = b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte of its headers now and then, until the client hangs up."""
    await request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    loop = asyncio.get_running_loop()

    def drop() -> None:
        if not writer.is_closing():
            writer.write(b".")
            loop.call_later(0.05, drop)

    drop()
    await reader.read()


@pytest.mark.parametrize(
    ("talk", "tried"),
    [(hang, 8), (drip, 8), (says(b"", reset), 8), (says(TOO_MANY), 1)],
    ids=["hangs", "drips", "resets", "says-429"],
)
async def test_a_sick_host_delays_no_other(
    tmp_path: Path, clock: FakeClock, talk: Talk, tried: int
) -> None:
    """Through real sockets, with a backlog to it that is due all the time."""
    names = {"sick.test": ["127.0.0.1"], "fine.test": ["127.0.0.1"]}
    async with (
        raw_server(talk) as (port, heard),
        wired(tmp_path, clock, names, callbacks=LOOPBACK) as node,
    ):
        fine = node.receiver.url.rpartition(":")[2]
        for n in range(40):
            await node.subscribe(f"no-url-0s-{n}", f"http://sick.test:{port}/{n}")
        async with node.running():
            await node.until(lambda: heard.opened >= tried)
            came = len(node.receiver.requests)
            for n in range(10):
                await node.subscribe(
                    "no-url-0s", f"http://fine.test:{fine}/ok", model=str(n)
                )
            until = clock.now() + SOON_S
            await node.until(lambda: len(node.receiver.requests) == came + 10)
            assert clock.now() <= until


async def test_a_host_that_refuses_everything_by_429_is_asked_ever_more_seldom(
    tmp_path: Path, clock: FakeClock
) -> None:
    """And what another client has for the same host goes its own way."""
    async with wired(tmp_path, clock) as node:
        node.receiver.script("/full", [Reaction(status=429)] * 1_000)
        for n in range(30):
            await node.subscribe(f"no-url-0s-{n}", f"{node.receiver.url}/full")
        for _ in range(60):
            await node.turn(5)
        assert len(node.receiver.requests) < 60
        other = await node.subscribe("no-url-0s", f"{node.receiver.url}/ok", client="blog")
        await node.turn(SOON_S)
        assert (await node.delivery(other)).state is DeliveryState.ACCEPTED


@either
async def test_ten_thousand_names_that_hang_delay_nobody(world: World, gate: Gate) -> None:
    """One client may have any number of them; they have its share, and no more."""
    world.providers.says, world.receivers.says = w.succeeded, unless_dead(gate)
    for begin in range(0, NAMES, 500):
        await asyncio.gather(
            *(
                world.subscribe("t", host=f"dead-{n}.test")
                for n in range(begin, begin + 500)
            )
        )
    async with world.running():
        await world.until(lambda: gate.held >= FEW_TRIED)
        fine = [
            await world.subscribe(f"f{n}", client="blog", host=f"{n}.test")
            for n in range(10)
        ]
        await told_within(world, SOON_S, *(one.id for one in fine))
        assert FEW_TRIED <= gate.held <= 3 * SLOTS // 8
        # The rest are as good as dropped: thousands of timeouts need not be sat out here.
        world.receivers.says = lambda _: 200
        gate.open()
