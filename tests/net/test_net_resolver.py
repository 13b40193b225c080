"""Names are looked up fast and bounded, and none of them delays another."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.clock import SystemClock
from bridge.net import resolver as module
from bridge.net.resolver import DnsFailure, Resolver
from tests.net.hostile import NameServer, name_server

HOSTS = Path("/etc/hosts").read_text().splitlines()


class Hand:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def asking(
    names: Mapping[str, Sequence[str] | None],
    *,
    ttl_s: int = 0,
    timeout_s: float = 5,
    cached_names: int = 100,
) -> AsyncIterator[tuple[Resolver, NameServer, Hand]]:
    hand = Hand()
    async with name_server(names, ttl_s) as server:
        resolver = Resolver(
            now=hand,
            nameservers=[server.address],
            timeout_s=timeout_s,
            cached_names=cached_names,
        )
        yield resolver, server, hand
        await resolver.close()


async def test_a_name_has_all_its_addresses_of_both_families() -> None:
    """
    Whoever vets a name must see every address it has.
    """
    names = {"both.test": ["192.0.2.1", "192.0.2.2", "2001:db8::1"]}
    async with asking(names) as (resolver, _, _):
        assert set(await resolver.resolve("both.test")) == set(names["both.test"])


async def test_case_and_a_final_dot_do_not_matter() -> None:
    """
    All spellings of a name share one answer.
    """
    async with asking({"a.test": ["192.0.2.1"]}) as (resolver, server, _):
        assert await resolver.resolve("A.test.") == ("192.0.2.1",)
        assert await resolver.resolve("a.TEST") == ("192.0.2.1",)
        assert server.asked == ["a.test"]


async def test_an_answer_is_kept_for_its_time_and_not_longer() -> None:
    """
    Hundreds of deliveries a second must not ask hundreds of times, and a name that moves is
    found at its new place.
    """
    async with asking({"a.test": ["192.0.2.1"]}) as (resolver, server, hand):
        await resolver.resolve("a.test")
        hand.now += 0.9
        await resolver.resolve("a.test")
        assert server.asked == ["a.test"]

        server.names["a.test"] = ["192.0.2.9"]
        hand.now += 0.2
        assert await resolver.resolve("a.test") == ("192.0.2.9",)


async def test_no_answer_is_kept_for_more_than_a_minute_whatever_it_says() -> None:
    """
    Not by c-ares either, which has a cache of its own: a container that comes back under
    another address would else be lost for as long as its old record claims.
    """
    async with asking({"a.test": ["192.0.2.1"]}, ttl_s=86_400) as (resolver, server, hand):
        await resolver.resolve("a.test")
        hand.now += 59
        server.names["a.test"] = ["192.0.2.9"]
        assert await resolver.resolve("a.test") == ("192.0.2.1",)
        hand.now += 2
        assert await resolver.resolve("a.test") == ("192.0.2.9",)


async def test_a_name_that_does_not_exist_is_remembered_only_briefly() -> None:
    """
    A typing error repaired in the DNS works soon after.
    """
    async with asking({}) as (resolver, server, hand):
        for _ in range(2):
            with pytest.raises(DnsFailure, match="not found"):
                await resolver.resolve("new.test")
        assert server.asked == ["new.test"]

        server.names["new.test"] = ["192.0.2.1"]
        hand.now += module.NEGATIVE_TTL_S + 0.1
        assert await resolver.resolve("new.test") == ("192.0.2.1",)


async def test_a_name_without_addresses_is_a_failure() -> None:
    """
    A name that exists, for mail only say, cannot be called.
    """
    async with asking({"mail.test": []}) as (resolver, _, _):
        with pytest.raises(DnsFailure):
            await resolver.resolve("mail.test")


async def test_a_name_with_very_many_addresses_is_a_failure() -> None:
    """
    Each is vetted for every connection; an attacker's thousands would take our time.
    """
    count = module.ADDRESSES
    names = {"many.test": [f"192.0.2.{n}" for n in range(count)]}
    async with asking(names) as (resolver, server, hand):
        assert len(await resolver.resolve("many.test")) == count
        server.names["many.test"] = [*names["many.test"], "198.51.100.1"]
        hand.now += 2
        with pytest.raises(DnsFailure, match=f"more than {count} addresses"):
            await resolver.resolve("many.test")


async def test_those_who_ask_at_the_same_time_share_one_question() -> None:
    """
    A burst to one host costs one question.
    """
    async with asking({"a.test": ["192.0.2.1"]}) as (resolver, server, _):
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(resolver.resolve("a.test"))
        assert server.asked == ["a.test"]


async def test_one_who_gives_up_does_not_break_the_others() -> None:
    """
    A delivery that reaches its deadline takes nobody else's answer away.
    """
    async with asking({"late.test": None}) as (resolver, server, _), asyncio.timeout(15):
        impatient = asyncio.ensure_future(resolver.resolve("late.test"))
        patient = asyncio.ensure_future(resolver.resolve("late.test"))
        await server.until_asked(1)
        impatient.cancel()
        server.names["late.test"] = ["192.0.2.1"]
        server.answer_late()
        assert await patient == ("192.0.2.1",)
        assert impatient.cancelled()


async def test_silent_names_do_not_delay_a_good_one() -> None:
    """
    A client with forty dead callback hosts must not make everyone else late.
    """
    silent = [f"silent{n}.test" for n in range(40)]
    names = {**dict.fromkeys(silent), "good.test": ["192.0.2.1"]}
    async with asking(names, timeout_s=0.5) as (resolver, server, _):
        asked = asyncio.gather(*map(resolver.resolve, silent), return_exceptions=True)
        await server.until_asked(len(silent))
        assert await resolver.resolve("good.test") == ("192.0.2.1",)
        assert not asked.done()
        for outcome in await asked:
            assert isinstance(outcome, DnsFailure)
            assert "no answer within 0.5 s" in str(outcome)


async def test_a_server_that_cannot_be_reached_is_a_failure() -> None:
    """
    Our own name server being down ends in the same way, within the same time.
    """
    async with name_server({}) as server:
        address = server.address
    resolver = Resolver(now=Hand(), nameservers=[address], timeout_s=0.3)
    with pytest.raises(DnsFailure):
        await resolver.resolve("a.test")
    await resolver.close()


@pytest.mark.parametrize(
    "host", ["", ".", "a b.test", "a\0.test", "bücher.test", "a..test", "x" * 64 + ".test"]
)
async def test_what_is_no_host_name_is_never_asked_for(host: str) -> None:
    """
    The C library would cut a name at a NUL and ask for what is left of it.
    """
    async with asking({}) as (resolver, server, _):
        with pytest.raises(DnsFailure):
            await resolver.resolve(host)
        assert server.asked == []


async def test_no_search_domain_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    `internal` must not quietly become `internal.corp.example`.
    """
    monkeypatch.setenv("LOCALDOMAIN", "corp.test")
    async with asking({"internal.corp.test": ["192.0.2.1"]}) as (resolver, server, _):
        with pytest.raises(DnsFailure):
            await resolver.resolve("internal")
        assert server.asked == ["internal"]


