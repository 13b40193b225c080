"""Polls per second of one process: all watches due all the time, none of them ends.

Beside it: aiohttp on uvloop, asking the same server the same questions over as many
connections, and doing nothing with the answers.
"""

import argparse
from functools import partial
from multiprocessing.connection import Connection

from benchmarks import lean, node, program
from benchmarks.aside import done_aside, looped, serving
from benchmarks.figures import Row, Target, rounds
from benchmarks.meter import Speed, in_turn, speed, speed_of, speeds
from benchmarks.node import Place
from bridge.config.models import Polling

CONNECTIONS = Polling().lane_slots  # all watches share one key, and so one lane
PATH = "/v1/video/generations/"


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 4)
    parser.add_argument("--watches", type=int, default=20_000, help="100000 in full")


def measured(options: argparse.Namespace) -> list[Row]:
    with node.folder() as folder, serving(provide) as port:
        place = Place(folder, port, interval=node.AT_ONCE)
        done_aside(node.add_watches, place, range(options.watches))
        pairs = rounds(
            options.rounds,
            partial(done_aside, bridge_polls, place, options.seconds),
            partial(done_aside, bare_polls, port, options.watches, options.seconds),
        )
    ours, bare = zip(*pairs, strict=True)
    return speeds(
        f"polls, {options.watches:,} watches", ours, bare, Target("≥ 0.60×", "≥ 0.85×")
    )


def provide(parent: Connection) -> None:
    looped(lean.serve(parent, still_running))


def still_running(head: bytes, _body: bytes) -> bytes:
    name = head.split(b" ", 2)[1].rpartition(b"/")[2]
    return lean.answer(node.said(name, b"in_progress"))


def bridge_polls(place: Place, seconds: float) -> Speed:
    with node.restored(place):
        return looped(polling(place, seconds))


async def polling(place: Place, seconds: float) -> Speed:
    async with node.opened(place) as bridge, node.running(bridge):
        registry, labels = bridge.deps.registry, {"provider": "amux", "outcome": "pending"}
        return await speed(
            lambda: registry.get_sample_value("bridge_polls_total", labels) or 0, seconds
        )


def bare_polls(port: int, watches: int, seconds: float) -> Speed:
    return looped(asking(port, watches, seconds))


async def asking(port: int, watches: int, seconds: float) -> Speed:
    url, numbers = f"http://127.0.0.1:{port}{PATH}", in_turn(watches)
    headers = {"Authorization": "Bearer sk-of-the-benchmarks"}
    async with node.bare_session(CONNECTIONS) as session:

        async def ask() -> None:
            target = url + node.task_id(next(numbers))
            async with session.get(target, headers=headers) as response:
                await response.read()

        return await speed_of([ask] * CONNECTIONS, seconds)


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
