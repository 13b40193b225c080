"""Spans of subscriptions, as a real collector is sent them."""

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from bridge.bell import Bell
from bridge.errors import ConfigError
from bridge.metrics import Metrics
from bridge.model import Answer
from bridge.simulator.loopback import Loopback
from bridge.store import Store
from bridge.store.timeline import Timeline
from bridge.traces import trace_of
from bridge.tracing.otlp import AT_ONCE, MISSING, Otlp, endpoint_of, exporter_of, fault_of
from bridge.tracing.spans import Span
from bridge.tracing.writing import Export, Tracing
from tests import world as w
from tests.conftest import FakeClock
from tests.test_traces import GIVEN, SPAN, TRACE
from tests.world import World

ERROR, PRODUCER = 2, 4  # as the protocol numbers them


@dataclass
class Collector:
    """Takes spans by OTLP over HTTP, and keeps what it was sent."""

    status: int = 200
    url: str = ""
    spans: list[Any] = field(default_factory=list)
    resources: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if self.status == 200:
            self.paths.append(request.path)
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(facts_of(group.resource))
                self.spans += [one for scope in group.scope_spans for one in scope.spans]
        return web.Response(status=self.status)


def facts_of(told: Any) -> dict[str, Any]:
    values = {one.key: one.value for one in told.attributes}
    return {key: getattr(value, value.WhichOneof("value")) for key, value in values.items()}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    one = Collector()
    server = Loopback(one.serve)
    one.url = await server.start()
    yield one
    await server.stop()


@pytest.fixture
async def otlp(collector: Collector) -> AsyncIterator[Otlp]:
    one = Otlp(endpoint_of(collector.url, {}) or "", timeout_s=0.3)
    yield one
    one.close()


@pytest.fixture
async def world(tmp_path: Path, clock: FakeClock) -> AsyncIterator[World]:
    one = await World(tmp_path, clock).up()
    yield one
    await one.down()


def traced(world: World, export: Export, most: int = 100) -> Tracing:
    """As a node has it, which begins with its process."""
    clock, metrics = world.clock, world.metrics
    tracing = Tracing(world.store, export, clock=clock, metrics=metrics, most=most)
    world.over = tracing.over
    return tracing


def queued(task_id: str) -> Answer:
    return w.said(200, {"task_id": task_id, "status": "queued"})


def figure(world: World, outcome: str) -> float:
    found = world.metrics.registry.get_sample_value(
        "bridge_trace_spans_total", {"outcome": outcome}
    )
    assert found is not None
    return found


