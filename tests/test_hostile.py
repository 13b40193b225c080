"""Receivers that mean harm, or are merely broken: each attempt has a clear outcome, says
what to do, and leaves nothing behind.

`BRIDGE_TEST_HOSTILE=10000 pytest tests/test_hostile.py` makes as many attempts.
"""

import asyncio
import gc
import gzip
import os
import resource
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bridge.delivery.webhook import KEPT_BYTES, Sender
from bridge.model import AttemptOutcome as Came
from bridge.model import DeliveryState, Reply
from bridge.net.guard import Egress
from bridge.receivers.callback import destination
from bridge.receivers.hints import hint
from tests.conftest import FakeClock
from tests.net.hostile import (
    OK,
    Talk,
    certificate,
    endless,
    hang,
    raw_server,
    request,
    reset,
    says,
    way_out,
)
from tests.promises.wired import wired

MANY = int(os.environ.get("BRIDGE_TEST_HOSTILE", "300"))
AT_ONCE = 64
PATIENT_S, BRIEF_S = 6.0, 0.3  # timeouts
SPARE = 8  # open files: the channels of a resolver, a pooled connection
FOLDER = Path("/proc/self/fd")  # of Linux: a name for each open file and socket
HEAD = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(16 << 20), compresslevel=1, mtime=0)


@dataclass(frozen=True)
class Case:
    """What a receiver does once it has the request, and what is said of it."""

    talk: Talk
    outcome: Came
    http_status: int | None = None
    hint: str | None = None  # some of its words; None: nothing is wrong


def then(answer: bytes, afterwards: Talk | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        if afterwards is not None:
            await afterwards(reader, writer)

    return talk


def dripping(begin: bytes) -> Talk:
    """A byte now and then, until the client hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        loop = asyncio.get_running_loop()

        def drop() -> None:
            if not writer.is_closing():
                writer.write(b".")
                loop.call_later(0.02, drop)

        drop()
        await reader.read()

    return talk


GZIP = HEAD + b"Content-Encoding: gzip\r\n\r\n"
CUT = b"Content-Length: 9\r\n\r\nhalf"
SWITCH = b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
NOT_HTTP = "not HTTP"
LATE = "No answer in time"
BROKE = "connection broke"
CASES = {
    "says-nothing": Case(hang, Came.TIMEOUT, None, LATE),
    "slow-headers": Case(then(HEAD + b"X-A: ", hang), Came.TIMEOUT, None, LATE),
    "drips-headers": Case(dripping(HEAD + b"X-A: "), Came.TIMEOUT, None, LATE),
    "slow-body": Case(then(HEAD + CUT, hang), Came.ACCEPTED, 200),
    "drips-body": Case(dripping(HEAD + b"\r\n"), Came.ACCEPTED, 200),
    "endless-body": Case(then(HEAD + b"\r\n", endless(b"x" * 9_999)), Came.ACCEPTED, 200),
    "bomb": Case(then(GZIP + BOMB, hang), Came.ACCEPTED, 200),
    "broken-gzip": Case(then(GZIP + b"no"), Came.ACCEPTED, 200),
    "rst": Case(reset, Came.RESET, None, BROKE),
    "closes": Case(then(b""), Came.RESET, None, BROKE),
    "rst-in-headers": Case(then(HEAD + b"X-A: ", reset), Came.RESET, None, BROKE),
    "rst-in-body": Case(then(HEAD + CUT, reset), Came.ACCEPTED, 200),
    "rst-in-500": Case(
        then(b"HTTP/1.1 500 Oops\r\n" + CUT, reset), Came.REFUSED, 500, "receiver failed"
    ),
    "102-for-ever": Case(endless(b"HTTP/1.1 102 On It\r\n\r\n"), Came.TIMEOUT, None, LATE),
    "103-first": Case(then(b"HTTP/1.1 103 Hints\r\n\r\n" + OK), Came.ACCEPTED, 200),
    "101": Case(then(SWITCH), Came.REFUSED, 101, "Only a 2xx"),
    "http-1.0": Case(then(b"HTTP/1.0 200 OK\r\n\r\nto the end"), Came.ACCEPTED, 200),
    "204": Case(then(b"HTTP/1.1 204 No Content\r\n\r\n"), Came.ACCEPTED, 204),
    "304": Case(then(b"HTTP/1.1 304 Same\r\n\r\n"), Came.REDIRECTED, 304, "answer 2xx"),
    "huge-header": Case(
        then(HEAD + b"X-A: " + b"x" * 100_000), Came.INVALID_ANSWER, None, "larger than 16"
    ),
    "many-headers": Case(
        then(HEAD + b"X-A: y\r\n" * 15_000 + b"\r\n"), Came.INVALID_ANSWER, None, NOT_HTTP
    ),
    "mail": Case(then(b"220 mail.test ESMTP\r\n"), Came.INVALID_ANSWER, None, NOT_HTTP),
    "tls-alert": Case(
        then(b"\x15\x03\x01\x00\x02\x02\x46"), Came.INVALID_ANSWER, None, NOT_HTTP
    ),
    "two-answers": Case(then(OK + OK, hang), Came.ACCEPTED, 200),
}


async def routed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every case at a path of its own."""
    name = (await request(reader)).split()[1].decode().strip("/")
    await CASES[name].talk(reader, writer)


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks HTTP, whatever is spoken to it."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")


