"""How many wrong keys may be tried, by the address they come from.

A right one is looked for first, and always gets in: behind a proxy all visitors may have
one address, and nobody there is to lock out the others. Keys have 16 characters or more,
and are not found by trying.
"""

from collections.abc import Callable
from ipaddress import ip_address, ip_network

from bridge.api.limits import Bucket
from bridge.errors import RequestError
from bridge.rate import Rate

TRIES = Rate(10, 60.0)
REMEMBERED = 1_000  # addresses


class Guesses:
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._buckets: dict[str, Bucket] = {}

    def count(self, address: str) -> None:
        """Raises RequestError `rate_limited`."""
        place, now = neighbourhood(address), self._now()
        bucket = self._buckets.pop(place, None) or Bucket(TRIES, now)
        while len(self._buckets) >= REMEMBERED:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[place] = bucket
        wait_s = bucket.wait_s(now, 1)
        if wait_s:
            detail = "too many wrong keys from your address; wait a minute"
            raise RequestError("rate_limited", detail, retry_after_s=wait_s)


def neighbourhood(address: str) -> str:
    """Of IPv6 one household has 2**64 addresses.

    >>> neighbourhood("2001:db8::1"), neighbourhood("10.0.0.1"), neighbourhood("?")
    ('2001:db8::/64', '10.0.0.1', '?')
    """
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if known.version == 4:
        return str(known)
    return str(ip_network(f"{known}/64", strict=False))
