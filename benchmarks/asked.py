"""A provider that notes every request, and clients that have it asked.

A task's id says when it ends, on the clock that all processes of a machine share.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from statistics import fmean
from typing import NamedTuple
from urllib.request import urlopen

import orjson

from benchmarks import lean, node
from benchmarks.aside import looped
from benchmarks.foreseen import Cost
from benchmarks.limited import Arrival
from benchmarks.subscribes import subscribe_request

ASKED = "/asked"
SPAN_S = 1.0

Begins = tuple[str, Arrival]  # the provider that is asked about it, and when it begins


class Asked(NamedTuple):
    """A request that was counted."""

    at: float
    provider: str
    task_id: str

    @property
    def late_s(self) -> float:
        """Since the task's end; below zero while it runs."""
        return self.at - int(self.task_id.rpartition("-")[2]) / 1e6


def task_id(number: int, ends_at: float) -> str:
    return f"task-{number}-{int(ends_at * 1e6)}"


@dataclass(slots=True)
class Upstream:
    """Providers, by the first part of their paths, and the receivers."""

    asked: list[Asked] = field(default_factory=list)

    def answers(self, head: bytes, _body: bytes) -> bytes:
        method, path, _ = head.decode().split(" ", 2)
        if method == "POST":
            return lean.answer(b'{"ok":true}')
        if path == ASKED:
            return lean.answer(orjson.dumps([tuple(each) for each in self.asked]))
        parts = path.split("/")
        asked = Asked(time.monotonic(), parts[1], parts[-1])
        self.asked.append(asked)
        status = b"in_progress" if asked.late_s < 0 else b"completed"
        return lean.answer(node.said(asked.task_id.encode(), status))


def provide(parent: Connection) -> None:
    looped(lean.serve(parent, Upstream().answers))


def asked(port: int) -> list[Asked]:
    """All requests until now."""
    with urlopen(f"http://127.0.0.1:{port}{ASKED}") as response:
        return [Asked(*each) for each in orjson.loads(response.read())]


def ends_seen(asked: Iterable[Asked]) -> dict[str, float]:
    """By task: how late the first poll after its end was."""
    late_s: dict[str, float] = {}
    for each in asked:
        if each.late_s >= 0:
            late_s.setdefault(each.task_id, each.late_s)
    return late_s


def cost_of(asked: Sequence[Asked]) -> Cost:
    return Cost(len(asked), fmean(ends_seen(asked).values()))


def most(times: Sequence[float]) -> int:
    """Of these in order, those within one second, its end not included.

    >>> most([0.0, 0.5, 0.9, 1.0, 1.4]), most([])
    (4, 0)
    """
    return max(
        (bisect_left(times, at + SPAN_S) - first for first, at in enumerate(times)),
        default=0,
    )


def subscribed(urls: Sequence[str], port: int, begins: Sequence[Begins]) -> None:
    looped(subscribing(urls, port, begins))


async def subscribing(urls: Sequence[str], port: int, begins: Sequence[Begins]) -> None:
    """The bridge's nodes in turn are told of each task when it begins."""
    began_at = time.monotonic()

    async def subscribe(number: int, provider: str, task: Arrival) -> None:
        await asyncio.sleep(began_at + task.born_at - time.monotonic())
        url = urls[number % len(urls)]
        caller = await lean.call(url)
        about = task_id(number, time.monotonic() + task.took_s)
        head = await caller.ask(
            subscribe_request(url, number, port, provider=provider, task_id=about)
        )
        assert b" 202 " in head, head
        caller.transport.close()

    async with asyncio.TaskGroup() as group:
        for number, (provider, task) in enumerate(begins):
            group.create_task(subscribe(number, provider, task))