TLS = {
    "self-signed": (Came.TLS_ERROR, "certificate must be valid"),
    "wrong-name": (Came.TLS_ERROR, "for this host name"),
    "plain-on-a-tls-port": (Came.TLS_ERROR, "No trusted TLS"),
    "https-called-by-http": (Came.RESET, "connection broke"),
    "refused": (Came.CONNECT_ERROR, "Nothing accepts connections"),
    "unknown-name": (Came.DNS_ERROR, "does not resolve"),
    "inside": (Came.ADDRESS_FORBIDDEN, "callbacks.allow_hosts"),
}


@dataclass(frozen=True)
class Receivers:
    """Where each of them is, and the way there."""

    egress: Egress
    urls: Mapping[str, str]

    async def attempt(self, name: str, timeout_s: float) -> Reply:
        callback = destination(self.urls[name], {}, https_only=False)
        sender = Sender(self.egress, timeout_s=timeout_s, wall=lambda: 0.0)
        return await sender.send(callback, "POST", callback.url, {}, b'{"a": 1}')


@asynccontextmanager
async def hostile(folder: Path) -> AsyncIterator[Receivers]:
    unknown, known = folder / "unknown", folder / "known"
    for one in (unknown, known):
        one.mkdir()
    tls, _ = certificate(unknown, "hook.test")
    vouched, authority = certificate(known, "other.test")
    names = {"hook.test": ["127.0.0.1"], "inside.test": ["10.0.0.1"]}
    async with raw_server(hang) as (nobody, _):
        pass
    async with (
        raw_server(routed) as (port, _),
        raw_server(says(OK), tls) as (secret, _),
        raw_server(says(OK), vouched) as (other, _),
        raw_server(plain) as (bare, _),
        way_out(names, ca_file=authority, limit=AT_ONCE, keep_alive_s=0.2) as egress,
    ):
        urls = {name: f"http://hook.test:{port}/{name}" for name in CASES}
        yield Receivers(
            egress,
            urls
            | {
                "self-signed": f"https://hook.test:{secret}/",
                "wrong-name": f"https://hook.test:{other}/",
                "plain-on-a-tls-port": f"https://hook.test:{bare}/",
                "https-called-by-http": f"http://hook.test:{secret}/",
                "refused": f"http://hook.test:{nobody}/",
                "unknown-name": f"http://missing.test:{port}/",
                "inside": f"http://inside.test:{port}/",
            },
        )