async def test_the_hosts_file_is_read() -> None:
    """
    Containers find each other by it.
    """
    address, *names = [line.split() for line in HOSTS if line and line[0].isdigit()][-1]
    async with asking({}) as (resolver, server, _):
        assert address in await resolver.resolve(f"{names[-1]}.")
        assert server.asked == []


async def test_the_cache_does_not_grow_without_end() -> None:
    """
    Callback hosts are chosen by others; the oldest name makes room.
    """
    names = {name: ["192.0.2.1"] for name in ("a.test", "b.test", "c.test")}
    async with asking(names, cached_names=2) as (resolver, server, _):
        for name in ("a.test", "b.test", "c.test", "c.test", "b.test", "a.test"):
            await resolver.resolve(name)
        assert server.asked == ["a.test", "b.test", "c.test", "a.test"]


async def test_a_resolver_is_open_for_names_however_long_it_runs() -> None:
    """
    Channels are replaced, and what was learned of a name is learned anew.
    """
    async with asking({"a.test": ["192.0.2.1"]}) as (resolver, server, hand):
        for _ in range(4):
            assert await resolver.resolve("a.test") == ("192.0.2.1",)
            hand.now += module.CHANNEL_LIFE_S
        assert len(server.asked) == 4


def held(kind: str) -> int:
    """What this process has open of the system: `fd` or `task` (a thread)."""
    return len(os.listdir(f"/proc/self/{kind}"))


async def until(done: Callable[[], bool]) -> None:
    """c-ares gives a closed channel back in a thread of its own, a moment later."""
    async with asyncio.timeout(10):
        while not done():
            await SystemClock().wait(asyncio.Event(), 0.005)


async def test_what_a_replaced_channel_has_open_is_given_back() -> None:
    """
    Each has four descriptors and a thread, six times a minute. That somebody still holds
    the object, as a traceback may, must not matter.
    """
    async with asking({"a.test": ["192.0.2.1"]}) as (resolver, _, hand):
        await resolver.resolve("a.test")
        threads, files = held("task"), held("fd")
        kept = [resolver._channels[-1]]
        for _ in range(20):
            hand.now += module.CHANNEL_LIFE_S
            await resolver.resolve("a.test")
            kept.append(resolver._channels[-1])
            # One more than at first: the former channel, for its last answers.
            await until(lambda: held("task") <= threads + 1 and held("fd") <= files + 6)
        assert len({id(channel) for channel in kept}) == 21


async def test_a_question_outlives_the_channel_being_replaced() -> None:
    """
    It was asked just before: its answer counts as any other.
    """
    names = {"late.test": None, "a.test": ["192.0.2.1"]}
    async with asking(names) as (resolver, server, hand), asyncio.timeout(15):
        asked = asyncio.ensure_future(resolver.resolve("late.test"))
        await server.until_asked(1)
        hand.now += module.CHANNEL_LIFE_S
        await resolver.resolve("a.test")
        server.names["late.test"] = ["192.0.2.9"]
        server.answer_late()
        assert await asked == ("192.0.2.9",)


async def test_a_question_ends_with_its_channel_at_the_latest() -> None:
    """
    Whoever still waits for it then is told at once, and may ask again.
    """
    names = {"silent.test": None, "a.test": ["192.0.2.1"]}
    async with asking(names, timeout_s=60) as (resolver, server, hand), asyncio.timeout(10):
        asked = asyncio.ensure_future(resolver.resolve("silent.test"))
        await server.until_asked(1)
        for _ in range(2):
            hand.now += module.CHANNEL_LIFE_S
            await resolver.resolve("a.test")
        with pytest.raises(DnsFailure, match="cancelled"):
            await asked
        server.names["silent.test"] = ["192.0.2.9"]
        hand.now += module.NEGATIVE_TTL_S
        assert await resolver.resolve("silent.test") == ("192.0.2.9",)


async def test_closing_ends_every_open_question() -> None:
    """
    The service stops at once, whatever it was waiting for.
    """
    async with asking({"silent.test": None}) as (resolver, server, _):
        asked = asyncio.ensure_future(resolver.resolve("silent.test"))
        await server.until_asked(1)
        await resolver.close()
        with pytest.raises(DnsFailure):
            await asked


async def test_a_resolver_that_was_never_asked_closes() -> None:
    """
    A service may stop before its first delivery.
    """
    await Resolver(now=Hand()).close()