async def test_one_span_tells_a_whole_life(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    """By the ids that the receiver was sent: first poll, changes, end, attempts."""
    tracing = traced(world, otlp.export)
    answers, polls = iter((500, 200)), iter((queued, w.pending, w.pending, w.succeeded))
    world.receivers.says = lambda _: next(answers)

    def say(task_id: str) -> Answer:
        return next(polls)(task_id)

    world.providers.says = say
    began_at = world.clock.now()
    made = await world.subscribe("t1", trace=GIVEN)
    await world.pass_time(120)
    await tracing.turn()

    [span] = collector.spans
    trace = trace_of(made.id, GIVEN)
    assert {post.traceparent for post in world.receivers.posts} == {trace.header}
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert span.span_id.hex() == trace.span_id
    assert (span.name, span.kind) == ("task at amux", PRODUCER)
    assert span.status.code != ERROR
    assert facts_of(span) == {
        "bridge.client": "shop",
        "bridge.subscription": made.id,
        "bridge.provider": "amux",
        "bridge.task": "t1",
        "bridge.state": "ended",
        "bridge.outcome": "succeeded",
        "bridge.polls": 4,
        "bridge.deliveries": 1,
    }
    names = [event.name for event in span.events]
    assert names == [
        "task.first_polled",
        "task.changed",
        "task.succeeded",
        "delivery.attempted",
        "delivery.attempted",
    ]
    told = [facts_of(event) for event in span.events]
    assert [one.get("bridge.status") for one in told[:2]] == ["queued", "running"]
    assert [one["http.response.status_code"] for one in told[3:]] == [500, 200]
    assert [one["bridge.attempt"] for one in told[3:]] == [1, 2]
    times = [event.time_unix_nano for event in span.events]
    assert times == sorted(times)
    assert span.start_time_unix_nano == began_at * 1_000_000_000
    assert span.end_time_unix_nano == times[-1]
    assert collector.paths == ["/v1/traces"]
    assert collector.resources[0]["service.name"] == "poll-bridge"
    assert figure(world, "sent") == 1


async def test_whoever_is_up_at_the_end_makes_it(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    """The node that took the task, and the one that saw its end, are gone by then."""
    traced(world, otlp.export)
    world.receivers.says = lambda _: 500
    world.providers.says = w.succeeded
    made = await world.subscribe("t1")
    await world.pass_time(30)
    assert world.receivers.posts
    await world.down()

    await world.up()
    tracing = traced(world, otlp.export)
    world.receivers.says = lambda _: 200
    await world.pass_time(3_600, 60.0)
    await tracing.turn()
    [span] = collector.spans
    trace = trace_of(made.id)
    assert (span.trace_id.hex(), span.span_id.hex()) == (trace.trace_id, trace.span_id)
    assert span.parent_span_id == b""
    assert {post.traceparent for post in world.receivers.posts} == {trace.header}
    assert len(span.events) == 1 + len(world.receivers.posts)


@pytest.mark.parametrize("way", ["stopped", "watched", "filtered", "gone"])
async def test_a_life_may_end_in_other_ways(
    world: World, otlp: Otlp, collector: Collector, way: str
) -> None:
    """Each has its span, and at once: nothing is owed any more."""
    tracing = traced(world, otlp.export)
    world.providers.says = w.pending if way == "stopped" else w.succeeded
    world.receivers.says = lambda _: 410
    changes: dict[str, Any] = {}
    if way == "watched":
        changes = {"destination": None}
    elif way == "filtered":
        changes = {"events": ("task.failed",)}
    made = await world.subscribe("t1", **changes)
    await world.pass_time(20)
    await tracing.turn()
    if way == "stopped":
        assert collector.spans == []
        assert await world.stop(made)
        tracing.over([made.id[4:]])  # as the API's bell does
        await tracing.turn()
    [span] = collector.spans
    last = {"stopped": "subscription.stopped", "gone": "delivery.gone"}
    assert span.events[-1].name == last.get(way, "task.succeeded")


async def test_what_the_end_of_another_closes_has_its_span_too(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    """A 410 to one delivery drops all that waits for the same URL."""
    tracing = traced(world, otlp.export)
    answers = iter((500, 410))
    world.receivers.says = lambda _: next(answers)
    world.providers.says = w.succeeded
    for task_id in ("t1", "t2"):
        await world.subscribe(task_id)
        while task_id not in {
            post.event["data"]["task_id"] for post in world.receivers.posts
        }:
            await world.pass_time(1, 1.0)
        assert collector.spans == []
        await tracing.turn()
    ends = {facts_of(one)["bridge.task"]: one.events[-1].name for one in collector.spans}
    assert ends == {"t1": "delivery.gone", "t2": "delivery.gone"}


async def test_what_is_given_up_is_an_error_and_a_retry_tells_it_anew(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    """Under the same ids: it is the same life, which went on a little."""
    tracing = traced(world, otlp.export)
    world.receivers.says = lambda _: 500
    world.providers.says = w.succeeded
    made = await world.subscribe("t1")
    await world.pass_time(4 * 86_400, 3_600.0)
    await tracing.turn()
    [span] = collector.spans
    assert (span.status.code, span.status.message) == (ERROR, "a delivery is exhausted")
    assert span.events[-1].name == "delivery.exhausted"
    tracing.over([made.id[4:]])
    await tracing.turn()
    assert len(collector.spans) == 1  # nothing new

    world.receivers.says = lambda _: 200
    assert await world.retry(made)
    await world.turn()
    await tracing.turn()
    [_, again] = collector.spans
    assert (again.trace_id, again.span_id) == (span.trace_id, span.span_id)
    assert again.end_time_unix_nano > span.end_time_unix_nano
    assert facts_of(again.events[-1])["bridge.attempt.manual"] is True
    assert again.status.code != ERROR


async def test_what_the_caller_does_not_sample_is_not_written_down(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    """Or a trace that is nowhere would have one span."""
    tracing = traced(world, otlp.export)
    world.providers.says = w.succeeded
    await world.subscribe("t1", trace=GIVEN[:-2] + "00")
    await world.pass_time(20)
    await tracing.turn()
    assert collector.spans == []
    assert world.receivers.posts[0].traceparent is not None
    assert world.receivers.posts[0].traceparent.endswith("-00")


@pytest.mark.parametrize("fault", ["refuses", "is not there", "fails"])
async def test_a_collector_that_is_ill_costs_spans_only(
    world: World, otlp: Otlp, collector: Collector, fault: str
) -> None:
    """They are counted, and the next ones go to it as soon as it is well."""
    collector.status = {"refuses": 400, "fails": 503}.get(fault, 200)
    nobody = Otlp("http://127.0.0.1:9/v1/traces", timeout_s=0.3)
    tracing = traced(world, nobody.export if fault == "is not there" else otlp.export)
    world.providers.says = w.succeeded
    await world.subscribe("t1")
    await world.pass_time(20)
    assert world.receivers.posts[0].status == 200
    await tracing.turn()
    nobody.close()
    assert (figure(world, "failed"), figure(world, "sent")) == (1, 0)

    collector.status = 200
    await world.subscribe("t2")
    tracing._export = otlp.export
    await world.pass_time(20)
    await tracing.turn()
    assert (figure(world, "failed"), figure(world, "sent")) == (1, 1)
    assert [facts_of(span)["bridge.task"] for span in collector.spans] == ["t2"]


async def test_a_collector_that_hangs_holds_up_nobody(world: World) -> None:
    """While it does, what is over waits in a bounded place."""
    hanging = w.Gate()

    async def export(_spans: Sequence[Span]) -> bool:
        await hanging.wait()
        return True

    tracing = traced(world, export, most=5)
    world.providers.says = w.succeeded
    await world.subscribe("t1")
    await world.pass_time(20)
    async with asyncio.TaskGroup() as group:
        group.create_task(tracing.turn())
        await hanging.until_held(1)
        second = await world.subscribe("t2")
        await world.pass_time(20)
        assert world.receivers.taken[second.id]
        tracing.over(f"none{number}" for number in range(9))
        assert figure(world, "dropped") == 5
        hanging.open()
    assert figure(world, "sent") == 2


class Dripping:
    """A collector that sends some of its answers a byte at a time, and never all."""

    def __init__(self, drips: int) -> None:
        self.drips, self.came, self.url = drips, 0, ""
        self._healed = asyncio.Event()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    async def heal(self) -> None:
        """Break off what drips, and wait until those who were left behind are gone."""
        self._healed.set()
        for thread in threading.enumerate():
            if thread.name == "traces":
                await asyncio.to_thread(thread.join, 30)

    async def aclose(self) -> None:
        await self.heal()
        self._server.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.came += 1
        dripping = self.came <= self.drips
        await reader.readuntil(b"\r\n\r\n")
        if dripping:
            await self._drip(writer)
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
            writer.write(b"Connection: close\r\n\r\n")
        writer.close()

    async def _drip(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not self._healed.is_set():
            writer.write(b"x")
            try:
                async with asyncio.timeout(0.05):
                    await self._healed.wait()
            except TimeoutError:
                continue


async def test_an_answer_that_never_ends_costs_its_batch_only() -> None:
    """The next ones go by other threads, of which there are few."""
    async with aclosing(Dripping(drips=AT_ONCE)) as collector:
        await collector.start()
        otlp = Otlp(f"{collector.url}/v1/traces", timeout_s=0.3, margin_s=0.1)
        first = [otlp.export([]) for _ in range(AT_ONCE - 1)]
        assert not any(await asyncio.gather(*first))
        collector.drips = collector.came
        assert await otlp.export([])

        collector.drips = collector.came + 1
        assert not await otlp.export([])
        assert not await otlp.export([])
        assert collector.came == collector.drips == AT_ONCE + 1  # one has asked nobody
        await collector.heal()
        assert await otlp.export([])
        otlp.close()


def test_a_collector_that_says_nothing_holds_up_no_exit() -> None:
    """A process that was told to stop is gone at once, whatever it was sending."""
    sends = """
import asyncio, socket
from bridge.tracing.otlp import Otlp

async def main():
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    otlp = Otlp("http://127.0.0.1:%s/" % listening.getsockname()[1], timeout_s=300.0)
    sending = asyncio.create_task(otlp.export([]))
    connection, _ = await asyncio.get_running_loop().sock_accept(listening)
    sending.cancel()
    await asyncio.wait([sending])
    otlp.close()
    return connection

connection = asyncio.run(main())
print("over")
"""
    run = [sys.executable, "-c", sends]
    told = subprocess.run(run, capture_output=True, check=True, timeout=30)
    assert (told.stdout.strip(), told.stderr) == (b"over", b"")


@pytest.mark.parametrize("where", ["reading", "making"])
async def test_a_fault_of_ours_costs_its_batch_only(
    world: World,
    otlp: Otlp,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    """It is counted, and neither the loop nor the node ends of it."""

    def unreadable(_told: Timeline) -> Span:
        raise ValueError("no span")

    async def export(spans: Sequence[Span]) -> bool:
        return await otlp.export([replace(one, begins_at=math.nan) for one in spans])

    tracing, stop = traced(world, otlp.export), asyncio.Event()
    world.providers.says = w.succeeded
    await world.subscribe("t1")
    await world.pass_time(20)
    stop.set()
    with monkeypatch.context() as faulty:
        if where == "reading":
            faulty.setattr("bridge.tracing.writing.span_of", unreadable)
        else:
            faulty.setattr(tracing, "_export", export)
        await tracing.run(stop)
    assert (figure(world, "failed"), figure(world, "sent")) == (1, 0)

    await world.subscribe("t2")
    await world.pass_time(20)
    await tracing.run(stop)
    assert (figure(world, "failed"), figure(world, "sent")) == (1, 1)
    assert [facts_of(span)["bridge.task"] for span in collector.spans] == ["t2"]


async def test_what_is_over_at_the_stop_is_told_yet(
    world: World, otlp: Otlp, collector: Collector
) -> None:
    tracing, stop = traced(world, otlp.export), asyncio.Event()
    world.providers.says = w.succeeded
    await world.subscribe("t1")
    await world.pass_time(20)
    stop.set()
    await tracing.run(stop)
    assert len(collector.spans) == 1


async def test_what_is_over_again_while_it_is_told_is_looked_at_again(
    store: Store, clock: FakeClock
) -> None:
    looked: list[str] = []

    class Noting(Tracing):
        async def _span(self, key: str) -> Span | None:
            looked.append(key)
            if len(looked) == 1:
                self.over([key])
            return None

    async def export(_spans: Sequence[Span]) -> bool:
        raise AssertionError

    tracing = Noting(store, export, clock=clock, metrics=Metrics())
    tracing.over(["one"])
    await tracing.turn()
    assert looked == ["one", "one"]


ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("configured", "environ", "found"),
    [
        (None, {}, None),
        (None, {ENDPOINT: ""}, None),
        (None, {ENDPOINT: "http://c:4318/"}, "http://c:4318/v1/traces"),
        (None, {ENDPOINT: "http://c/otlp"}, "http://c/otlp/v1/traces"),
        (None, {ENDPOINT: "http://c", "OTEL_SDK_DISABLED": "True"}, None),
        (None, {ENDPOINT: "http://c", "OTEL_TRACES_EXPORTER": "none"}, None),
        ("http://own", {ENDPOINT: "http://c"}, "http://own/v1/traces"),
        ("http://own/spans", {"OTEL_SDK_DISABLED": "true"}, "http://own/spans/v1/traces"),
    ],
)
def test_where_spans_go(
    configured: str | None, environ: Mapping[str, str], found: str | None
) -> None:
    assert endpoint_of(configured, environ) == found


def test_traces_without_the_extra_are_an_error_that_says_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But an endpoint that somebody gave all programs of a host stops none."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    monkeypatch.delitem(
        sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", raising=False
    )
    assert fault_of("http://collector:4318") == MISSING
    assert fault_of(None) is None
    with pytest.raises(ConfigError, match=r"traces.endpoint: .*[.]\[otel\]"):
        exporter_of("http://collector:4318", {})
    assert exporter_of(None, {ENDPOINT: "http://collector:4318"}) is None


def test_an_environment_that_wants_another_protocol_is_not_obeyed() -> None:
    grpc = {ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert exporter_of(None, grpc) is None
    assert exporter_of(None, {}) is None


def test_who_wants_no_spans_loads_nothing_for_them() -> None:
    """The packages take a third of a second and 15 MiB."""
    look = (
        "import bridge.tracing.otlp, sys; print([m for m in sys.modules if 'opentel' in m])"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True)
    assert told.stdout.strip() == b"[]"


def test_the_bell_tells_of_what_is_over_and_of_nothing_else() -> None:
    """It is rung at every poll, too, for those who wait."""
    told: list[str] = []
    bell = Bell(told.extend)
    with bell.listen("waits") as rung:
        bell.ring_all()
        assert (rung.is_set(), told) == (True, [])
        bell.ring(["ended", "waits"])
        assert told == ["ended", "waits"]
