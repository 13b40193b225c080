"""Deliveries per second after a restart that finds a backlog; the receivers answer 200.

Beside it: aiohttp on uvloop, posting one of the same webhooks to the same receivers over as
many connections, and doing nothing with the answers.
"""

import argparse
from functools import partial
from multiprocessing.connection import Connection

from benchmarks import lean, node, program
from benchmarks.aside import done_aside, looped, serving
from benchmarks.figures import Row, Target, rounds
from benchmarks.meter import Speed, speed, speed_of, speeds
from benchmarks.node import Place
from bridge import signature
from bridge.assembly import USER_AGENT, Bridge
from bridge.config.models import Callbacks
from bridge.lanes import Window
from bridge.store import Pick

# One client may have half of the slots, and a quarter of these is kept for idle hosts.
CONNECTIONS = Callbacks().slots // 2 * 3 // 4


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 4)
    parser.add_argument("--backlog", type=int, default=10_000, help="100000 in full")


def measured(options: argparse.Namespace) -> list[Row]:
    with node.folder() as folder, serving(receive) as port:
        place = Place(folder, receiver_port=port)
        webhook = done_aside(prepare, place, options.backlog)
        pairs = rounds(
            options.rounds,
            partial(done_aside, bridge_deliveries, place, options.backlog, options.seconds),
            partial(done_aside, bare_posts, place, *webhook, options.seconds),
        )
    ours, bare = zip(*pairs, strict=True)
    what = f"deliveries, backlog of {options.backlog:,}"
    return speeds(what, ours, bare, Target("≥ 0.40×", "≥ 0.70×"))


def receive(parent: Connection) -> None:
    accepted = lean.answer(b'{"ok":true}')
    looped(lean.serve(parent, lambda _head, _body: accepted))


def prepare(place: Place, backlog: int) -> tuple[dict[str, str], bytes]:
    """A database that owes so many, and one of them: its headers and its body."""
    return looped(owing(place, backlog))


async def owing(place: Place, backlog: int) -> tuple[dict[str, str], bytes]:
    async with node.opened(place) as bridge:
        await node.subscribe(bridge, place, range(backlog))
        await node.end_all(bridge)
        return await one_webhook(bridge)


async def one_webhook(bridge: Bridge) -> tuple[dict[str, str], bytes]:
    now = bridge.clock.now()
    ready = await bridge.store.delivery_lanes(now=now, window=Window())
    picks = [Pick(ready.lanes[0], 1)]
    claims = await bridge.store.claim_deliveries(picks, now=now, lease_s=0)
    [claimed] = claims.items
    signed = signature.headers(
        message_id=claimed.message_id,
        sent_at=bridge.clock.wall(),
        body=claimed.body,
        secrets=[node.SECRET],
    )
    plain = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
    return {**signed, **plain}, claimed.body


def bridge_deliveries(place: Place, backlog: int, seconds: float) -> Speed:
    with node.restored(place):
        return looped(delivering(place, backlog, seconds))


async def delivering(place: Place, backlog: int, seconds: float) -> Speed:
    async with node.opened(place) as bridge, node.running(bridge):
        registry, labels = bridge.deps.registry, {"outcome": "accepted"}
        name = "bridge_delivery_attempts_total"
        return await speed(
            lambda: registry.get_sample_value(name, labels) or 0,
            seconds,
            most=backlog - CONNECTIONS,
        )


def bare_posts(place: Place, headers: dict[str, str], body: bytes, seconds: float) -> Speed:
    return looped(posting(place.receiver_port, headers, body, seconds))


async def posting(port: int, headers: dict[str, str], body: bytes, seconds: float) -> Speed:
    url = f"http://127.0.0.1:{port}{node.HOOK}"
    async with node.bare_session(CONNECTIONS) as session:

        async def post() -> None:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()

        return await speed_of([post] * CONNECTIONS, seconds)


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
