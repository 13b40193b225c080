"""Asks for the addresses of a name: fast, bounded, and without one name delaying another.

c-ares sends every question at once and waits for none of them in a thread, which the
system's resolver does: there, a few names that nobody answers keep all others waiting.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiodns
import pycares

POSITIVE_TTL_S = 60.0
NEGATIVE_TTL_S = 5.0
# Even a TTL of 0 is kept this long, or a burst of deliveries would ask once for each.
LEAST_TTL_S = 1.0
# c-ares caches too, up to an hour and without a bound, which cannot be turned off from
# here. So a channel is only used this long, and open as long again for its last answers.
CHANNEL_LIFE_S = 10.0
TRY_S = 1.5
TRIES = 2
# Names are taken as they are: no search domains, no HOSTALIASES.
FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_NOALIASES | pycares.ARES_FLAG_EDNS
LOOKUPS = "fb"  # /etc/hosts, then DNS
ADDRESSES = 64  # of one name; honest ones have a few
NAME = re.compile(r"[a-z0-9_.-]{1,253}")


class DnsFailure(OSError):
    """The name has no address, or nobody would tell us one in time.

    An OSError, because that is what aiohttp expects of a resolver.
    """


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a name until `expires_at`."""

    addresses: tuple[str, ...]  # empty: `failure` says why
    failure: str
    expires_at: float
    unasked: bool = False  # no question has left: the next is by another channel


class Resolver:
    """Made and used inside a running event loop; close it in the end.

    `nameservers` (each `address` or `address:port`) replace those of /etc/resolv.conf.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        nameservers: Sequence[str] = (),
        timeout_s: float = 5.0,
        cached_names: int = 4096,
    ) -> None:
        self._now = now
        self._nameservers = nameservers
        self._timeout_s = timeout_s
        self._cached_names = cached_names
        self._cache: dict[str, Known] = {}
        self._asked: dict[str, asyncio.Future[Known]] = {}
        # The one in use, and before it the former one, whose last questions may be open.
        self._channels: deque[aiodns.DNSResolver] = deque()
        self._channel_until = 0.0

    async def resolve(self, host: str) -> tuple[str, ...]:
        """Every address of `host`, IPv4 and IPv6. Raises DnsFailure.

        Callers who want the same name at the same time share one question; one who is
        cancelled or out of time leaves it to the others.
        """
        name = host.rstrip(".").lower()
        if not NAME.fullmatch(name):
            raise DnsFailure("this is not a host name")
        known = self._cache.get(name)
        if known is None or known.expires_at <= self._now():
            known = await self._answer(name)
            if known.unasked:
                known = await self._answer(name)
        if not known.addresses:
            raise DnsFailure(known.failure)
        return known.addresses

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    async def _answer(self, name: str) -> Known:
        asked = self._asked.get(name) or self._ask(name)
        while len(self._channels) > 2:
            # Whoever asked there has long run out of time. What it has open goes at once,
            # not when the last reference to it does.
            await self._channels.popleft().close()
        # Not wait_for: it would cancel the future, which belongs to all who wait for it.
        done, _ = await asyncio.wait({asked}, timeout=self._timeout_s)
        if not done:
            raise DnsFailure(f"no answer within {self._timeout_s:g} s")
        return asked.result()

    def _ask(self, name: str) -> asyncio.Future[Known]:
        known: asyncio.Future[Known] = asyncio.get_running_loop().create_future()

        def arrived(answer: asyncio.Future[pycares.AddrInfoResult]) -> None:
            del self._asked[name]
            known.set_result(self._remember(name, answer))

        self._open_channel().getaddrinfo(name).add_done_callback(arrived)
        self._asked[name] = known
        return known

    def _remember(self, name: str, answer: asyncio.Future[pycares.AddrInfoResult]) -> Known:
        known = _known(answer, self._now())
        if known.unasked:
            self._channel_until = 0.0
        self._cache.pop(name, None)  # so that it goes to the end: the oldest leaves first
        while len(self._cache) >= self._cached_names:
            del self._cache[next(iter(self._cache))]
        self._cache[name] = known
        return known

    def _open_channel(self) -> aiodns.DNSResolver:
        now = self._now()
        if not self._channels or now >= self._channel_until:
            self._channels.append(
                aiodns.DNSResolver(
                    flags=FLAGS,
                    timeout=TRY_S,
                    tries=TRIES,
                    lookups=LOOKUPS,
                    servers=list(self._nameservers) or None,
                )
            )
            self._channel_until = now + CHANNEL_LIFE_S
        return self._channels[-1]


def _known(answer: asyncio.Future[pycares.AddrInfoResult], now: float) -> Known:
    if error := answer.exception():
        # At times c-ares says so at once of a channel that has just been made, and that has
        # sent nothing anywhere.
        unasked = error.args[0] == pycares.errno.ARES_ECONNREFUSED
        expires_at = now + NEGATIVE_TTL_S
        return Known((), str(error.args[-1]).lower(), expires_at, unasked=unasked)
    nodes = answer.result().nodes
    ttl_s = min(min((node.ttl for node in nodes), default=0), POSITIVE_TTL_S)
    expires_at = now + max(ttl_s, LEAST_TTL_S)
    # A dict keeps the order of the answer and drops repeats.
    addresses = tuple(dict.fromkeys(node.addr[0].decode("ascii") for node in nodes))
    if len(addresses) > ADDRESSES:
        return Known((), f"the name has more than {ADDRESSES} addresses", expires_at)
    return Known(addresses, "the name has no address", expires_at)
