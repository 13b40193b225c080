"""Limits of clients where several nodes take their requests."""

import asyncio
from collections.abc import Mapping

import pytest

from bridge.api.auth import Caller
from bridge.api.limits import RECOUNT_S, STALE_S, ActiveLimit, RequestLimit
from bridge.config import Client
from bridge.errors import RequestError, StoreUnavailable
from bridge.signature import mint
from tests.conftest import FakeClock


def caller(active: int = 100_000, requests: str = "30/s") -> Caller:
    settings = Client.model_validate(
        {
            "api_keys": ["an-api-key-of-the-shop"],
            "signing_secrets": [mint()],
            "limits": {"active": active, "requests": requests},
        }
    )
    return Caller("shop", settings, frozenset(), b"")


def taken_in_a_second(limit: RequestLimit, clock: FakeClock, shop: Caller) -> int:
    taken = 0
    for _ in range(1_000):
        try:
            limit.take(shop)
            taken += 1
        except RequestError:
            pass
        clock.advance(0.001)
    return taken


def test_each_of_several_nodes_allows_its_part(clock: FakeClock) -> None:
    """Together they allow what the client may have."""
    nodes, shop = [3], caller(requests="30/s")
    limit = RequestLimit(clock.now, lambda: nodes[0])
    clock.advance(10)
    assert taken_in_a_second(limit, clock, shop) == pytest.approx(20, abs=1)
    assert taken_in_a_second(limit, clock, shop) == pytest.approx(10, abs=1)
    nodes[0] = 1
    assert taken_in_a_second(limit, clock, shop) == pytest.approx(30, abs=1)


class Counts:
    """What the database counts; slowly, while it is not `ready`."""

    def __init__(self, **active: int) -> None:
        self.active = active
        self.asked = 0
        self.ready = asyncio.Event()
        self.ready.set()

    async def __call__(self) -> Mapping[str, int]:
        self.asked += 1
        await self.ready.wait()
        return self.active


@pytest.mark.parametrize(
    ("active", "known", "counted"),
    [
        (100_000, 79_999, False),
        (100_000, 80_000, True),
        (400, 0, True),
        (1_000, 499, False),
    ],
)
async def test_a_client_that_may_be_near_its_limit_is_counted_in_its_transaction(
    clock: FakeClock, active: int, known: int, counted: bool
) -> None:
    """What the others added since the last count is not known here."""
    limit = ActiveLimit(Counts(shop=known), clock.now, lambda: 2)
    full = await limit.full(caller(active))
    assert (full is not None) is counted
    if full is not None:
        assert (full.most, full.refusal.code) == (active, "limit_active")


async def test_several_nodes_count_anew_now_and_then(clock: FakeClock) -> None:
    counts = Counts(shop=0)
    limit = ActiveLimit(counts, clock.now, lambda: 2)
    for _ in range(3):
        assert await limit.full(caller()) is None
    assert counts.asked == 1
    clock.advance(RECOUNT_S)
    counts.active["shop"] = 100_000
    assert await limit.full(caller()) is not None
    assert counts.asked == 2


async def test_while_one_of_several_nodes_counts_only_one_request_waits(
    clock: FakeClock,
) -> None:
    """The last count serves the others, or each is counted in its own transaction."""
    counts = Counts(shop=0)
    limit = ActiveLimit(counts, clock.now, lambda: 2)
    assert await limit.full(caller()) is None
    counts.ready.clear()
    async with asyncio.TaskGroup() as group:
        clock.advance(RECOUNT_S)
        counting = group.create_task(limit.full(caller()))
        await asyncio.sleep(0)
        assert await limit.full(caller()) is None
        clock.advance(STALE_S + 1)
        full = await limit.full(caller())
        assert full is not None
        assert full.most == caller().settings.limits.active
        counts.ready.set()
    assert counts.asked == 2
    assert await counting is not None, "what it counted is as old as when it began"
    assert await limit.full(caller()) is None
    assert counts.asked == 3


async def test_a_count_that_fails_refuses_nobody(clock: FakeClock) -> None:
    async def counts() -> Mapping[str, int]:
        raise StoreUnavailable("it takes too long")

    full = await ActiveLimit(counts, clock.now, lambda: 2).full(caller())
    assert full is not None
    assert full.most == caller().settings.limits.active
