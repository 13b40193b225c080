"""What tasks cost a provider: the requests it counts, beside those that the model foresees.

Tasks begin at random moments, by a subscribe over HTTP, and end when dice with a seed say.
The bridge knows such tasks: a past of them is in its store. Some are asked about at a fixed
interval, as many as learned, and as many under a limit that is too small for them; all at
one time. First by one node on SQLite, then by several on one PostgreSQL.

Beside it: what `benchmarks.cadence` simulates, for the very same tasks; and beside the most
requests that came within one second, the limit. What comes late because the processors are
busy is late for the next poll as well, so look at them first.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import orjson
import psutil

from benchmarks import node, program
from benchmarks.aside import done_aside, looped, serve_command, serving
from benchmarks.asked import Asked, asked, cost_of, ends_seen, most, provide, subscribed
from benchmarks.durations import lognormal
from benchmarks.figures import Row, Target
from benchmarks.foreseen import Cost, foreseen, taught
from benchmarks.limited import Arrival
from benchmarks.node import Place
from benchmarks.scale import fresh, server
from bridge.budget import Budget
from bridge.cadence import History, PollPolicy
from bridge.config import load
from bridge.providers.configured import configured
from bridge.rate import Rate

INTERVALS = 8  # that a usual task takes
SIGMA = 0.3
PAST = 300
LIMIT = Rate(20)
# Providers that differ in how they may be asked, and share a page.
WAYS: Mapping[str, Mapping[str, Any]] = {
    "fixed": {"poll": {"cadence": "fixed"}},
    "learned": {},
    "limited": {"rate_limit": str(LIMIT)},
}
LOOK_S, PATIENCE_S = 0.2, 60.0
LINGER_S = 1.0  # who asks once more about what has ended is counted as well
LIKE, WITHIN = Target("0.90–1.10×"), Target("≤ 1.00×")

Tasks = Mapping[str, Sequence[Arrival]]  # by way, in order


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rounds=1)  # each takes long
    program.seconds(parser, 6)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--tasks", type=int, default=60, help="asked about in each way")
    parser.add_argument("--takes", type=float, default=8.0, help="seconds, a usual task")


def measured(options: argparse.Namespace) -> Iterator[Row]:
    for nodes in options.nodes:
        seeds = range(node.SEED, node.SEED + options.rounds)
        runs = [run(nodes, options, Random(seed)) for seed in seeds]
        for way in WAYS:
            yield from rows_of(f"{way}, nodes: {nodes}", [each.costs[way] for each in runs])
        yield from rows_of_limit(nodes, [each.most for each in runs])
        busy, cores = [each.busy for each in runs], os.cpu_count() or 1
        yield Row("processors in use, by anybody", "", busy, [cores] * len(busy))


def rows_of(what: str, pairs: Sequence[tuple[Cost, Cost]]) -> Iterator[Row]:
    counted, model = zip(*pairs, strict=True)
    for title, unit, of, target in (
        (f"requests, {what}", "", attrgetter("requests"), LIKE),
        ("… from an end to the poll that sees it", "s", attrgetter("lag_s"), Target()),
    ):
        yield Row(title, unit, list(map(of, counted)), list(map(of, model)), target)


def rows_of_limit(nodes: int, found: Sequence[int]) -> Iterator[Row]:
    """What is claimed within the limit is on its way for longer or shorter."""
    limits = [LIMIT.count] * len(found)
    yield Row(f"most in 1 s, limit {LIMIT}, nodes: {nodes}", "", found, limits)
    burst = Budget(LIMIT).burst
    with_burst = [limit + burst for limit in limits]
    yield Row(f"… beside it and a burst of {burst}", "", found, with_burst, WITHIN)


class Run(NamedTuple):
    """What each way has cost and was to cost; the most requests in a second under the
    limit; how many processors were busy.
    """

    costs: Mapping[str, tuple[Cost, Cost]]
    most: int
    busy: float


def run(nodes: int, options: argparse.Namespace, dice: Random) -> Run:
    durations = lognormal(options.takes, SIGMA)
    past = [durations.drawn(dice) for _ in range(PAST)]
    tasks = {
        way: sorted(
            Arrival(dice.uniform(0, options.seconds), durations.drawn(dice))
            for _ in range(options.tasks)
        )
        for way in WAYS
    }
    with serving(provide) as port, sites(nodes, options.takes, port) as places:
        known = {way: taught(policy, past, dice) for way, policy in places[0].policies()}
        histories = {way: learner.history for way, learner in known.items()}
        done_aside(remember, places[0], histories)
        psutil.cpu_percent()
        found = asked_about(places, tasks)
        busy = psutil.cpu_percent() / 100 * (os.cpu_count() or 1)
    costs = {
        way: (
            cost_of([each for each in found if each.provider == way]),
            foreseen(known[way].plan, tasks[way], LIMIT if way == "limited" else None),
        )
        for way in WAYS
    }
    limited = [each.at for each in found if each.provider == "limited"]
    return Run(costs, most(limited), busy)


@dataclass(frozen=True, slots=True)
class Site(Place):
    """One provider for each way."""

    def settings(self) -> dict[str, Any]:
        settings = Place.settings(self)
        [usual] = settings["providers"].values()
        settings["providers"] = {
            way: {
                **usual,
                "preset": "amux",
                "base_url": f"{usual['base_url']}/{way}",
                **other,
                "poll": {**usual["poll"], **other.get("poll", {})},
            }
            for way, other in WAYS.items()
        }
        return settings

    def policies(self) -> list[tuple[str, PollPolicy]]:
        providers = configured(load({"config": self.config_file()}, {}, self.folder))
        return [(way, provider.policy) for way, provider in providers.items()]


@contextmanager
def sites(nodes: int, takes_s: float, port: int) -> Iterator[Sequence[Site]]:
    """A folder for each node, and one database for all."""
    interval = f"{takes_s / INTERVALS}s"
    with ExitStack() as stack:
        url = fresh(stack.enter_context(server())) if nodes > 1 else ""
        folders = [stack.enter_context(node.folder()) for _ in range(nodes)]
        yield [Site(folder, port, port, interval, interval, url) for folder in folders]


def remember(place: Place, histories: Mapping[str, History]) -> None:
    looped(remembering(place, histories))


async def remembering(place: Place, histories: Mapping[str, History]) -> None:
    news = {(way, ""): history for way, history in histories.items()}
    async with node.opened(place) as bridge:
        await bridge.store.learn(news, now=bridge.clock.now())


def asked_about(places: Sequence[Place], tasks: Tasks) -> Sequence[Asked]:
    """All requests, until some time after every end was seen."""
    port = places[0].provider_port
    begins = [(way, task) for way, several in tasks.items() for task in several]
    with ExitStack() as stack:
        files = [place.config_file() for place in places]
        urls = [stack.enter_context(serve_command(file)).url for file in files]
        for url, way in product(urls, tasks):
            wait_until(partial(knows, url, way))
        done_aside(subscribed, urls, port, begins)
        wait_until(lambda: len(ends_seen(asked(port))) == len(begins))
        time.sleep(LINGER_S)
        return asked(port)


def knows(url: str, provider: str) -> bool:
    """Whether a node has plans of its own by now."""
    headers = {"Authorization": f"Bearer {node.API_KEY}"}
    about = f"{url}/providers/{provider}/durations"
    with urlopen(Request(about, headers=headers)) as response:  # noqa: S310 (ours)
        return bool(orjson.loads(response.read())["items"])


def wait_until(done: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    until = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > until:
            raise TimeoutError("the bridge has not asked, or not learned, in time")
        time.sleep(LOOK_S)


PROGRAM = program.Program(__doc__, arguments, measured)

if __name__ == "__main__":
    program.run(PROGRAM)