async def test_each_has_an_outcome_and_says_what_to_do(tmp_path: Path) -> None:
    """Nobody but the receiver's owner can mend it, and the hint is all that he is told."""
    async with hostile(tmp_path) as receivers:
        names = [*CASES, *TLS]
        replies = await asyncio.gather(
            *(receivers.attempt(name, PATIENT_S) for name in names)
        )
        found = dict(zip(names, replies, strict=True))
    for name, case in CASES.items():
        reply = found[name]
        said = hint(reply, "POST")
        assert (name, reply.outcome) == (name, case.outcome)
        assert (name, reply.http_status) == (name, case.http_status)
        assert (said is None) if case.hint is None else (case.hint in str(said)), name
        assert len(reply.body) <= KEPT_BYTES
    for name, (outcome, words) in TLS.items():
        assert (name, found[name].outcome) == (name, outcome)
        assert words in str(hint(found[name], "POST")), name


async def test_many_of_them_leave_nothing_behind(tmp_path: Path) -> None:
    """No socket, no task, no memory: a receiver that is called for years is like this."""
    async with hostile(tmp_path) as receivers:
        names = cycle([*CASES, *TLS])
        await attempts(receivers, names, AT_ONCE)
        before = await settled(None)
        came = await attempts(receivers, names, MANY)
        after = await settled(before)
    assert came.total() == MANY
    assert after.spares(before), (before, after)
    assert after.objects - before.objects < MANY, "not one for each"
    assert after.resident - before.resident < 64 << 20


@dataclass(frozen=True)
class Held:
    """What this process has."""

    tasks: int
    files: int
    objects: int
    resident: int  # bytes

    @classmethod
    def now(cls) -> "Held":
        gc.collect()
        files = len(list(FOLDER.iterdir())) if FOLDER.exists() else 0
        tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
        return cls(tasks, files, objects, resident())

    def spares(self, before: "Held") -> bool:
        return self.tasks <= before.tasks and self.files <= before.files + SPARE


def resident() -> int:
    """The largest there was; it tells of what is not counted in objects."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def attempts(receivers: Receivers, names: "cycle[str]", count: int) -> Counter[Came]:
    """Some at a time; how often each outcome came."""
    gate, came = asyncio.Semaphore(AT_ONCE), Counter[Came]()

    async def one(name: str) -> None:
        async with gate:
            came[(await receivers.attempt(name, BRIEF_S)).outcome] += 1

    async with asyncio.TaskGroup() as group:
        for name in islice(names, count):
            group.create_task(one(name))
    return came


async def settled(before: Held | None) -> Held:
    """What is held once the receivers have heard that we hung up; or ten seconds later."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 10
    while True:
        looked = asyncio.Event()
        loop.call_later(0.5, looked.set)
        await looked.wait()
        held = Held.now()
        if loop.time() > until or before is None or held.spares(before):
            return held


async def test_a_name_that_moves_inside_between_two_attempts_is_refused(
    tmp_path: Path, clock: FakeClock
) -> None:
    """The first attempt found a public receiver. Each attempt asks and looks anew."""
    names = {"flip.test": ["127.0.0.1"]}
    async with (
        raw_server(says(b"HTTP/1.1 500 Oops\r\n\r\n")) as (port, heard),
        wired(
            tmp_path, clock, names, callbacks={"allow_networks": ["127.0.0.1/32"]}
        ) as node,
    ):
        made = await node.subscribe("no-url-0s", f"http://flip.test:{port}/hook")
        await node.turn(5)
        node.names.names["flip.test"] = ["127.0.0.2"]
        await node.turn(70)
        node.names.names["flip.test"] = ["127.0.0.1", "127.0.0.2"]
        await node.turn(70)
        delivery = await node.delivery(made)
        came = [attempt.outcome for attempt in delivery.log]
        assert came == [Came.REFUSED, Came.ADDRESS_FORBIDDEN, Came.ADDRESS_FORBIDDEN]
        assert "callbacks.allow_hosts" in str(delivery.hint)
        assert delivery.state is DeliveryState.RETRYING
        assert heard.opened == 1
