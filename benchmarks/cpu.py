"""Processor time of one poll without HTTP, in all threads: claim, question, meaning, rule.

The real poller works on a real store, but what stands for the HTTP client answers at once.
Then its parts one by one; what they leave of the whole are tasks, figures and logs.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from functools import partial

from benchmarks import node, program
from benchmarks.aside import done_aside, looped
from benchmarks.figures import Row, Target
from benchmarks.meter import speed
from benchmarks.node import Place
from bridge import transition
from bridge.assembly import Bridge
from bridge.cadence import fixed
from bridge.config.models import Polling
from bridge.model import ClaimedPoll
from bridge.providers.answer import observe
from bridge.providers.request import poll_request

BATCH = Polling().lane_slots
WHOLE = "processor time of one poll without HTTP"
AT_ONCE_S = 0.01
CLAIMS, CALLS = 100, 5_000


def arguments(parser: argparse.ArgumentParser) -> None:
    program.seconds(parser, 2)
    parser.add_argument("--watches", type=int, default=20_000)


def measured(options: argparse.Namespace) -> list[Row]:
    with node.folder() as folder:
        place = Place(folder, interval=node.AT_ONCE)
        done_aside(node.add_watches, place, range(options.watches))
        found = [done_aside(parts, place, options.seconds) for _ in range(options.rounds)]
    target = {WHOLE: Target("≤ 40", "≤ 20")}
    return [
        Row(what, "µs", [one[what] for one in found], target=target.get(what, Target()))
        for what in found[0]
    ]


def parts(place: Place, seconds: float) -> dict[str, float]:
    """Microseconds by part."""
    with node.restored(place):
        return looped(timed(place, seconds))


async def timed(place: Place, seconds: float) -> dict[str, float]:
    async with node.opened(place) as bridge:
        whole = await polling(bridge, seconds)
        claim, claimed = await claiming(bridge)
        found = {f"… claimed in {BATCH}s": claim, **await pure(bridge, claimed)}
        left = whole - sum(found.values())
        return {WHOLE: whole, **found, "… tasks, figures, logs": left}


async def polling(bridge: Bridge, seconds: float) -> float:
    provider, stop = node.Canned("in_progress"), asyncio.Event()
    worker = node.poller(bridge, provider).worker
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run(stop))
        found = await speed(lambda: provider.asked, seconds)
        stop.set()
        worker.wake.set()
    return found.cpu_us


async def claiming(bridge: Bridge) -> tuple[float, ClaimedPoll]:
    """For one of a batch."""
    items: list[ClaimedPoll] = []
    began_at = time.process_time()
    for _ in range(CLAIMS):
        items += (await node.claim_polls(bridge, BATCH, gap_s=AT_ONCE_S)).items
    return (time.process_time() - began_at) / len(items) * 1e6, items[0]


async def pure(bridge: Bridge, claimed: ClaimedPoll) -> dict[str, float]:
    """The rules, on one watch."""
    provider, now = bridge.deps.providers()[claimed.provider], bridge.clock.now()
    page, base_url = provider.page, provider.base_url
    question = partial(
        poll_request, page, base_url, claimed.task_id, claimed.params, provider.key
    )
    answer = await node.Canned("in_progress").ask(question())
    meaning = partial(
        observe,
        page,
        answer,
        base_url=base_url,
        task_id=claimed.task_id,
        want_raw=False,
        now=now,
    )
    plan = fixed(provider.policy)
    rule = partial(transition.after, claimed, meaning(), plan, now=now, dice=0.5)
    return {
        "… question": each_us(question),
        "… meaning": each_us(meaning),
        "… rule": each_us(rule),
    }


def each_us(part: Callable[[], object]) -> float:
    began_at = time.process_time()
    for _ in range(CALLS):
        part()
    return (time.process_time() - began_at) / CALLS * 1e6


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
