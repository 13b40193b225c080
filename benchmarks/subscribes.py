"""Durable subscribes per second over HTTP, each for a task of its own.

Beside it: a Starlette app on the same server with the same options, which sends back what
it was sent. Both are called by the same lean client, which has a process of its own.
"""

import argparse
import os
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count
from multiprocessing.connection import Connection

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks import lean, node, program
from benchmarks.aside import Served, done_aside, looped, serve_command, serving
from benchmarks.figures import Row, Target, rounds
from benchmarks.machine import cpu_s
from benchmarks.meter import Speed, speed_of, speeds
from benchmarks.node import Place
from bridge.config import load
from bridge.service import address_of, listener, server_of

PATH = "/subscribe"


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 4)
    parser.add_argument("--connections", type=int, default=64)


def measured(options: argparse.Namespace) -> list[Row]:
    with node.folder() as folder:
        place = Place(folder)
        pairs = rounds(
            options.rounds,
            partial(bridge_subscribes, place, options.connections, options.seconds),
            partial(echoes, place, options.connections, options.seconds),
        )
    ours, echo = zip(*pairs, strict=True)
    what = f"durable subscribes, {options.connections} connections"
    return speeds(what, ours, echo, Target("≥ 0.30×", "≥ 0.60×"))


def bridge_subscribes(place: Place, connections: int, seconds: float) -> Speed:
    place.clear()
    with serve_command(place.config_file()) as served:
        return done_aside(called, served, connections, seconds)


def echoes(place: Place, connections: int, seconds: float) -> Speed:
    with serving(echo, place) as served:
        return done_aside(called, served, connections, seconds)


def echo(parent: Connection, place: Place) -> None:
    config = load({"config": place.config_file()}, {}, place.folder)
    app = Starlette(routes=[Route(PATH, sent_back, methods=["POST"])])
    listening = listener(config.listen.host, config.listen.port)
    parent.send(Served(address_of(listening), os.getpid()))
    looped(server_of(app, config).serve([listening]))


async def sent_back(request: Request) -> Response:
    return Response(await request.body(), 202, media_type="application/json")


def called(served: Served, connections: int, seconds: float) -> Speed:
    return looped(calling(served, connections, seconds))


async def calling(served: Served, connections: int, seconds: float) -> Speed:
    numbers = count()
    callers = [await lean.call(served.url) for _ in range(connections)]
    subscribes = [subscribing(served.url, caller, numbers) for caller in callers]
    return await speed_of(subscribes, seconds, partial(cpu_s, served.pid))


def subscribing(
    url: str, caller: lean.Caller, numbers: "count[int]"
) -> Callable[[], Awaitable[None]]:
    async def subscribe() -> None:
        head = await caller.ask(subscribe_request(url, next(numbers)))
        assert b" 202 " in head, head

    return subscribe


def subscribe_request(
    url: str, number: int, receiver_port: int = node.NOBODY, **instead: str
) -> bytes:
    body = {
        "provider": "amux",
        "task_id": node.task_id(number),
        "callback_url": node.hook_url(number, receiver_port),
        **instead,
    }
    headers = {
        "Authorization": f"Bearer {node.API_KEY}",
        "Content-Type": "application/json",
    }
    return lean.request("POST", url + PATH, headers, orjson.dumps(body))


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
